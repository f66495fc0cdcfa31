"""An app in both ways of running: in the host's process, and as a service of its own that the host calls."""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import uvicorn
from pydantic import TypeAdapter
from starlette.types import ASGIApp

from assigntask.app import Platform
from assigntask.hooks.registry import Registry
from assigntask.installations.directory import Directory
from assigntask.settings import LOOPBACK_NETWORKS, Settings
from assigntask_sdk.apps import Hook, InstalledApp, find_app
from assigntask_sdk.details import SCOPES
from assigntask_sdk.hooks import Hooks
from assigntask_sdk.serving import open_service
from assigntask_sdk.serving import site as service_site

ROOT = Path(__file__).parents[1]
PATIENCE = 10.0
"""Seconds that a hook has at least: how busy this machine is says nothing about an app."""
REQUESTS = 1_000_000
"""Requests in a window: an app in the host's process has no such limit, and a clock that stands ends no window."""
HASTE = 0.3
"""Seconds that a hook has in an app that never answers."""


def manifests() -> list[Path]:
    """Every app of the repository, by its manifest: a new one is among them by being there."""
    found = [path for top in ("plugins", "tests", "core/tests", "sdk/tests") for path in (ROOT / top).rglob("app.toml")]
    return sorted(path for path in found if not {"build", "node_modules", ".venv"} & set(path.parts))


class Clock:
    """Stands still until it is moved. Read in several threads."""

    def __init__(self, start: dt.datetime) -> None:
        self.now = start

    def __call__(self) -> dt.datetime:
        return self.now

    def later(self, **by: float) -> None:
        self.now += dt.timedelta(**by)


# --- what the app itself sees -----------------------------------------------------------------------------------------


@dataclass
class Notebook:
    """What an app's functions were called with, and what came of it, in order. Written in the app's own thread."""

    clock: Clock
    notes: list[dict[str, Any]] = field(default_factory=list)

    def watching(self, hook: str, function: Hook) -> Hook:
        async def watched(ctx: Any, ask: Any) -> Any:
            note = self._called(hook, ctx, ask)
            self.notes.append(note)
            try:
                answer = await function(ctx, ask)
            except BaseException as error:
                note["raised"] = type(error).__name__
                raise
            note["answered"] = type(answer).__name__
            return answer

        return watched

    def _called(self, hook: str, ctx: Any, ask: Any) -> dict[str, Any]:
        return {
            "hook": hook,
            "ask": TypeAdapter(Hooks.all[hook].ask).dump_python(ask, mode="json"),
            "viewer": ctx.viewer,
            "settings": dict(ctx.settings),
            "granted": sorted(scope for scope in SCOPES if ctx.granted(scope)),
            "now is the host's": abs(ctx.now() - self.clock()) < dt.timedelta(minutes=1),
            "time is left": ctx.deadline > self.clock(),
        }


class WatchedRegistry(Registry):
    """The host's own, whose functions are watched."""

    def __init__(self, find: Callable[[str], InstalledApp], notebook: Notebook) -> None:
        super().__init__(find)
        self._notebook = notebook

    async def implementation(self, app_id: str, hook: str) -> Hook | None:
        function = await super().implementation(app_id, hook)
        return None if function is None else self._notebook.watching(hook, function)


# --- services ---------------------------------------------------------------------------------------------------------


class Running(Protocol):
    """The app's service."""

    @property
    def url(self) -> str:
        """The same after a restart."""
        ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


def bound(port: int = 0) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen(128)
    return made


class ThreadService:
    """In a thread with an event loop of its own, so that an app which holds it up holds up nothing else."""

    def __init__(self, folder: Path, host: str, store: Path, notebook: Notebook) -> None:
        self._folder, self._host, self._store, self._notebook = folder, host, store, notebook
        self._port = 0
        self._serving: tuple[threading.Thread, uvicorn.Server] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Raises what opening the service raises."""
        loop, ready = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        def settle(outcome: uvicorn.Server | BaseException) -> None:
            if isinstance(outcome, BaseException):
                ready.set_exception(outcome)
            else:
                ready.set_result(outcome)

        def run() -> None:
            try:
                asyncio.run(self._serve(lambda server: loop.call_soon_threadsafe(settle, server)))
            except BaseException as error:
                loop.call_soon_threadsafe(settle, error)

        thread = threading.Thread(target=run, name="service", daemon=True)
        thread.start()
        self._serving = thread, await ready

    async def _serve(self, ready: Callable[[uvicorn.Server], object]) -> None:
        opened = open_service(find_app(self._folder), [self._host], self._store, clock=self._notebook.clock)
        async with opened as service:
            hooks = {name: self._notebook.watching(name, hook) for name, hook in service.calling.hooks.items()}
            watched = replace(service, calling=replace(service.calling, hooks=hooks))
            with bound(self._port) as taken:
                self._port = taken.getsockname()[1]
                server = server_of(service_site(watched))
                ready(server)
                await server.serve(sockets=[taken])

    async def stop(self) -> None:
        if self._serving is not None:
            thread, server = self._serving
            server.should_exit = server.force_exit = True
            await asyncio.to_thread(thread.join, PATIENCE)
            self._serving = None


class ProcessService:
    """`assigntask-sdk serve`, as its developer starts it. What the app itself sees stays there."""

    def __init__(self, folder: Path, host: str, store: Path) -> None:
        self._folder, self._host, self._store = folder, host, store
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    async def start(self) -> None:
        port = self.url.rpartition(":")[2] or "0"
        command = [sys.executable, "-m", "assigntask_sdk.cli", "serve", str(self._folder), "--host", self._host]
        command += ["--port", port, "--store", str(self._store), "--dev", "--json"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=self._folder.parent
        )
        self.url = (await asyncio.to_thread(self._facts))["url"]

    def _facts(self) -> Any:
        """The document that it prints once it listens."""
        text = ""
        if self._process is not None and self._process.stdout is not None:
            for line in self._process.stdout:
                text += line
                with suppress(ValueError):
                    return json.loads(text)
        raise AssertionError(f"the service ended before it served: {text}")

    async def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.communicate)
            self._process = None


def server_of(app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    server.capture_signals = _no_signals  # type: ignore[method-assign]  # they are pytest's
    return server


@contextmanager
def _no_signals() -> Iterator[None]:
    yield


# --- the two ways -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """A host, and the app as it offers it. `service` is None where the app runs in the host's process."""

    name: str
    platform: Platform
    clock: Clock
    notebook: Notebook
    folder: Path
    app_id: str
    service: Running | None

    async def newer(self) -> None:
        """The same code under a version that is one higher, as its vendor publishes it."""
        file = self.folder / "app.toml"
        first, _, last = find_app(self.folder).usable().version.rpartition(".")
        text = file.read_text("utf-8")
        file.write_text(text.replace(f'"{first}.{last}"', f'"{first}.{int(last) + 1}"', 1), "utf-8")
        if self.service is not None:
            await self.service.stop()
            await self.service.start()


@asynccontextmanager
async def in_process(package: Path, folder: Path, clock: Clock, limits: Mapping[str, float]) -> AsyncIterator[Way]:
    copy = _copied(package, folder)
    notebook = Notebook(clock)
    settings = replace(Settings.in_memory(), hook_limits=limits)
    with _imported_afresh(package.name):
        app_id = find_app(copy).id
        async with Platform.open(
            settings,
            clock=clock,
            directory=Directory(lambda: [find_app(copy)]),
            registry=lambda find: WatchedRegistry(find, notebook),
        ) as platform:
            yield Way("in process", platform, clock, notebook, copy, app_id, None)


@asynccontextmanager
async def as_a_service(
    package: Path, folder: Path, clock: Clock, limits: Mapping[str, float], *, process: bool = False
) -> AsyncIterator[Way]:
    """`process`: `assigntask-sdk serve` in a process of its own; the notebook stays empty."""
    copy, store = _copied(package, folder), folder / "store.db"
    notebook = Notebook(clock)
    taken = bound()
    url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    settings = replace(Settings.in_memory(), url=url, outgoing_allow=LOOPBACK_NETWORKS, hook_limits=limits)
    settings = replace(settings, limits=replace(settings.limits, requests=REQUESTS))
    async with AsyncExitStack() as stack:
        stack.enter_context(_imported_afresh(package.name))
        platform = await stack.enter_async_context(Platform.open(settings, clock=clock, directory=Directory(list)))
        await stack.enter_async_context(_listening(platform.site(), taken))
        service: Running = ProcessService(copy, url, store) if process else ThreadService(copy, url, store, notebook)
        stack.push_async_callback(service.stop)
        await service.start()
        remote = await platform.remotes.add(service.url)
        yield Way("as a service", platform, clock, notebook, copy, remote.app_id, service)


def limits(*, hasty: bool) -> Mapping[str, float]:
    """Seconds by hook."""
    return {name: HASTE if hasty else max(spec.limit, PATIENCE) for name, spec in Hooks.all.items()}


@asynccontextmanager
async def _listening(app: ASGIApp, taken: socket.socket) -> AsyncIterator[None]:
    server = server_of(app)
    running = asyncio.create_task(server.serve(sockets=[taken]))
    try:
        yield
    finally:
        server.should_exit = server.force_exit = True
        await running
        taken.close()


def _copied(package: Path, folder: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(package, folder / package.name, ignore=ignored)


@contextmanager
def _imported_afresh(package: str) -> Iterator[None]:
    """Nothing that was imported of the package before counts here, and nothing of it stays."""

    def own() -> dict[str, Any]:
        return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == package}

    before, path = own(), list(sys.path)
    for name in before:
        del sys.modules[name]
    try:
        yield
    finally:
        for name in own():
            del sys.modules[name]
        sys.modules.update(before)
        sys.path[:] = path
        importlib.invalidate_caches()
