"""`ctx.events`: the installation's own line of notices, read instead of called."""

from __future__ import annotations

import re
from typing import Any, Protocol

from assigntask.context.access import Access
from assigntask.context.boundary import for_app
from assigntask.context.cursors import checked_limit
from assigntask.grants.grant import Grant
from assigntask_sdk.errors import Invalid
from assigntask_sdk.events import EventPage

_POSITION = re.compile("[0-9]{1,18}")
DEFAULT_LIMIT = 50


class EventReader(Protocol):
    """What knows the notices. It lives among the hooks, which lead to ctx themselves."""

    async def page(self, grant: Grant, after: int, limit: int) -> EventPage:
        """Of the grant's own installation, from behind position `after` on, as the grant lets them be told now."""
        ...


class CtxEvents:
    def __init__(self, access: Access, reader: EventReader) -> None:
        self._access = access
        self._reader = reader

    @for_app
    async def list(self, *, after: str = "", limit: int = DEFAULT_LIMIT) -> EventPage:
        """Raises Invalid."""
        position = _position(after)
        limit = checked_limit(limit)
        return await self._reader.page(await self._access.grant(), position, limit)


def _position(after: Any) -> int:
    if after == "":
        return 0
    if not isinstance(after, str) or not _POSITION.fullmatch(after):
        raise Invalid({"after": "give the `next` of a page of events, or leave it out to begin with the first"})
    return int(after)
