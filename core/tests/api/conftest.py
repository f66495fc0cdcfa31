"""A whole host with two organisations, an app with every scope in both, tokens of each kind, and the API beside it."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from starlette.types import ASGIApp, Message

from assigntask.api.app import api
from assigntask.api.services import ApiServices
from assigntask.app import Platform
from assigntask.db import new_id
from assigntask.db import tables as t
from assigntask.events import deliveries
from assigntask.events.deliveries import Delivery
from assigntask.events.events import Event, record
from assigntask.events.fences import Fence
from assigntask.grants.grant import Actor
from assigntask.installations import installations
from assigntask.installations.directory import Directory
from assigntask.oauth import call_tokens, clients
from assigntask.oauth.secrets import digest, new_secret
from assigntask.oauth.tokens import Tokens
from assigntask.people import organisations, people
from assigntask.people.facts import Doer
from assigntask.settings import Limits, Settings
from assigntask.tasks import projects
from assigntask_sdk.apps import find_app
from assigntask_sdk.details import SCOPES

HERE = Path(__file__).parent
START = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
URL = "https://tracker.example"
EVERY_SCOPE = frozenset(SCOPES) - {"tasks:guard"}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    raw_headers: list[tuple[str, str]]
    body: bytes
    complete: bool = True

    @property
    def headers(self) -> Mapping[str, str]:
        return dict(self.raw_headers)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Calls an ASGI application as a server does, without one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(
        self,
        method: str,
        path: str,
        token: str | None = None,
        *,
        body: Any = None,
        raw: bytes | None = None,
        pieces: Collection[bytes] | None = None,
        more: Collection[tuple[str, str]] = (),
        **headers: str,
    ) -> Answer:
        """`headers`: names with underscores. `body` is sent as JSON, `raw` as it is, `pieces` one after the other."""
        path, _, query = path.partition("?")
        sent_headers = [(name.replace("_", "-"), value) for name, value in headers.items()] + list(more)
        if token is not None:
            sent_headers.append(("authorization", f"Bearer {token}"))
        if body is not None:
            raw = json.dumps(body).encode()
            if "content_type" not in headers:
                sent_headers.append(("content-type", "application/json"))
        waiting = list(pieces) if pieces is not None else [raw or b""]
        if pieces is None and raw is not None and "content_length" not in headers:
            sent_headers.append(("content-length", str(len(raw))))
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "https",
            "path": path, "raw_path": quote(path, safe="/%").encode(), "query_string": query.encode("utf-8"),
            "root_path": "", "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in sent_headers],
            "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 8000),
        }  # fmt: skip
        sent: list[Message] = []

        async def receive() -> Message:
            if not waiting:
                await asyncio.Event().wait()
            piece = waiting.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

        async def send(message: Message) -> None:
            sent.append(dict(message))

        await self._app(scope, receive, send)
        found = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
        complete = not sent[-1].get("more_body", False)
        return Answer(sent[0]["status"], found, b"".join(each.get("body", b"") for each in sent[1:]), complete)


class Clock:
    def __init__(self) -> None:
        self.now = START
        self.seconds = 1000.0

    def __call__(self) -> dt.datetime:
        return self.now

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, **by: float) -> None:
        step = dt.timedelta(**by)
        self.now += step
        self.seconds += step.total_seconds()


class World:
    """Ids by name: `ids["north"]["ben"]`. The app is in both organisations; in the north, in project `near` alone."""

    def __init__(self, platform: Platform, clock: Clock, limits: Limits) -> None:
        self.platform = platform
        self.clock = clock
        self.ids: dict[str, dict[str, str]] = {}
        self.tokens = Tokens(platform.db, platform.grants, platform.keys, clock)
        self.services = ApiServices(
            db=platform.db,
            tokens=self.tokens,
            grants=platform.grants,
            contexts=platform.contexts,
            limits=limits,
            clock=clock,
            url=lambda: URL,
            deliveries=platform.deliveries,
            monotonic=clock.monotonic,
        )
        self.api = api(self.services)
        self.call = Client(self.api)

    async def furnish(self, name: str, *, reach: Collection[str]) -> None:
        ids = self.ids[name] = await self.platform.db.write(_organisation, name)
        ada = self.doer("ada", name)
        given = [f"{name} {place}" for place in reach]
        made = await self.platform.installing.install(ada, "whole-app", projects=given)
        ids["installation"] = made.id
        for place in ("near", "far"):
            task = await self.platform.tasks.create(
                ada,
                project=ids[place],
                summary=f"{place} task of {name}",
                changes={"assignees": [ids["ben"], ids["cy"]], "description": f"for <@{ids['ben']}>"},
            )
            ids[f"{place} task"] = task.id
            comment = await self.platform.tasks.comment(self.doer("ben", name), task.id, "Good")
            ids[f"{place} comment"] = comment.id
            link = await self.platform.tasks.attach(ada, task.id, "Plan", "https://example.org/plan")
            ids[f"{place} attachment"] = link.id

    def doer(self, who: str, where: str = "north") -> Doer:
        ids = self.ids[where]
        return Doer(ids["organisation"], ids[who], "admin" if who == "ada" else "member")

    async def grant(self, scopes: Collection[str], where: str = "north") -> None:
        """Sets what the app of an organisation is granted."""
        await self._change(where, scopes=sorted(scopes))

    async def state(self, state: str, where: str = "north") -> None:
        await self._change(where, state=state)

    async def _change(self, where: str, **values: Any) -> None:
        ids = self.ids[where]

        def unit(conn: Connection) -> None:
            conn.execute(
                sa.update(t.installation)
                .where(
                    t.installation.c.organisation_id == ids["organisation"],
                    t.installation.c.id == ids["installation"],
                )
                .values(**values)
            )
            organisations.raise_epoch(conn, ids["organisation"])

        await self.platform.db.write(unit)

    async def token(
        self,
        where: str = "north",
        *,
        person: str | None = None,
        scopes: Collection[str] | None = None,
        lifetime: dt.timedelta = dt.timedelta(hours=1),
        thumbprint: str | None = None,
    ) -> str:
        """One as the token endpoint gives it: of the installation, or of a person through it."""
        text = new_secret("at_")
        await self.platform.db.write(self._issue, self.ids[where], text, person, scopes, lifetime, thumbprint)
        return text

    def _issue(
        self,
        conn: Connection,
        ids: Mapping[str, str],
        text: str,
        person: str | None,
        scopes: Collection[str] | None,
        lifetime: dt.timedelta,
        thumbprint: str | None,
    ) -> None:
        own = {"organisation_id": ids["organisation"], "installation_id": ids["installation"]}
        client = clients.of_installation(conn, ids["organisation"], ids["installation"])
        assert client is not None
        who = {"client_id": client.id, "scopes": None if scopes is None else sorted(scopes)}
        authorization = None
        if person is not None:
            authorization = new_id()
            conn.execute(
                sa.insert(t.oauth_authorization).values(
                    **own, **{**who, "scopes": who["scopes"] or sorted(EVERY_SCOPE)}, id=authorization,
                    person_id=ids[person], notice_digest="words", created_at=self.clock.now,
                )
            )  # fmt: skip
        conn.execute(
            sa.insert(t.oauth_access_token).values(
                **own, **who, digest=digest(text), credential=client.credential, authorization_id=authorization,
                person_id=None if person is None else ids[person], dpop_thumbprint=thumbprint,
                issued_at=self.clock.now, expires_at=self.clock.now + lifetime,
            )
        )  # fmt: skip

    async def call_token(
        self, where: str = "north", *, viewer: str | None = None, goodbye: bool = False, fence: Fence | None = None
    ) -> str:
        """One as a hook's call carries it."""
        ids = self.ids[where]
        own = await self.platform.db.read(installations.get, ids["organisation"], ids["installation"])
        return call_tokens.mint(
            self.platform.keys.derived(call_tokens.KEY_USE),
            organisation_id=ids["organisation"],
            installation_id=ids["installation"],
            credential=own.credential,
            actor_kind="installation" if viewer is None else "viewer",
            person_id=None if viewer is None else ids[viewer],
            goodbye=goodbye,
            expires_at=self.clock.now + dt.timedelta(seconds=65),
            fence=fence,
        )

    async def claimed(self, where: str = "north") -> Delivery:
        """A delivery whose turn is this call's. What waited before is told."""
        await self.platform.settle()
        ids, now = self.ids[where], self.clock.now

        def unit(conn: Connection) -> Delivery:
            event = Event(kind="task.changed", record_kind="task", record_id=ids["near task"], at=now)
            record(conn, ids["organisation"], event, hook="task_changed", recipients=[ids["installation"]])
            taken = deliveries.claim(conn, ids["organisation"], ids["installation"], now, dt.timedelta(seconds=150))
            assert taken is not None
            return taken

        return await self.platform.db.write(unit)

    async def revoke(self, token: str, where: str = "north") -> None:
        organisation_id = self.ids[where]["organisation"]

        def unit(conn: Connection) -> None:
            mine = (
                t.oauth_access_token.c.organisation_id == organisation_id,
                t.oauth_access_token.c.digest == digest(token),
            )
            conn.execute(sa.update(t.oauth_access_token).where(*mine).values(revoked_at=self.clock.now))
            organisations.raise_epoch(conn, organisation_id)

        await self.platform.db.write(unit)

    async def known_as(self, who: str, where: str = "north") -> str:
        """The id that the app of that organisation knows somebody by."""
        ids = self.ids[where]
        grant = await self.platform.grants.current(ids["organisation"], ids["installation"], Actor.installation())
        return grant.pairwise(ids[who])

    async def given(self, where: str = "north") -> list[Any]:
        """The ledger's releases, oldest first."""
        entries = await self.platform.ledger.given(self.ids[where]["organisation"])
        return [entry for entry in entries if entry.kind == "release"]


def _organisation(conn: Connection, name: str) -> dict[str, str]:
    organisation = organisations.create(conn, name, "UTC", START).id
    ids = {"organisation": organisation}
    for who, rest in {"ada": {"role": "admin"}, "ben": {"job_title": "Builder"}, "cy": {}}.items():
        given: dict[str, Any] = {"role": "member", "department": "Works", **rest}
        email = f"{who}@{name}.example"
        ids[who] = people.add(conn, organisation, name=who.title(), email=email, user_name=who, now=START, **given).id
    for place in ("near", "far"):
        ids[place] = projects.create(conn, organisation, f"{name} {place}", now=START)
    projects.add_label(conn, organisation, ids["near"], "urgent", colour="red")
    projects.ensure_type(conn, organisation, "Bug")
    return ids


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    """The app of these tests starts afresh in each of them."""
    path = list(sys.path)
    yield
    sys.path[:] = path
    for name in [name for name in sys.modules if name.partition(".")[0] == "whole_app"]:
        del sys.modules[name]


MakeWorld = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def make_world(tmp_path: Path) -> MakeWorld:
    """`async with make_world(database=…, limits=…)`; by default in memory and with limits that nobody meets."""

    @asynccontextmanager
    async def opened(database: str | None = None, limits: Limits | None = None) -> AsyncIterator[World]:
        clock = Clock()
        limits = limits or Limits(requests=100_000)
        settings = replace(Settings.in_memory(), limits=limits)
        if database is not None:
            settings = replace(settings, database=database)
        app = find_app(HERE / "apps" / "whole_app")
        async with Platform.open(settings, clock=clock, directory=Directory(lambda: [app])) as platform:
            made = World(platform, clock, limits)
            await made.furnish("north", reach=["near"])
            await made.furnish("south", reach=[])
            yield made

    return opened


@pytest.fixture
async def world(make_world: MakeWorld) -> AsyncIterator[World]:
    async with make_world() as made:
        yield made


@pytest.fixture
def watching_statements() -> Callable[[], AbstractContextManager[list[str]]]:
    """`with watching_statements() as seen:` every statement meanwhile."""

    @contextmanager
    def watching() -> Iterator[list[str]]:
        seen: list[str] = []

        def look(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            seen.append(statement)

        sa.event.listen(Engine, "before_cursor_execute", look)
        try:
            yield seen
        finally:
            sa.event.remove(Engine, "before_cursor_execute", look)

    return watching
