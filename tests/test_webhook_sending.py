"""What the host sends, the library of Standard Webhooks verifies: each attempt of it, and while secrets change."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.events import deliveries
from assigntask.people import organisations, people
from assigntask.people.facts import Doer
from assigntask.settings import LOOPBACK_NETWORKS, Settings
from assigntask.tasks import projects

MANIFEST = Path(__file__).parent.parent / "core" / "tests" / "apps" / "listening_app" / "app.toml"


@dataclass
class Service:
    """One that the SDK has no part in. `statuses`: of its next answers; 200 after that."""

    statuses: list[int] = field(default_factory=list)
    installs: list[dict[str, Any]] = field(default_factory=list)
    messages: list[tuple[dict[str, str], str]] = field(default_factory=list)

    async def manifest(self, _: web.Request) -> web.Response:
        return web.Response(text=MANIFEST.read_text("utf-8"))

    async def install(self, request: web.Request) -> web.Response:
        self.installs.append(await request.json())
        return web.Response(status=204)

    async def hook(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items() if name.lower()[:8] == "webhook-"}
        self.messages.append((headers, await request.text()))
        status = self.statuses.pop(0) if self.statuses else 200
        return web.Response(status=status, text='{"answer":null}')


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/app.toml", service.manifest)
    app.router.add_post("/install", service.install)
    app.router.add_post("/hooks/{hook}", service.hook)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def furnish(conn: Connection) -> tuple[Doer, str]:
    """An admin, and a project."""
    now = dt.datetime.now(dt.UTC)
    here = organisations.create(conn, "Harbour", "UTC", now).id
    ada = people.add(conn, here, name="Ada", email="ada@harbour.example", role="admin", now=now).id
    return Doer(here, ada, "admin"), projects.create(conn, here, "Near", now=now)


async def test_every_attempt_is_verified_by_an_independent_library(run_node: Any) -> None:
    service = Service(statuses=[200, 500])
    settings = replace(Settings.in_memory(), url="http://127.0.0.1:1", outgoing_allow=LOOPBACK_NETWORKS)
    async with serving(service) as url, Platform.open(settings) as platform:
        doer, project = await platform.db.write(furnish)
        await platform.remotes.add(url)
        installed = await platform.installing.install(doer, "listening-app")
        await platform.settle()
        await platform.tasks.create(doer, project=project, summary="¡Olé! 東京")
        await platform.settle()
        await platform.credentials.rotate(doer, "listening-app")
        now = platform.clock()
        await platform.db.write(deliveries.hurry, doer.organisation_id, installed.id, now)
        await platform.settle()
    old, new = (install["secret"] for install in service.installs)
    tries = [(secret, *message) for message in service.messages for secret in (old, new)]
    lines = [json.dumps({"secret": secret, "headers": headers, "body": body}) for secret, headers, body in tries]
    answers = run_node("webhooks.mjs", "\n".join(lines))
    # Until it has taken the new secret a service knows the old one alone; for some time, both fit.
    assert [answer["refused"] is None for answer in answers] == [True, False, True, False, True, True]
    first, second = answers[2]["verified"], answers[4]["verified"]
    assert (first["id"], first["attempt"], second["attempt"]) == (second["id"], 1, 2)
    assert [headers["webhook-id"] for headers, _ in service.messages[1:]] == [first["id"]] * 2
