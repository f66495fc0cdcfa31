"""Serves the pages on a free port of this machine, over the sample and over an organisation with hostile apps.

Run by tests, as a process of its own: the first line that it writes is its address. SIGTERM ends it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.cli import sample_organisation
from assigntask.cli.opening import quieten_logs
from assigntask.installations.directory import Directory
from assigntask.people import organisations, people
from assigntask.people.facts import Doer
from assigntask.settings import Settings
from assigntask.tasks import projects
from assigntask_sdk.apps import find_app, find_apps
from assigntask_sdk.blocks import Badge, Chart, Code, Image, Link, ListBlock, Series, Table, Text
from assigntask_sdk.records import Due

CORE = Path(__file__).parent.parent / "core" / "tests"
HOSTILE = "Zebra & <b>sons</b>"
EVIL = "<script>window.ran = 1</script><img src=https://elsewhere.example/x onerror='window.ran = 1'>"
TURNED = "\u202eturned around"

PANEL: list[Any] = [
    Text([EVIL, Link("press", "javascript:window.ran = 1"), Link("Sign in", "https://elsewhere.example/"), TURNED]),
    Text(["unbroken" * 600]),
    Text(["שלום עולם 123 ", Code("x" * 300)]),
    Table(["a long head of a column " * 5] * 30, [["cell " * 20, "y" * 400] + ["1"] * 28 for _ in range(5)], EVIL),
    Table([EVIL], [[str(row)] for row in range(100)], "t" * 300),
    Chart("bar", [Series("s" * 200, [(f"{n} " * 40, n - 3.0) for n in range(9)])], "A chart", EVIL),
    Chart(
        "line", [Series(f"line {k}", [(str(n), float(n * k)) for n in range(30)]) for k in range(6)], "Lines", "Lines"
    ),
    ListBlock(["Z\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308" * 40, EVIL]),
    Image("https://elsewhere.example/image.png", "A picture"),
    Badge("good news", "good"),
    Badge("bad news", "bad"),
]


async def furnish(platform: Platform) -> None:
    """The sample with its app, and beside it an organisation whose apps mean harm."""
    now = platform.clock()
    made = await sample_organisation.fill(platform, now)
    assert made is not None
    admin = await platform.db.read(sample_organisation.admin_of, made.id)
    assert admin is not None
    await platform.installing.install(Doer(made.id, admin.id, "admin"), "reporting")

    def unit(conn: Connection) -> tuple[Doer, list[str]]:
        here = organisations.create(conn, HOSTILE, "Pacific/Auckland", now).id
        somebody = people.add(conn, here, name=f"{TURNED} {EVIL}", email="zoe@zebra.example", role="admin", now=now)
        names = [f"Project {number}" for number in range(30)]
        boards = [projects.create(conn, here, name, now=now) for name in ("A" * 400, EVIL, *names)]
        return Doer(here, somebody.id, "admin"), boards

    doer, boards = await platform.db.write(unit)
    for app_id in ("scribbling-app", "raising-app"):
        await platform.installing.install(doer, app_id)
    for number, summary in enumerate(["w" * 1000, f"{TURNED} {EVIL}", "short", "many words " * 80]):
        due = dt.date(2020, 1, number + 1)
        await platform.tasks.create(doer, project=boards[1], summary=summary, changes={"due": Due(due)})
    await platform.settle()


async def main() -> None:
    quieten_logs()
    bench = [find_app(CORE / "web" / "apps" / "scribbling_app"), find_app(CORE / "apps" / "raising_app")]
    from scribbling_app import hooks  # type: ignore[import-not-found]

    hooks.panel[:] = PANEL
    hooks.badge[:] = [EVIL[:40], TURNED, "W" * 40]
    directory = Directory(lambda: [*find_apps(), *bench])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with Platform.open(replace(Settings.in_memory(), url=""), directory=directory) as platform:
            await furnish(platform)
            config = uvicorn.Config(platform.site(), lifespan="off", log_level="warning", access_log=False)
            print(f"http://127.0.0.1:{taken.getsockname()[1]}", flush=True)
            await uvicorn.Server(config).serve(sockets=[taken])


if __name__ == "__main__":
    asyncio.run(main())
