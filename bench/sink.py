"""`python -m bench.sink`: a server that stands for the services of as many remote apps as are asked of it.

Each has a path, `/app-N`, with a manifest that wants task changes; every post is answered as a hook would. It prints
its address once it answers. `GET /arrivals?after=N` gives what came since: webhook-id and monotonic nanoseconds;
`GET /last` the body of the last one.
"""

from __future__ import annotations

import asyncio
import socket
import time

import uvloop
from aiohttp import web

TAKEN = b'{"answer":null}'
HOOK = "task_changed"
_JSON = "application/json"


def main() -> None:
    uvloop.run(_serve())


async def _serve() -> None:
    arrivals: list[tuple[str, int]] = []
    last: list[bytes] = []

    async def manifest(request: web.Request) -> web.Response:
        return web.Response(text=manifest_of(request.match_info["app"]))

    async def hook(request: web.Request) -> web.Response:
        last[:] = [await request.read()]
        arrivals.append((request.headers["webhook-id"], time.monotonic_ns()))
        return web.Response(body=TAKEN, content_type=_JSON)

    async def taken(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=TAKEN, content_type=_JSON)

    async def arrived(request: web.Request) -> web.Response:
        return web.json_response(arrivals[int(request.query["after"]) :])

    async def newest(_: web.Request) -> web.Response:
        return web.Response(body=last[-1], content_type=_JSON)

    site = web.Application()
    site.add_routes(
        [
            web.get("/arrivals", arrived),
            web.get("/last", newest),
            web.get("/{app}/app.toml", manifest),
            web.post("/{app}/hooks/{hook}", hook),
            web.post("/{app}/install", taken),
        ]
    )
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        await web.SockSite(runner, listening).start()
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        await asyncio.Event().wait()


def manifest_of(app: str) -> str:
    """`quiet` apps have another hook, so that no change is told to them."""
    wants = 'task_panel = ["task.summary"]' if app.startswith("quiet") else f'{HOOK} = ["task.summary", "task.due"]'
    return f"""\
sdk = 1
id = "{app}"
name = "{app.title()}"
version = "1.0.0"

[vendor]
name = "Bench"
contact = "bench@bench.example"
privacy = "https://bench.example/privacy"
country = "NL"

[scopes.required]
"tasks:read" = "to be measured"

[hooks]
{wants}
"""


if __name__ == "__main__":
    main()
