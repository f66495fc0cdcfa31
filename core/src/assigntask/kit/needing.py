"""Which scopes an app needs while it is tested: a ctx that notes the powers that are used and what is refused."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from assigntask_sdk.context import Ctx
from assigntask_sdk.details import DETAILS, SCOPES
from assigntask_sdk.errors import NotShared, Refused

POWERS: Mapping[str, str] = {
    "tasks.create": "tasks:write",
    "tasks.edit": "tasks:write",
    "tasks.archive": "tasks:write",
    "tasks.comment": "comments:write",
    "checklists.add": "tasks:write",
    "checklists.add_item": "tasks:write",
    "checklists.set_done": "tasks:write",
    "attachments.add": "attachments:write",
    "attachments.add_file": "attachments:write",
    "attachments.remove": "attachments:write",
}
"""What each call needs that changes something. What a call gives is in the ledger, detail by detail."""

HOOK_POWERS: Mapping[str, str] = {"task_saving": "tasks:guard"}

PARTS = frozenset(
    {"tasks", "comments", "people", "projects", "organisation", "departments", "task_types", "checklists"}
    | {"attachments", "storage", "problems", "events", "jobs"}
)


class Needs:
    """`powers` that were used or tried; scopes that were `refused`. Noted in the apps' thread too."""

    def __init__(self) -> None:
        self.powers: set[str] = set()
        self.refused: set[str] = set()

    def watching(self, ctx: Ctx) -> Ctx:
        return cast(Ctx, _Watched(ctx, self, ""))

    def asked(self, hook: str) -> None:
        if hook in HOOK_POWERS:
            self.powers.add(HOOK_POWERS[hook])

    @contextmanager
    def noting(self) -> Iterator[None]:
        try:
            yield
        except Refused as error:
            if error.scope in SCOPES:  # else it is no scope that lacks, but somebody's part in the app
                self.refused.add(error.scope)
            raise
        except NotShared as error:
            if error.detail in DETAILS:
                self.refused.add(DETAILS[error.detail].scope)
            raise


class _Watched:
    """A ctx, or a part of one called `place`."""

    def __init__(self, target: Any, needs: Needs, place: str) -> None:
        self._target, self._needs, self._place = target, needs, place

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if not self._place and name in PARTS:
            return _Watched(value, self._needs, f"{name}.")
        return self._called(f"{self._place}{name}", value) if inspect.isroutine(value) else value

    def _called(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if name in POWERS:
                self._needs.powers.add(POWERS[name])
            with self._needs.noting():
                given = method(*arguments, **options)
            if name == "as_person":
                return _Watched(given, self._needs, "")
            if inspect.isawaitable(given):
                return self._awaited(given)
            return self._iterated(given) if isinstance(given, AsyncIterator) else given

        return call

    async def _awaited(self, given: Awaitable[Any]) -> Any:
        with self._needs.noting():
            return await given

    async def _iterated(self, given: AsyncIterator[Any]) -> AsyncIterator[Any]:
        with self._needs.noting():
            async for item in given:
                yield item
