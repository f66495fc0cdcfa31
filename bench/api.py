"""What an app outside pays: the API and the token endpoint, each a server of its own under the same load."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
from bench.load import START_SECONDS, Target, loaded, running
from bench.measure import Turn, compared, interleaved, tell

HERE = Path(__file__).parent
OIDC, DOT = HERE / "peers" / "oidc_provider", HERE / "peers" / "dot"
SECONDS = 1
ROUNDS_SECONDS = 60.0
FLAT_SECONDS = 40.0
PAGE = 50
THOUSAND, LAKH, MILLION = 900, 99_900, 999_900  # besides the hundred that every host has
FORM = {"grant_type": "client_credentials", "scope": "tasks:read"}


@dataclass(frozen=True, slots=True)
class Server:
    """A host that answers, or a peer; `headers` carry a token that opens it, `basic` the client's secret."""

    url: str
    headers: Mapping[str, str]
    basic: Mapping[str, str]
    told: Mapping[str, Any]


async def run(folder: Path) -> None:
    await _beside_peers(folder / "peers")
    await _flat(folder / "flat")


# --- beside others ------------------------------------------------------------------------------------------------


async def _beside_peers(folder: Path) -> None:
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(_ours(folder / "ours"))
        daily = await stack.enter_async_context(_ours(folder / "daily", "--new-day"))
        bare = await stack.enter_async_context(_bare(folder / "ours", ours))
        # Two of them: the one in memory keeps a thousand tokens, and forgets the one that opens when it gives out more.
        oidc, oidc_tokens = [await stack.enter_async_context(_oidc(folder / "ours")) for _ in range(2)]
        dot = await stack.enter_async_context(_dot(folder / "dot"))
        scripts = folder / "wrk"

        def turn(server: Server, *paths: str) -> Turn:
            return loaded(Target(server.url, paths, server.headers), scripts, seconds=SECONDS)

        def tokens(server: Server, path: str) -> Turn:
            return loaded(Target(server.url, [path], server.basic, urlencode(FORM)), scripts, seconds=SECONDS)

        ids: Sequence[str] = ours.told["tasks"]
        found = await interleaved(
            {
                "get": turn(ours, *[f"/api/v1/tasks/{each}" for each in ids]),
                "page": turn(ours, f"/api/v1/tasks?limit={PAGE}"),
                "first": turn(daily, *[f"/api/v1/tasks/{each}" for each in daily.told["tasks"]]),
                "token": tokens(ours, "/oauth/token"),
                "bare row": turn(bare, *[f"/row/{each}" for each in ids]),
                "bare bytes": turn(bare, "/bytes"),
                "bare rows": turn(bare, "/rows"),
                "bare page": turn(bare, "/bytes/page"),
                "oidc token": tokens(oidc_tokens, "/token"),
                "oidc get": turn(oidc, "/task"),
                "DOT token": tokens(dot, "/o/token/"),
                "DOT get": turn(dot, *[f"/tasks/{number}/" for number in range(1, dot.told["tasks"] + 1)]),
                "DOT page": turn(dot, f"/tasks/?limit={PAGE}"),
            },
            seconds=ROUNDS_SECONDS,
        )
    for name, side, peer in (
        ("GET a task / bare route that reads the same row", "get", "bare row"),
        ("GET a task / bare route of the same bytes", "get", "bare bytes"),
        ("GET a task, first of its day / bare route that reads the same row", "first", "bare row"),
        ("GET 50 tasks / bare route that reads the same rows", "page", "bare rows"),
        ("GET 50 tasks / bare route of the same bytes", "page", "bare page"),
        ("GET a task / oidc-provider's bearer GET", "get", "oidc get"),
        ("token / oidc token, in memory", "token", "oidc token"),
        ("token / DOT token", "token", "DOT token"),
        ("GET a task / DOT", "get", "DOT get"),
        ("GET 50 tasks / DOT", "page", "DOT page"),
    ):
        tell(compared(name, found[side], found[peer], rate=True), found[side], found[peer])


# --- flat ---------------------------------------------------------------------------------------------------------


async def _flat(folder: Path) -> None:
    """The time of a request as more is there, against that of a host with 1,000 tasks and 10 installations."""
    sizes = {
        "1,000 tasks": ("--tasks", str(THOUSAND), "--installations", "10"),
        "100,000 tasks": ("--tasks", str(LAKH), "--installations", "10"),
        "1,000,000 tasks": ("--tasks", str(MILLION), "--installations", "10"),
        "1,000 installations": ("--tasks", str(THOUSAND), "--installations", "1000"),
    }
    least = next(iter(sizes))
    async with AsyncExitStack() as stack:
        sides: dict[str, Turn] = {}
        for name, options in sizes.items():
            print(f"  making a host with {name}", file=sys.stderr, flush=True)
            place = folder / name.replace(",", "").replace(" ", "-")
            host = await stack.enter_async_context(_ours(place, *options))
            one = [f"/api/v1/tasks/{each}" for each in host.told["tasks"]]
            for what, paths in (("GET a task", one), ("GET 50 tasks", [f"/api/v1/tasks?limit={PAGE}"])):
                target = Target(host.url, paths, host.headers)
                sides[f"{what}, {name}"] = _time_of(loaded(target, folder / "wrk", seconds=SECONDS))
        found = await interleaved(sides, seconds=FLAT_SECONDS)
    for name in found:
        what, _, size = name.partition(", ")
        if size != least:
            peer = found[f"{what}, {least}"]
            tell(compared(f"flat: {what} with {size} / with {least}", found[name], peer), found[name], peer)


def _time_of(rate: Turn) -> Turn:
    async def turn() -> float:
        return 1 / await rate()

    return turn


# --- servers ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _ours(folder: Path, *options: str) -> AsyncIterator[Server]:
    """With an answer to each request that will be compared, for the peers to repeat."""
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "bench.api_host", "ours", str(folder), *options]
    async with running(command, cwd=HERE.parent, env=os.environ) as line:
        (folder / "told.json").write_text(line, "utf-8")
        told = json.loads(line)
        server = await _opened(told["url"], "/oauth/token", told, {"grant_type": "client_credentials"})
        async with httpx2.AsyncClient(headers=server.headers, trust_env=False) as client:
            for name, path in (("one", f"/api/v1/tasks/{told['tasks'][0]}"), ("page", f"/api/v1/tasks?limit={PAGE}")):
                answer = await client.get(server.url + path)
                answer.raise_for_status()
                (folder / name).write_bytes(answer.content)
        yield server


@asynccontextmanager
async def _bare(folder: Path, ours: Server) -> AsyncIterator[Server]:
    """Its records must be ours."""
    command = [sys.executable, "-m", "bench.api_host", "bare", str(folder)]
    async with running(command, cwd=HERE.parent, env=os.environ) as line:
        server = Server(json.loads(line)["url"], {}, {}, {})
        async with httpx2.AsyncClient(trust_env=False) as client:
            row = await client.get(f"{server.url}/row/{ours.told['tasks'][0]}")
            rows = await client.get(f"{server.url}/rows")
        if row.json() != json.loads((folder / "one").read_bytes()):
            raise AssertionError("the bare route answers another record than the API")
        if rows.json()["items"] != json.loads((folder / "page").read_bytes())["items"]:
            raise AssertionError("the bare route answers another page than the API")
        yield server


@asynccontextmanager
async def _oidc(folder: Path) -> AsyncIterator[Server]:
    told = {"client_id": "bench", "client_secret": "a-secret-of-the-bench-that-protects-nothing-at-all"}
    command = ["node", "server.mjs", *told.values(), str(folder / "one")]
    async with running(command, cwd=OIDC, env={**os.environ, "NODE_ENV": "production"}) as port:
        yield await _opened(f"http://127.0.0.1:{port}", "/token", told)


@asynccontextmanager
async def _dot(folder: Path) -> AsyncIterator[Server]:
    folder.mkdir(parents=True)
    python = DOT / ".venv" / "bin" / "python"
    env = {**os.environ, "DOT_FOLDER": str(folder)}
    async with running([str(python), "furnish.py", str(folder)], cwd=DOT, env=env) as line:
        told = json.loads(line)
    async with running([str(python), "serve.py"], cwd=DOT, env=env) as port:
        yield await _opened(f"http://127.0.0.1:{port}", "/o/token/", told)


async def _opened(url: str, token_path: str, told: Mapping[str, Any], form: Mapping[str, str] = FORM) -> Server:
    secret = b64encode(f"{told['client_id']}:{told['client_secret']}".encode()).decode()
    basic = {"Authorization": f"Basic {secret}"}
    async with httpx2.AsyncClient(trust_env=False) as client:
        async with asyncio.timeout(START_SECONDS):
            while (answer := await _asked(client, url + token_path, basic, form)) is None:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.1)
        answer.raise_for_status()
    return Server(url, {"Authorization": f"Bearer {answer.json()['access_token']}"}, basic, told)


async def _asked(
    client: httpx2.AsyncClient, url: str, basic: Mapping[str, str], form: Mapping[str, str]
) -> httpx2.Response | None:
    """None: nobody listens there yet."""
    try:
        return await client.post(url, data=form, headers=basic)
    except httpx2.ConnectError:
        return None
