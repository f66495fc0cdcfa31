"""Serves the authorize page on a free port of this machine, and at another the app that people are sent back to.

Run by tests, as a process of its own: the first line that it writes is JSON, with both addresses, the clients, and
links that sign people in. SIGTERM ends it.
"""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import sqlalchemy as sa
import uvicorn
from sqlalchemy.engine import Connection
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from assigntask.app import Platform
from assigntask.cli.opening import quieten_logs
from assigntask.db import tables as t
from assigntask.installations.directory import Directory
from assigntask.oauth.authorizing import Consent
from assigntask.people import organisations, people
from assigntask.people.facts import Doer
from assigntask.settings import Settings
from assigntask_sdk.apps import find_app

ASKING = Path(__file__).parent.parent / "core" / "tests" / "web" / "apps" / "asking_app"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
EVIL = "<script>window.ran = 1</script>"
LINKS = 30  # of each person

# As long and as odd as a manifest may be.
HOSTILE = f"""
sdk = 1
id = "hostile-app"
name = "{EVIL}{"W" * (60 - len(EVIL))}"
version = "1.0.0"
[vendor]
name = "{"V" * 49}{EVIL}"
contact = "bench@bench.example"
privacy = "https://bench.example/{"p" * 400}"
country = "NL"
[scopes.required]
"tasks:read" = "{EVIL}{"x" * 160}"
[scopes.optional]
"comments:read" = "{"w" * 200}"
"tasks:write" = "{"many words " * 18}"
[oauth]
redirect_uris = ["http://127.0.0.1/{"b" * 400}"]
[hooks]
task_badges = []
"""


async def furnish(platform: Platform, back: str) -> dict[str, object]:
    now = platform.clock()

    def unit(conn: Connection) -> tuple[str, dict[str, str]]:
        here = organisations.create(conn, "Harbour & Sons", "UTC", now).id
        roles = {"Ada Admin": "admin", "Ben Berg": "member", "Cem Objects": "member", "Dee Before": "member"}
        return here, {
            name: people.add(conn, here, name=name, email=f"{name[:3].lower()}@harbour.example", role=role, now=now).id  # type: ignore[arg-type]
            for name, role in roles.items()
        }

    here, ids = await platform.db.write(unit)
    for app_id in ("asking-app", "hostile-app"):
        await platform.installing.install(Doer(here, ids["Ada Admin"], "admin"), app_id)
    clients = await platform.db.read(_clients)
    await platform.objections.object(Doer(here, ids["Cem Objects"], "member"), "asking-app")
    await _allowed_before(platform, Doer(here, ids["Dee Before"], "member"), clients["asking-app"], f"{back}/back")
    operator = Doer(here, None, None, operator=True)
    links = {
        name.partition(" ")[0]: [await platform.signing_in.make_link(operator, person) for _ in range(LINKS)]
        for name, person in ids.items()
    }
    return {"clients": clients, "links": links}


def _clients(conn: Connection) -> dict[str, str]:
    rows = conn.execute(
        sa.select(t.installation.c.app_id, t.oauth_client.c.id).join(
            t.oauth_client, t.oauth_client.c.installation_id == t.installation.c.id
        )
    )
    return {row[0]: row[1] for row in rows}


async def _allowed_before(platform: Platform, doer: Doer, client_id: str, back: str) -> None:
    asked = {
        "client_id": client_id, "response_type": "code", "redirect_uri": back, "scope": "tasks:read comments:read",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    }  # fmt: skip
    consent = await platform.authorizing.open(urlencode(asked).encode(), doer)
    assert isinstance(consent, Consent)
    await platform.authorizing.allow(doer, consent.pending, ["comments:read"], consent.offered)


def vendor(address: str) -> Starlette:
    """The app's own page, and one that would like to press the button by itself."""

    async def back(request: Request) -> Response:
        return HTMLResponse("<!doctype html><title>Back</title><h1>Back at the app</h1>")

    async def evil(request: Request) -> Response:
        form = f'<form method="post" action="{address}/oauth/authorize"><button>Go</button></form>'
        return HTMLResponse(f"<!doctype html><title>Evil</title>{form}")

    return Starlette(routes=[Route("/evil", evil), Route("/{path:path}", back)])


async def main() -> None:
    quieten_logs()
    with (
        socket.create_server(("127.0.0.1", 0)) as ours,
        socket.create_server(("127.0.0.1", 0)) as theirs,
        tempfile.TemporaryDirectory() as folder,
    ):
        package = Path(folder) / "hostile_app"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "app.toml").write_text(HOSTILE, "utf-8")
        (package / "hooks.py").write_text((ASKING / "hooks.py").read_text("utf-8"), "utf-8")
        address, back = (f"http://127.0.0.1:{each.getsockname()[1]}" for each in (ours, theirs))
        directory = Directory(lambda: [find_app(ASKING), find_app(package)])
        settings = replace(Settings.in_memory(), url=address)
        async with Platform.open(settings, directory=directory) as platform:
            made = await furnish(platform, back)
            print(json.dumps({"address": address, "vendor": back, **made}), flush=True)
            pairs = ((platform.site(), ours), (vendor(address), theirs))
            await asyncio.gather(*(_serve(site, taken) for site, taken in pairs))


async def _serve(site: Starlette, taken: socket.socket) -> None:
    config = uvicorn.Config(site, lifespan="off", log_level="warning", access_log=False)
    await uvicorn.Server(config).serve(sockets=[taken])


if __name__ == "__main__":
    asyncio.run(main())
