"""The apps' functions. pluggy registers, validates and lists them; the host calls each one itself.

Nothing here says whether an app may be called: that follows from the installation's accepted manifest and
grant. An app's code is imported at its first call, in a thread that nobody has to wait for.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pluggy
import structlog

from assigntask.errors import HostError
from assigntask_sdk.apps import AppBroken, Hook, InstalledApp, load_hooks
from assigntask_sdk.hooks import PROJECT, specifications

LOADED_WITHIN = 30.0
"""Seconds that an app has for its import."""

log = structlog.get_logger(__name__)


class Registry:
    """`find` gives an app by id, or raises HostError. One per host; there is no global one."""

    def __init__(self, find: Callable[[str], InstalledApp], *, loaded_within: float = LOADED_WITHIN) -> None:
        self._find = find
        self._loaded_within = loaded_within
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(specifications())
        self._hooks: dict[str, Mapping[str, Hook]] = {}
        self._broken: dict[str, HostError] = {}
        self._loading: dict[str, asyncio.Task[Mapping[str, Hook]]] = {}

    async def implementation(self, app_id: str, hook: str) -> Hook | None:
        """The app's function for the hook; None where its code has none. Raises HostError `app_broken`.

        What went wrong stays so until `forget`: importing the same code again would fail again.
        """
        hooks = self._hooks.get(app_id)
        if hooks is None:
            hooks = await self._load(app_id)
        return hooks.get(hook)

    def loaded(self) -> Mapping[str, frozenset[str]]:
        """The hooks of every app that was loaded, as pluggy lists them."""
        return {
            name: frozenset(caller.name for caller in self._manager.get_hookcallers(plugin) or ())
            for name, plugin in self._manager.list_name_plugin()
        }

    def broken(self) -> Mapping[str, HostError]:
        return dict(self._broken)

    def forget(self, app_id: str) -> None:
        """The app is looked for and registered anew at its next call. Python keeps modules that it imported."""
        self._hooks.pop(app_id, None)
        self._broken.pop(app_id, None)
        if self._manager.has_plugin(app_id):
            self._manager.unregister(name=app_id)

    async def _load(self, app_id: str) -> Mapping[str, Hook]:
        if app_id in self._broken:
            raise self._broken[app_id]
        task = self._loading.get(app_id)
        if task is None:
            task = self._loading[app_id] = asyncio.create_task(self._load_once(app_id))
            task.add_done_callback(lambda _: self._loading.pop(app_id, None))
        return await asyncio.shield(task)  # one caller's time limit must not end it for the others

    async def _load_once(self, app_id: str) -> Mapping[str, Hook]:
        try:
            async with asyncio.timeout(self._loaded_within):
                hooks = await _in_a_thread(lambda: load_hooks(self._find(app_id)), f"assigntask-load-{app_id}")
            self._register(app_id, hooks)
        except TimeoutError:
            why = f"importing it did not end within {self._loaded_within:g} seconds"
        except (AppBroken, HostError) as error:
            why = error.message
        except pluggy.PluginValidationError:
            why = "its hooks are not those of this SDK"
        else:
            self._hooks[app_id] = hooks
            return hooks
        broken = HostError("app_broken", f"{app_id} can't be used: {why}", app=app_id)
        self._broken[app_id] = broken
        log.warning("app_broken", app=app_id)
        raise broken

    def _register(self, app_id: str, hooks: Mapping[str, Hook]) -> None:
        if self._manager.has_plugin(app_id):
            self._manager.unregister(name=app_id)
        plugin = SimpleNamespace(**hooks)
        self._manager.register(plugin, name=app_id)
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError:
            self._manager.unregister(plugin)
            raise


async def _in_a_thread(work: Callable[[], Mapping[str, Hook]], name: str) -> Mapping[str, Hook]:
    """As asyncio.to_thread, but a thread that hangs does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is None:
            outcome.set_result(value)
        else:
            outcome.set_exception(error)

    def run() -> None:
        value, failure = None, None
        try:
            value = work()
        except BaseException as error:  # KeyboardInterrupt too: it is the app that raised it here
            failure = error if isinstance(error, AppBroken | HostError) else _raised(name, error)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, value, failure)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await outcome  # type: ignore[no-any-return]


def _raised(name: str, error: BaseException) -> AppBroken:
    return AppBroken("app_import_failed", name, f"importing it raised {type(error).__name__}")
