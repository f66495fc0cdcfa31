"""Serves a whole host on a free port of this machine: pages, API and authorization server, and beside it a vendor's
own server with TLS, where the keys and the metadata of clients are.

Run by tests, as a process of its own, with one JSON object as its argument: `database`, `folder` (with `vendor.pem`
and `vendor.key` in it), and for a second process on the same database `first`, what the first one wrote. The first
line that it writes is JSON: where it is and what is there. Then it takes commands, a JSON object a line, and answers
each with one. The end of its input ends it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from joserfc.jwk import ECKey
from sqlalchemy.engine import Connection
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from assigntask.app import Platform
from assigntask.cli.logs import quieten_logs
from assigntask.cli.serving import until_stopped
from assigntask.installations.directory import Directory
from assigntask.people import organisations, people
from assigntask.people.facts import Doer
from assigntask.settings import LOOPBACK_NETWORKS, Limits, Settings
from assigntask.tasks import projects
from assigntask_sdk.apps import find_app

REDIRECT = "https://vendor.example/back"
SPARE = 8  # apps for tests that end one
OPTIONAL = ("people:name", "people:email", "attachments:read", "attachments:content", "attachments:write")
PEOPLE = {
    "North": {
        "Ada": "admin", "Ben": "member", "Cem": "admin", "Dee": "member", "Eve": "member", "Fay": "member",
        "Gil": "member",
    },
    "South": {"Zoe": "admin"},
}  # fmt: skip
"""Each has one link to sign in with. Ben, Dee and Zoe are Node's, Gil is for odd bytes, the rest for two processes."""

HOOKS = """from assigntask_sdk import Ctx, hook
from assigntask_sdk.hooks import Badges, TaskBadges


@hook.task_badges
async def badges(ctx: Ctx, ask: TaskBadges) -> Badges:
    return {}
"""


# The vendor


def write_apps(folder: Path, vendor_url: str) -> None:
    keys = f'jwks_uri = "{vendor_url}/keys.json"'
    oauth = {
        "basic": 'auth_method = "client_secret_basic"',
        "posting": 'auth_method = "client_secret_post"',
        "keyed": f'auth_method = "private_key_jwt"\n{keys}',
        "public": 'auth_method = "none"',
        "described": f'client_metadata = "{vendor_url}/client.json"',
        **{f"spare{number}": "" for number in range(SPARE)},
    }
    for name, more in oauth.items():
        package = folder / f"{name}_app"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "hooks.py").write_text(HOOKS, "utf-8")
        lines = [
            "sdk = 1", f'id = "{name}-app"', f'name = "{name.title()}"', 'version = "1.0.0"', "[vendor]",
            'name = "Vendor"', 'contact = "help@vendor.example"', 'privacy = "https://vendor.example/privacy"',
            'country = "NL"', "[scopes.required]", '"tasks:read" = "to show what is due"', "[scopes.optional]",
            *(f'"{scope}" = "to be tried"' for scope in OPTIONAL), "[oauth]",
            f'redirect_uris = ["{REDIRECT}", "http://127.0.0.1/back"]', more, "[hooks]", "task_badges = []",
        ]  # fmt: skip
        (package / "app.toml").write_text("\n".join(lines) + "\n", "utf-8")


def vendor(address: str, key: ECKey) -> Starlette:
    """Its server: its public key, and what it says about its client."""
    said = {
        "client_id": f"{address}/client.json",
        "redirect_uris": [REDIRECT],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": f"{address}/keys.json",
    }

    async def keys(_: Request) -> Response:
        return JSONResponse({"keys": [key.as_dict(private=False)]})

    async def client(_: Request) -> Response:
        return JSONResponse(said)

    return Starlette(routes=[Route("/keys.json", keys), Route("/client.json", client)])


# What there is


def doer(people_: Mapping[str, Any], name: str) -> Doer:
    """`people_`: as `_fill` returns them."""
    who = people_[name]
    return Doer(who["organisation"], who["id"], who["role"])


async def furnish(platform: Platform, folder: Path) -> dict[str, Any]:
    """Everything that a test needs to know, by name."""
    people_, boards = await platform.db.write(_fill, platform.clock())
    admins = {"North": doer(people_, "Ada"), "South": doer(people_, "Zoe")}
    apps: dict[str, dict[str, Any]] = {place: {} for place in PEOPLE}
    for path in sorted((folder / "apps").iterdir()):
        app_id = path.name.replace("_", "-")
        for place in ("North", "South") if app_id == "basic-app" else ("North",):
            installation = await platform.installing.install(admins[place], app_id)
            issued = await platform.credentials.issue(installation)
            apps[place][app_id] = {"client_id": issued.client_id, "client_secret": issued.client_secret}
    tasks = {}
    for place, admin in admins.items():
        made = await platform.tasks.create(admin, project=boards[place], summary=f"Task of {place}", changes={})
        tasks[place] = made.id
    links = {}
    for name, who in people_.items():
        operator = Doer(who["organisation"], None, None, operator=True)
        links[name] = await platform.signing_in.make_link(operator, who["id"])
    return {"people": people_, "apps": apps, "tasks": tasks, "links": links}


def _fill(conn: Connection, now: dt.datetime) -> tuple[dict[str, Any], dict[str, str]]:
    made, boards = {}, {}
    for organisation, roles in PEOPLE.items():
        here = organisations.create(conn, organisation, "UTC", now).id
        boards[organisation] = projects.create(conn, here, "Board", now=now)
        for name, role in roles.items():
            email = f"{name.lower()}@{organisation.lower()}.example"
            person = people.add(conn, here, name=name, email=email, role=role, now=now)  # type: ignore[arg-type]
            made[name] = {"id": person.id, "organisation": here, "role": role}
    return made, boards


# Commands


@dataclass(frozen=True)
class Acts:
    """What a test has done by people of the organisation, through this process."""

    platform: Platform
    people: Mapping[str, Any]

    async def run(self, do: str, by: str, **facts: Any) -> None:
        who = doer(self.people, by)
        await self._known(who, **facts)[do]()

    def _known(
        self, who: Doer, app: str = "", person: str = "", role: Any = "member"
    ) -> Mapping[str, Callable[[], Awaitable[Any]]]:
        host, other = self.platform, self.people[person]["id"] if person else ""
        return {
            "disable": lambda: host.leaving.disable(who, app),
            "enable": lambda: host.leaving.enable(who, app),
            "uninstall": lambda: host.leaving.uninstall(who, app),
            "object": lambda: host.objections.object(who, app),
            "withdraw": lambda: host.objections.withdraw(who, app),
            "restrict": lambda: host.objections.restrict(who, other),
            "role": lambda: host.people.role(who, other, role),
            "leave": lambda: host.people.leave(who, other),
        }


async def obey(acts: Acts) -> None:
    """Until the end of the input."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        await acts.run(**json.loads(line))
        print(json.dumps({"done": True}), flush=True)


# Serving


def settings_of(given: Mapping[str, Any], url: str) -> Settings:
    made = Settings.of(database=given["database"], data=Path(given["folder"]), environ={})
    return replace(made, url=url, outgoing_allow=LOOPBACK_NETWORKS, limits=Limits(requests=10**6))


async def main(given: Mapping[str, Any]) -> None:
    quieten_logs(serving=True)
    folder, first = Path(given["folder"]), given.get("first")
    with ExitStack() as stack:
        ours, theirs = (stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2))
        address = f"http://127.0.0.1:{ours.getsockname()[1]}"
        vendor_url = f"https://localhost:{theirs.getsockname()[1]}"
        if first is None:
            write_apps(folder / "apps", vendor_url)
        found = [find_app(path) for path in sorted((folder / "apps").iterdir())]
        settings = settings_of(given, address if first is None else first["issuer"])
        async with Platform.open(settings, directory=Directory(lambda: found)) as platform:
            key = ECKey.generate_key("P-256", {"kid": "vendor-1"})
            made = await furnish(platform, folder) if first is None else {"people": first["people"]}
            await platform.start()
            facts = {"issuer": settings.url, "address": address, "vendor": vendor_url, "redirect": REDIRECT}
            print(json.dumps({**facts, "key": key.as_dict(private=True), **made}), flush=True)
            await _serve(platform, ours, theirs, vendor(vendor_url, key), folder, made["people"])


async def _serve(
    platform: Platform,
    ours: socket.socket,
    theirs: socket.socket,
    beside: Starlette,
    folder: Path,
    people_: Mapping[str, Any],
) -> None:
    tls = uvicorn.Config(
        beside, lifespan="off", loop="none", log_config=None, access_log=False,
        ssl_certfile=folder / "vendor.pem", ssl_keyfile=str(folder / "vendor.key"),
    )  # fmt: skip
    elsewhere = asyncio.create_task(uvicorn.Server(tls)._serve(sockets=[theirs]))
    with until_stopped(platform.site()) as server:
        serving = asyncio.create_task(server.serve(sockets=[ours]))
        obeying = asyncio.create_task(obey(Acts(platform, people_)))
        await asyncio.wait({serving, obeying}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
        elsewhere.cancel()
        await asyncio.gather(elsewhere, return_exceptions=True)
        await obeying


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.argv[1])))
