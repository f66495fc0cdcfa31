"""A whole host in memory with two organisations, and its pages called as an ASGI server calls them."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy.engine import Connection
from starlette.types import ASGIApp, Message

from assigntask.app import Platform
from assigntask.installations.directory import Directory
from assigntask.people import organisations, people
from assigntask.people.facts import Doer
from assigntask.settings import Settings
from assigntask.tasks import projects
from assigntask.tasks.facts import TaskFacts
from assigntask_sdk.apps import InstalledApp, find_app

HERE = Path(__file__).parent
FOLDERS = (HERE / "apps", HERE.parent / "apps")
START = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
HOST = "127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def html(self) -> str:
        return self.body.decode()

    @property
    def text(self) -> str:
        """What is there to read, in one line."""
        reader = _Reader()
        reader.feed(self.html)
        return re.sub(r"\s+", " ", "".join(reader.words)).strip()

    @property
    def elements(self) -> list[tuple[str, dict[str, str | None]]]:
        reader = _Reader()
        reader.feed(self.html)
        return reader.elements


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("bdi", "a", "code", "span", "time"):
            self.words.append(" ")

    def handle_data(self, data: str) -> None:
        self.words.append(data)


async def call(
    app: ASGIApp, path: str = "/", *, method: str = "GET", form: Mapping[str, str] | None = None, **headers: str
) -> Answer:
    """`headers`: names with underscores; `host` is the one that the server prints, unless given. A `form` is posted."""
    path, _, query = path.partition("?")
    if form is not None:
        method, headers = "POST", {"content_type": "application/x-www-form-urlencoded", **headers}
    fields = {"host": HOST, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in fields.items() if value],
        "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 8000),
    }  # fmt: skip
    sent: list[Message] = []

    body = urlencode(form).encode() if form is not None else b""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()  # the client stays until it has its answer
        return waiting.pop()

    async def send(message: Message) -> None:
        sent.append(dict(message))

    await app(scope, receive, send)
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:]))


class World:
    """`ids` by name: organisations, people, projects."""

    def __init__(self, platform: Platform, apps: dict[str, InstalledApp]) -> None:
        self.platform = platform
        self.apps = apps
        self.ids: dict[str, str] = {}
        self.site: ASGIApp = platform.site()

    async def call(
        self, path: str = "/", *, method: str = "GET", form: Mapping[str, str] | None = None, **headers: str
    ) -> Answer:
        """`headers`: names with underscores."""
        return await call(self.site, path, method=method, form=form, **headers)

    async def page(self, path: str = "/", **headers: str) -> Answer:
        answer = await self.call(path, **headers)
        assert answer.status == 200, answer.text
        return answer

    async def organisation(self, name: str, *, admin: str, time_zone: str = "UTC") -> str:
        domain = re.sub("[^a-z]", "", name.lower())

        def unit(conn: Connection) -> str:
            here = organisations.create(conn, name, time_zone, START).id
            self.ids[admin] = people.add(
                conn, here, name=admin.title(), email=f"{admin}@{domain}.example", role="admin", now=START
            ).id
            self.ids[f"{name} board"] = projects.create(conn, here, f"{name} board", now=START)
            return here

        self.ids[name] = await self.platform.db.write(unit)
        return self.ids[name]

    async def person(self, name: str, organisation: str = "Harbour") -> str:
        added = await self.platform.db.write(people.add, self.ids[organisation], name=name, now=START)
        self.ids[name] = added.id
        return added.id

    def doer(self, organisation: str = "Harbour", admin: str = "ada") -> Doer:
        return Doer(self.ids[organisation], self.ids[admin], "admin")

    async def task(self, summary: str, **changes: Any) -> TaskFacts:
        board = self.ids["Harbour board"]
        return await self.platform.tasks.create(self.doer(), project=board, summary=summary, changes=changes)  # type: ignore[arg-type]

    async def statuses(self) -> Mapping[str, str]:
        """Ids by name."""
        facts = await self.platform.db.read(projects.get, self.ids["Harbour"], self.ids["Harbour board"])
        return {status.name: status.id for status in facts.statuses}

    def offer(self, package: str) -> InstalledApp:
        app = find_app(next(folder / package for folder in FOLDERS if (folder / package).is_dir()))
        self.apps[app.id] = app
        return app

    async def install(self, package: str, *, without: Collection[str] = ()) -> InstalledApp:
        app = self.offer(package)
        await self.platform.installing.install(self.doer(), app.id, without=without)
        return app


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    """Apps of the bench start afresh in each test."""
    path = list(sys.path)
    yield
    sys.path[:] = path
    packages = {app.name for folder in FOLDERS for app in folder.iterdir()}
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]


@asynccontextmanager
async def opened(url: str = "", **limits: float) -> AsyncIterator[World]:
    """`url`: the host's own address. `limits`: seconds by hook; generous where they are left out."""
    apps: dict[str, InstalledApp] = {}
    patient = dict.fromkeys(("task_saving", "task_badges", "board_panel"), 10.0)
    settings = replace(Settings.in_memory(), url=url, hook_limits={**patient, **limits})
    directory = Directory(lambda: list(apps.values()))
    async with Platform.open(settings, clock=lambda: START, directory=directory) as platform:
        yield World(platform, apps)


@pytest.fixture
def open_world() -> Callable[..., AbstractAsyncContextManager[World]]:
    return opened


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """One organisation, Harbour, with its admin Ada."""
    async with opened() as made:
        await made.organisation("Harbour", admin="ada")
        yield made
