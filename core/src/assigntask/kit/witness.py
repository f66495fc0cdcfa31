"""What the hooks of apps raised and answered, as it was: tests meet it, where people get the host's words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assigntask.hooks.registry import Registry
from assigntask_sdk.apps import Hook, InstalledApp
from assigntask_sdk.context import Ctx
from assigntask_sdk.hooks import Hooks

from .needing import Needs
from .steps import Steps


@dataclass(frozen=True, slots=True)
class Call:
    """One call that ended: with an `answer`, or with what it raised."""

    app_id: str
    hook: str
    answer: Any = None
    raised: Exception | None = None


class Witness:
    """Hooks run in the apps' thread; appending to a list needs no lock."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self.needs = Needs()
        self.steps: Steps | None = None  # where calls are to be killed, or their steps counted

    def forget(self) -> None:
        self._calls.clear()

    def raised(self, hook: str | None = None, app_id: str | None = None) -> Exception | None:
        """The first since `forget`, where any was raised."""
        return next((call.raised for call in self._of(hook, app_id) if call.raised is not None), None)

    def answer(self, hook: str, app_id: str) -> Any:
        """The last answer since `forget`, or None."""
        return next((call.answer for call in reversed(self._of(hook, app_id)) if call.raised is None), None)

    def watching(self, app_id: str, hook: str, function: Hook) -> Hook:
        async def watched(ctx: Ctx, ask: Any) -> Any:
            self.needs.asked(hook)
            life = self.steps.begin() if self.steps is not None and Hooks.all[hook].notice else None
            try:
                with self.needs.noting():
                    answer = await function(self.needs.watching(ctx, life), ask)
                if life is not None:
                    life.check()  # it may have caught even that
            except Exception as error:
                self._calls.append(Call(app_id, hook, raised=error))
                raise
            self._calls.append(Call(app_id, hook, answer))
            return answer

        return watched

    def _of(self, hook: str | None, app_id: str | None) -> list[Call]:
        return [call for call in self._calls if hook in (None, call.hook) and app_id in (None, call.app_id)]


class WatchedRegistry(Registry):
    """The host's own, whose functions are watched."""

    def __init__(self, find: Callable[[str], InstalledApp], witness: Witness) -> None:
        super().__init__(find)
        self._witness = witness

    async def implementation(self, app_id: str, hook: str) -> Hook | None:
        function = await super().implementation(app_id, hook)
        return None if function is None else self._witness.watching(app_id, hook, function)
