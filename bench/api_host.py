"""`python -m bench.api_host ours|bare FOLDER …`: a server of the API bench, in a process of its own.

It prints one line of JSON once it answers. `ours` is the host as `assigntask serve` runs it, with one app that may see
everything of a task and of the people in it. `bare` answers the same records from the same database, with nothing else.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import uvicorn
import uvloop
from bench.apps import write_app
from bench.bare import Builder
from bench.place import Place, furnished, more_tasks, settings_for
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from assigntask.cli.sockets import config_of, listening
from assigntask.db import tables as t
from assigntask.db.database import Database
from assigntask.people import people
from assigntask.settings import Lifetimes, Limits, Settings
from assigntask.tasks import tasks
from assigntask_sdk.apps import InstalledApp

PAGE = 50
FOREVER = dt.timedelta(days=365_000)
UNLIMITED = Limits(requests=10**9)


@dataclass(frozen=True, slots=True)
class Options:
    folder: Path
    tasks: int = 0  # besides the usual hundred
    installations: int = 1
    new_day: bool = False  # with every request, so that each release is the first of its day


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.api_host")
    parser.add_argument("side", choices=("ours", "bare"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tasks", type=int, default=0)
    parser.add_argument("--installations", type=int, default=1)
    parser.add_argument("--new-day", action="store_true")
    asked = parser.parse_args()
    options = Options(asked.folder, asked.tasks, asked.installations, asked.new_day)
    uvloop.run((_ours if asked.side == "ours" else _bare)(options))


# --- ours ---------------------------------------------------------------------------------------------------------


async def _ours(options: Options) -> None:
    apps = options.folder / "apps"
    reader = write_app(apps, "reader")
    quiet = [write_app(apps, "quiet", number) for number in range(options.installations - 1)]
    with listening("127.0.0.1", 0) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        settings = replace(
            settings_for(options.folder / "host"), url=url, lifetimes=Lifetimes(access=FOREVER), limits=UNLIMITED
        )
        await _served(options, settings, reader, quiet, taken)


async def _served(
    options: Options, settings: Settings, reader: InstalledApp, quiet: Sequence[InstalledApp], taken: socket.socket
) -> None:
    async with furnished(settings, [reader, *quiet]) as place:
        await more_tasks(place, options.tasks)
        await place.install(quiet)
        told = await _told(place, reader)
        site: ASGIApp = place.platform.site()
        if options.new_day:
            site = _Daily(site, place.clock.next)
        await place.platform.start()
        print(json.dumps({"url": settings.url, **told}), flush=True)
        await uvicorn.Server(config_of(site)).serve(sockets=[taken])


async def _told(place: Place, reader: InstalledApp) -> Mapping[str, Any]:
    """What a client has to know, the app's ids for people among it: a bare server can't make those."""
    installation = await place.platform.installing.install(place.doer, reader.id)
    issued = await place.platform.credentials.issue(installation)
    grant = await place.grant(installation.id)
    staff = await place.platform.db.read(people.everyone, place.organisation_id)
    return {
        "client_id": issued.client_id,
        "client_secret": issued.client_secret,
        "organisation": place.organisation_id,
        "tasks": place.tasks,
        "people": {person: grant.pairwise(person) for person in staff},
    }


class _Daily:
    """A day later with every request."""

    def __init__(self, app: ASGIApp, next_day: Callable[[], None]) -> None:
        self._app, self._next_day = app, next_day

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._next_day()
        await self._app(scope, receive, send)


# --- bare ---------------------------------------------------------------------------------------------------------


async def _bare(options: Options) -> None:
    """`told.json` in the folder is what `ours` printed; `one` and `page` are answers that ours gave."""
    told = json.loads((options.folder / "told.json").read_text("utf-8"))
    one, page = ((options.folder / name).read_bytes() for name in ("one", "page"))
    async with Database.open(settings_for(options.folder / "host").database) as db:
        here: str = told["organisation"]
        staff = await db.read(people.load, here, await db.read(people.everyone, here))
        builder = Builder(staff, told["people"], await db.read(people.department_sizes, here), names=False)

        async def bytes_of_one(_: Request) -> Response:
            return Response(one, media_type="application/json")

        async def bytes_of_page(_: Request) -> Response:
            return Response(page, media_type="application/json")

        async def row(request: Request) -> Response:
            asked: str = request.path_params["id"]
            found = db.read_inline(tasks.load, here, [asked])  # as the API does: without another thread
            return _json(builder.one(found[asked]).to_json())

        async def rows(_: Request) -> Response:
            ids = await db.read(_first_ids, here)
            found = await db.read(tasks.load, here, ids)
            records = builder.several([found[each] for each in ids])
            return _json({"items": [record.to_json() for record in records], "next": None})

        site = Starlette(
            routes=[
                Route("/bytes", bytes_of_one),
                Route("/bytes/page", bytes_of_page),
                Route("/row/{id}", row),
                Route("/rows", rows),
            ]
        )
        with listening("127.0.0.1", 0) as taken:
            print(json.dumps({"url": f"http://127.0.0.1:{taken.getsockname()[1]}"}), flush=True)
            await uvicorn.Server(config_of(site)).serve(sockets=[taken])


def _first_ids(conn: sa.Connection, organisation_id: str) -> list[str]:
    found = conn.execute(
        sa.select(t.task.c.id)
        .where(t.task.c.organisation_id == organisation_id)
        .order_by(t.task.c.created_at, t.task.c.id)
        .limit(PAGE)
    )
    return list(found.scalars())


def _json(said: Any) -> Response:
    return Response(json.dumps(said, ensure_ascii=False, separators=(",", ":")), media_type="application/json")


if __name__ == "__main__":
    main()
