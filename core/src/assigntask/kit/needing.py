"""Which scopes an app needs while it is tested: a ctx that notes the powers that are used and what is refused."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from assigntask.stores.plan import chunks
from assigntask_sdk.context import Ctx
from assigntask_sdk.details import DETAILS, SCOPES
from assigntask_sdk.errors import NotShared, Refused

from .steps import Life

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

STORES = frozenset({"storage", "storage.task", "storage.person"})
EFFECTS = frozenset(
    POWERS.keys()
    | {f"{store}.{write}" for store in STORES for write in ("commit", "apply")}
    | {"problems.report", "problems.clear", "jobs.start", "jobs.progress", "refresh"}
)
"""The calls that change something, each of them once or not at all."""

HOOK_POWERS: Mapping[str, str] = {"task_saving": "tasks:guard"}

OUTSIDE_POWERS = frozenset({"deliveries:manage"})
"""Needed for calls of the API that ctx has not, so a test of hooks can't see whether they are."""

PARTS = frozenset(
    {"tasks", "comments", "people", "projects", "organisation", "departments", "task_types", "checklists"}
    | {"attachments", "storage", "problems", "events", "jobs"}
)


class Needs:
    """`powers` that were used or tried; scopes that were `refused`. Noted in the apps' thread too."""

    def __init__(self) -> None:
        self.powers: set[str] = set()
        self.refused: set[str] = set()

    def watching(self, ctx: Ctx, life: Life | None = None) -> Ctx:
        return cast(Ctx, _Watched(ctx, self, "", life))

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
    """A ctx, or a part of one called `place`. `life`: of a call that may be killed."""

    def __init__(self, target: Any, needs: Needs, place: str, life: Life | None) -> None:
        self._target, self._needs, self._place, self._life = target, needs, place, life

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if not self._place and name in PARTS:
            return self._part(value, f"{name}.")
        return self._called(f"{self._place}{name}", value) if inspect.isroutine(value) else value

    def _part(self, target: Any, place: str) -> _Watched:
        return _Watched(target, self._needs, place, self._life)

    def _called(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if name in POWERS:
                self._needs.powers.add(POWERS[name])
            if self._life is not None and name in EFFECTS:
                return self._awaited(self._effect(self._life, name, method, *arguments, **options))
            if self._life is not None:
                self._life.check()
            with self._needs.noting():
                given = method(*arguments, **options)
            if name == "as_person":
                return self._part(given, "")
            if name in STORES:
                return self._part(given, f"{name}.")
            if inspect.isawaitable(given):
                return self._awaited(given)
            return self._iterated(given) if isinstance(given, AsyncIterator) else given

        return call

    async def _effect(self, life: Life, name: str, method: Callable[..., Any], *given: Any, **options: Any) -> Any:
        if not name.endswith(".apply"):
            return await life.effect(name, lambda: method(*given, **options))
        commit: Callable[..., Any] = self._target.commit
        async for chunk in chunks(*given, **options):  # each is stored by itself, so each may be the last
            await life.effect(name, partial(commit, *chunk))
        return None

    async def _awaited(self, given: Awaitable[Any]) -> Any:
        with self._needs.noting():
            return await given

    async def _iterated(self, given: AsyncIterator[Any]) -> AsyncIterator[Any]:
        with self._needs.noting():
            async for item in given:
                yield item
