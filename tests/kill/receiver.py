"""The services of remote apps, in a process that is killed like any other: what came is in the witness's file before
it is answered.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from assigntask_sdk.webhooks import WebhookRefused, secret_from_text, verify

from .witness import Diary

APPS = ("crane", "ferry", "lock")
_TAKEN = b'{"answer":null}'


def manifest_of(app: str) -> str:
    return f"""\
sdk = 1
id = "{app}"
name = "{app.title()}"
version = "1.0.0"

[vendor]
name = "Harbour"
contact = "apps@harbour.example"
privacy = "https://harbour.example/privacy"
country = "NL"

[scopes.required]
"tasks:read" = "to be told"

[hooks]
task_changed = ["task.summary"]
"""


async def receive(
    port: int, folder: Path, diary: Diary, now: Callable[[], dt.datetime], ready: Callable[[], None]
) -> None:
    """Until it is killed. `folder` keeps the secrets that the host hands out once."""

    async def manifest(request: web.Request) -> web.Response:
        return web.Response(text=manifest_of(request.match_info["app"]))

    async def install(request: web.Request) -> web.Response:
        said = await request.json()
        secrets = folder / said["installation"]
        known = secrets.read_text("utf-8").split() if secrets.exists() else []
        secrets.write_text("\n".join([said["secret"], *known]), "utf-8")
        return web.Response(body=_TAKEN)

    async def hook(request: web.Request) -> web.Response:
        body = await request.read()
        said: dict[str, Any] = json.loads(body)
        known = (folder / said["installation"]).read_text("utf-8").split()
        try:
            verify(request.headers, body, secrets=[secret_from_text(each) for each in known], now=now())
        except WebhookRefused as refused:
            diary.note("wrong", code=refused.code)
            return web.Response(status=400)
        diary.note(
            "arrived",
            app=request.match_info["app"],
            webhook=request.headers["webhook-id"],
            delivery=said["ask"]["id"],
            summary=said["ask"]["task"]["summary"],
        )
        return web.Response(body=_TAKEN)

    site = web.Application()
    site.add_routes([web.get("/{app}/app.toml", manifest), web.post("/{app}/install", install)])
    site.add_routes([web.post("/{app}/hooks/{hook}", hook)])
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    with socket.create_server(("127.0.0.1", port)) as listening:
        await web.SockSite(runner, listening).start()
        ready()
        await asyncio.Event().wait()
