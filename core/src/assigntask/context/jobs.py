"""`ctx.jobs`: work that an app gives itself. A job tells nothing of anybody but what the app put into it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from assigntask.context.access import Access
from assigntask.context.boundary import for_app, not_found
from assigntask.context.fields import could_be_id
from assigntask.jobs import rows
from assigntask.people.text import checked
from assigntask_sdk.errors import Invalid
from assigntask_sdk.records import Job, JobId

MAX_NAME = 100
MAX_KEY = 500
MAX_TEXT = 200
MAX_ARGS = 64 * 1024
MAX_COUNT = 2**63 - 1
MAX_DEPTH = 60


class CtxJobs:
    def __init__(self, access: Access) -> None:
        self._access = access

    @for_app
    async def start(self, name: str, args: Any, *, key: str) -> JobId:
        """Raises Invalid, also where the manifest has no hook `job` or too many jobs go on."""
        name, key = checked("name", name, limit=MAX_NAME), checked("key", key, limit=MAX_KEY)
        plain = checked_args(args)
        await self._access.grant()
        now = self._access.services.clock()
        return await self._access.services.db.write(rows.start, *self._mine(), name, plain, key, now)

    @for_app
    async def get(self, id: JobId) -> Job:
        """Raises NotFound, also for another app's."""
        await self._access.grant()
        found = None
        if could_be_id(id):
            found = await self._access.services.db.read(rows.get, *self._mine(), id)
        if found is None:
            raise not_found("job")
        return found

    @for_app
    async def list(self) -> Sequence[Job]:
        """The newest 100, the newest first."""
        await self._access.grant()
        return await self._access.services.db.read(rows.newest, *self._mine())

    @for_app
    async def progress(
        self, id: JobId, done: int | None = None, total: int | None = None, text: str | None = None
    ) -> None:
        """Raises NotFound, Invalid (also for a job that has ended)."""
        told = checked_progress(done, total, text)
        await self._access.grant()
        services = self._access.services
        if not could_be_id(id) or await services.db.read(rows.get, *self._mine(), id) is None:
            raise not_found("job")
        if not await services.db.write(rows.progress, *self._mine(), id, told, services.clock()):
            raise Invalid({"id": "this job has ended: start another one"})

    def _mine(self) -> tuple[str, str]:
        return self._access.organisation_id, self._access.installation_id


def checked_args(args: Any) -> Any:
    """As they come out of the database again. Raises Invalid for what is no JSON, or too much of it."""
    try:
        text = json.dumps(args, allow_nan=False, separators=(",", ":"))
        size = len(json.dumps(args, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode())
    except (TypeError, ValueError, RecursionError):
        raise Invalid(
            {"args": "must be JSON: objects, lists, text, numbers that are finite, true, false, null"}
        ) from None
    if size > MAX_ARGS:
        raise Invalid({"args": f"at most {MAX_ARGS} bytes as JSON, these are {size}: keep more in ctx.storage"})
    return _plain(json.loads(text), 0)


def _plain(value: Any, depth: int) -> Any:
    """Raises Invalid for what the databases can't hold."""
    if depth > MAX_DEPTH:
        raise Invalid({"args": f"are nested more than {MAX_DEPTH} deep"})
    if isinstance(value, str):
        if "\x00" in value:
            raise Invalid({"args": "holds a character that can't be stored (U+0000): remove it"})
    elif isinstance(value, dict):
        return {_plain(name, depth): _plain(inner, depth + 1) for name, inner in value.items()}
    elif isinstance(value, list):
        return [_plain(inner, depth + 1) for inner in value]
    return value


def checked_progress(done: Any, total: Any, text: Any) -> dict[str, int | str]:
    """What was told, by column. Raises Invalid."""
    faults: dict[str, str] = {}
    told: dict[str, int | str] = {}
    for name, count in (("done", done), ("total", total)):
        if count is None:
            continue
        if type(count) is int and 0 <= count <= MAX_COUNT:
            told[name] = count
        else:
            faults[name] = f"give a whole number from 0 to {MAX_COUNT}"
    if faults:
        raise Invalid(faults)
    if text is not None:
        told["text"] = checked("text", text, limit=MAX_TEXT, empty=True)
    return told
