"""What concerns the app itself: its problems, events, jobs and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import Invalid, NotFound
from ..events import EventPage
from ..records import Job, JobId, Problem
from .address import segment
from .calls import Calls
from .failures import ApiError
from .reading import member, page, value
from .values import keyed


class ClientProblems:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def report(self, key: str, text: str, *, severity: str = "warning") -> None:
        """Shown to admins. The same key again counts, and replaces the text. Raises Invalid."""
        await self._calls.put(f"/problems/{_key(key)}", {"text": text, "severity": severity})

    async def clear(self, key: str) -> None:
        await self._calls.delete(f"/problems/{_key(key)}")

    async def list(self) -> Sequence[Problem]:
        """Those that this app reported and has not cleared, the latest first."""
        items, _ = page(await self._calls.get("/problems"))
        return [value(Problem, item) for item in items]


class ClientEvents:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def list(self, *, after: str = "", limit: int = 50) -> EventPage:
        """What this installation was to be told, from behind `after` on, as it would be told now. Raises Invalid."""
        params = [("limit", str(limit)), *([("after", after)] if after else [])]
        try:
            return EventPage.from_json(await self._calls.get("/events", params))
        except ValueError:
            raise ApiError("answer_invalid", "The host answered with no page of events: is the SDK too old?") from None


class ClientJobs:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def start(self, name: str, args: Any, *, key: str) -> JobId:
        """`args`: JSON, at most 64 KiB. With the same name and `key` again: the same job. Raises Invalid."""
        return JobId(
            member(await self._calls.post("/jobs", keyed({"name": name, "args": args}, key), idempotent=True), "id")
        )

    async def get(self, id: JobId) -> Job:
        """Raises NotFound."""
        return value(Job, await self._calls.get(f"/jobs/{segment(id, 'job')}"))

    async def list(self) -> Sequence[Job]:
        """The newest 100."""
        items, _ = page(await self._calls.get("/jobs"))
        return [value(Job, item) for item in items]

    async def progress(
        self, id: JobId, done: int | None = None, total: int | None = None, text: str | None = None
    ) -> None:
        """What is left out stays as it is. Raises NotFound, Invalid."""
        given = {"done": done, "total": total, "text": text}
        body = {name: one for name, one in given.items() if one is not None}
        await self._calls.put(f"/jobs/{segment(id, 'job')}/progress", body)


class ClientSettings:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def get(self) -> Mapping[str, Any]:
        """What an admin chose for this installation, with the manifest's defaults for the rest."""
        found: Mapping[str, Any] = member(await self._calls.get("/settings"), "settings")
        return found


def _key(key: Any) -> str:
    """The key as a part of the path. Raises Invalid where it can't be one."""
    if not isinstance(key, str) or not key.strip() or not key.isprintable():
        raise Invalid({"key": "give a text of one line that is not empty"})
    try:
        return segment(key, "problem")
    except NotFound:
        raise Invalid({"key": "this is no text that a key can hold"}) from None
