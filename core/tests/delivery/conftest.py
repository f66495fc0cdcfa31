"""A host that listens on the loopback, and apps that run as services beside it, as on their vendors' machines."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from sqlalchemy.engine import Connection
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from assigntask.api.app import api
from assigntask.api.services import BASE, ApiServices
from assigntask.app import Platform
from assigntask.installations.directory import Directory
from assigntask.installations.installations import Installation
from assigntask.ledger.ledger import LedgerEntry
from assigntask.oauth.endpoints import endpoints
from assigntask.oauth.server import OAuthServer
from assigntask.oauth.tokens import Tokens
from assigntask.people import organisations, people
from assigntask.people.facts import Doer
from assigntask.settings import LOOPBACK_NETWORKS, Settings
from assigntask.tasks import projects
from assigntask.tasks.facts import TaskFacts
from assigntask_sdk.apps import InstalledApp, find_app
from assigntask_sdk.hooks import Hooks
from assigntask_sdk.records import Due
from assigntask_sdk.serving.service import Service, open_service
from assigntask_sdk.serving.site import site as service_site
from assigntask_sdk.webhooks import secret_from_text, verify
from assigntask_sdk.wire import FRAME_BYTES, HookBody, InstallBody

APPS = Path(__file__).parent.parent / "apps"
ADMIN = "ada@harbour.example"


class Clock:
    """The real time, and what a test moved it by: signatures of other processes' clocks have to agree with it."""

    def __init__(self) -> None:
        self.moved = dt.timedelta(0)

    def __call__(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self.moved

    def later(self, **by: float) -> None:
        self.moved += dt.timedelta(**by)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bound(port: int = 0) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen(128)
    return made


@asynccontextmanager
async def listening(app: ASGIApp, taken: socket.socket | None = None) -> AsyncIterator[str]:
    """Serves the application on the loopback; its address."""
    taken = taken or bound()
    config = uvicorn.Config(
        app, lifespan="off", log_config=None, access_log=False, ws="websockets-sansio", ws_max_size=FRAME_BYTES
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[taken]))
    try:
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await running
        taken.close()


@dataclass
class Scripted:
    """A service that takes credentials as the SDK's does, and answers hooks with whatever the test says."""

    manifest: bytes
    answer: Callable[[HookBody], Awaitable[Response] | Response] = lambda _: Response(b'{"answer":null}')
    install_status: int = 204
    installs: list[InstallBody] = field(default_factory=list)
    asked: list[HookBody] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    public_keys: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def site(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/app.toml", self._manifest),
                Route("/install", self._install, methods=["POST"]),
                Route("/hooks/{hook}", self._hook, methods=["POST"]),
            ]
        )

    async def _manifest(self, request: Request) -> Response:
        self.paths.append(request.url.path)
        return Response(self.manifest)

    async def _install(self, request: Request) -> Response:
        body = await request.body()
        verify(request.headers, body, public_keys=self.public_keys, now=dt.datetime.now(dt.UTC))
        self.installs.append(InstallBody.model_validate_json(body))
        return Response(status_code=self.install_status)

    async def _hook(self, request: Request) -> Response:
        raw = await request.body()
        secrets = [secret_from_text(one.secret) for one in self.installs]
        self.ids.append(verify(request.headers, raw, secrets=secrets, now=dt.datetime.now(dt.UTC)))
        body = HookBody.model_validate_json(raw)
        self.asked.append(body)
        given = self.answer(body)
        return given if isinstance(given, Response) else await given


class World:
    """One organisation on one host. `ids` by name: people, projects."""

    def __init__(self, platform: Platform, clock: Clock, stack: AsyncExitStack, folder: Path) -> None:
        self.platform, self.clock = platform, clock
        self.ids: dict[str, str] = {}
        self._stack, self._folder = stack, folder
        self.tokens = Tokens(platform.db, platform.grants, platform.keys, clock)

    @property
    def url(self) -> str:
        return self.platform.settings.url

    def pages(self) -> Starlette:
        """What apps outside the host meet."""
        platform = self.platform
        server = OAuthServer(platform.db, platform.grants, platform.keys, self.clock, platform.settings, _nothing)
        services = ApiServices(
            platform.db,
            self.tokens,
            platform.grants,
            platform.contexts,
            platform.settings.limits,
            self.clock,
            lambda: self.url,
            platform.deliveries,
        )
        return Starlette(routes=[*endpoints(server), platform.connecting.route(), Mount(BASE, api(services))])

    async def furnish(self) -> None:
        def unit(conn: Connection) -> None:
            here = self.ids["here"] = organisations.create(conn, "Harbour", "UTC", self.clock()).id
            for name in ("near", "far"):
                self.ids[name] = projects.create(conn, here, name, now=self.clock())
            for name in ("ada", "ben"):
                self.ids[name] = people.add(
                    conn,
                    here,
                    name=name.title(),
                    email=f"{name}@harbour.example",
                    role="admin" if name == "ada" else "member",
                    now=self.clock(),
                ).id

        await self.platform.db.write(unit)

    def doer(self, name: str = "ada") -> Doer:
        return Doer(self.ids["here"], self.ids[name], "admin" if name == "ada" else "member")

    async def served(self, package: str) -> tuple[str, Service]:
        """The app of the bench as its own service, by the SDK's own program; its address."""
        app = find_app(APPS / package)
        service = await self._stack.enter_async_context(
            open_service(app, [self.url], self._folder / f"{package}-store", dev=True, clock=self.clock)
        )
        return await self._stack.enter_async_context(listening(service_site(service))), service

    async def scripted(self, package: str, **fields: Any) -> tuple[str, Scripted]:
        manifest = (APPS / package / "app.toml").read_bytes()
        public = [key.public_key().public_bytes_raw() for key in self.platform.credentials.host_keys()]
        service = Scripted(manifest, public_keys=public, **fields)
        return await self._stack.enter_async_context(listening(service.site())), service

    async def install(self, app_id: str, **options: Any) -> Installation:
        installed = await self.platform.installing.install(self.doer(), app_id, **options)
        self.ids[app_id] = installed.id
        return installed

    async def installed(self, package: str, **options: Any) -> Service:
        """A service of the SDK, offered, installed, and given its credentials."""
        url, service = await self.served(package)
        remote = await self.platform.remotes.add(url)
        await self.install(remote.app_id, **options)
        await self.drain()
        return service

    async def scripted_app(self, package: str, **fields: Any) -> Scripted:
        url, service = await self.scripted(package, **fields)
        remote = await self.platform.remotes.add(url)
        await self.install(remote.app_id)
        await self.drain()
        return service

    async def drain(self) -> int:
        total = 0
        while count := await self.platform.drain():
            total += count
        return total

    async def task(self, summary: str, by: str = "ada", **changes: Any) -> TaskFacts:
        changes.setdefault("due", Due(self.clock().date()))
        return await self.platform.tasks.create(
            self.doer(by), project=self.ids["near"], summary=summary, changes=changes
        )

    async def lines(self, app_id: str) -> list[tuple[str, str]]:
        """Hook and state of every delivery, in order."""
        rows = await self.deliveries(app_id)
        return [(row.hook, row.state) for row in rows]

    async def deliveries(self, app_id: str) -> list[Any]:
        import sqlalchemy as sa

        from assigntask.db import tables as t

        query = sa.select(t.delivery).where(
            t.delivery.c.organisation_id == self.ids["here"], t.delivery.c.installation_id == self.ids[app_id]
        )
        return await self.platform.db.read(lambda conn: list(conn.execute(query.order_by(t.delivery.c.position))))

    async def entries(self, app_id: str) -> list[LedgerEntry]:
        return await self.platform.ledger.given(self.ids["here"], app_id=app_id)


async def _nothing(url: str) -> bytes:
    raise AssertionError(f"nobody asks for {url} here")


@asynccontextmanager
async def opened(
    folder: Path,
    *,
    database: str | None = None,
    apps: Collection[InstalledApp] = (),
    limits: Mapping[str, float] | None = None,
    allow: Collection[str] = LOOPBACK_NETWORKS,
) -> AsyncIterator[World]:
    """In memory where no `database` is named. `apps` run inside the host."""
    clock = Clock()
    taken = bound()
    settings = Settings.in_memory()
    if database is not None:
        settings = Settings.of(database=database, data=folder, environ={"ASSIGNTASK_KEYS": str(folder / "keys")})
    patient = {name: max(spec.limit, 5.0) for name, spec in Hooks.all.items()}
    settings = replace(
        settings,
        url=f"http://127.0.0.1:{taken.getsockname()[1]}",
        outgoing_allow=tuple(allow),
        hook_limits={**patient, **(limits or {})},
    )
    directory = Directory(lambda: list(apps))
    async with AsyncExitStack() as stack:
        platform = await stack.enter_async_context(Platform.open(settings, clock=clock, directory=directory))
        world = World(platform, clock, stack, folder)
        await stack.enter_async_context(listening(world.pages(), taken))
        await world.furnish()
        yield world


@pytest.fixture(autouse=True)
def imports() -> Iterator[None]:
    """Nothing that a test imports stays."""
    modules, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - modules:
        if "_app" in name:
            del sys.modules[name]
    sys.path[:] = path


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path) as made:
        yield made


@pytest.fixture
async def stored_world(tmp_path: Path, database_url: str) -> AsyncIterator[World]:
    """On SQLite and on PostgreSQL."""
    async with opened(tmp_path, database=database_url) as made:
        yield made


@pytest.fixture
def open_world(tmp_path: Path) -> Callable[..., Any]:
    """`async with open_world(limits=…) as world`."""

    def make(**options: Any) -> Any:
        return opened(tmp_path, **options)

    return make


def said(**body: Any) -> Response:
    return Response(json.dumps(body))
