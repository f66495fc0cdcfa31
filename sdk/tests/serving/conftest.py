"""An app as a service in this process, and the host that calls it: its keys, its signatures, its clock."""

from __future__ import annotations

import base64
import datetime as dt
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from assigntask_sdk.apps import find_app
from assigntask_sdk.serving import Service, open_service, site
from assigntask_sdk.serving.store import Kept
from assigntask_sdk.webhooks import secret_text, sign, sign_with_key
from assigntask_sdk.wire import INSTALLATION, HookBody

START = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
HOST = "https://tasks.example"
SECRET = bytes(range(32))

MANIFEST = """\
sdk = 1
id = "served-app"
name = "Served"
version = "1.2.0"

[vendor]
name = "Vendor"
contact = "help@vendor.example"
privacy = "https://vendor.example/privacy"
country = "NZ"

[scopes.required]
"tasks:read" = "to show what is due"
"tasks:guard" = "to refuse"

[hooks]
task_saving = ["task.summary", "task.due"]
report = []
uninstalling = []
person_forgotten = []
installed = []
"""

HOOKS = """\
import asyncio
import sys

from assigntask_sdk import Amend, Conflict, Ctx, Due, Invalid, NotShared, Table, Veto, hook
from assigntask_sdk.hooks import Guard, Installed, PersonForgotten, Report, TaskSaving, Uninstalling


@hook.task_saving
async def saving(ctx: Ctx, ask: TaskSaving) -> Guard:
    what = ask.task.summary
    if what == "veto":
        return Veto(f"{ctx.viewer} may not, on {ask.task.due.day}", "due")
    if what == "amend":
        return Amend({"due": Due(ask.task.due.day.replace(year=2030))})
    if what == "raise":
        raise RuntimeError("a secret value")
    if what == "exit":
        sys.exit(3)
    if what == "cancel":
        raise asyncio.CancelledError
    if what == "hang":
        await asyncio.Event().wait()
    if what == "own timeout":
        raise TimeoutError
    if what == "conflict":
        raise Conflict("somebody was first", keys=["a"])
    if what == "invalid":
        raise Invalid({"due": "give a day"})
    if what == "odd error":
        error = Conflict("odd")
        error.facts["thing"] = object()
        raise error
    if what == "not shared":
        return Veto(ask.task.description)
    if what == "wrong answer":
        return 17
    if what == "settings":
        return Veto(f"{ctx.settings['limit']} {ctx.granted('tasks:guard')} {ctx.granted('people:email')}")
    return None


@hook.report
async def report(ctx: Ctx, ask: Report):
    return [Table(["x" * 1000], [["y" * 3000]] * 100, "large")]


@hook.installed
async def installed(ctx: Ctx, ask: Installed) -> None:
    pass


@hook.person_forgotten
async def forgotten(ctx: Ctx, ask: PersonForgotten) -> None:
    pass


@hook.uninstalling
async def goodbye(ctx: Ctx, ask: Uninstalling) -> None:
    if ctx.settings.get("fail"):
        raise RuntimeError
"""


@dataclass
class FakeClock:
    now: dt.datetime = START

    def __call__(self) -> dt.datetime:
        return self.now

    def later(self, **span: float) -> None:
        self.now += dt.timedelta(**span)


@dataclass
class CallingHost:
    """The host's side: what it publishes, and how it signs. `reads`: how often its keys were asked for."""

    clock: FakeClock
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    answer: Callable[[], Response] | None = None
    reads: int = 0
    ids: Any = field(default_factory=itertools.count)

    def site(self) -> Starlette:
        async def keys(request: Request) -> Response:
            self.reads += 1
            return self.answer() if self.answer is not None else JSONResponse({"keys": [self.jwk()]})

        return Starlette(routes=[Route("/oauth/jwks", keys)])

    def jwk(self) -> dict[str, str]:
        x = base64.urlsafe_b64encode(self.key.public_key().public_bytes_raw()).decode().rstrip("=")
        return {"kty": "OKP", "crv": "Ed25519", "x": x, "use": "sig"}

    def next_id(self) -> str:
        return f"call_{next(self.ids)}"

    def install_body(self, **changed: Any) -> dict[str, Any]:
        return {
            "issuer": HOST,
            "api": f"{HOST}/api/v1",
            "token_endpoint": f"{HOST}/oauth/token",
            "installation": "inst_1",
            "app": "served-app",
            "version": "1.2.0",
            "client_id": "c_1",
            "client_secret": "cs_secret",
            "secret": secret_text(SECRET),
            "previous_until": None,
            **changed,
        }

    def hook_body(self, summary: str = "fine", *, hook: str = "task_saving", **changed: Any) -> dict[str, Any]:
        task = {"id": "t_1", "version": 3, "summary": summary, "due": {"day": "2026-03-05", "at": None}}
        asks: dict[str, Any] = {
            "task_saving": {"task": task, "before": None, "changed": ["due"], "source": "person"},
            "report": {"since": "2026-03-01", "until": "2026-03-02", "today": "2026-03-02"},
            "installed": {"id": "n_1", "at": START.isoformat()},
            "uninstalling": {"id": "n_2", "at": START.isoformat(), "wiped_at": START.isoformat()},
            "person_forgotten": {"id": "n_3", "at": START.isoformat(), "person": {"id": "p_bo", "version": 0}},
        }
        return {
            "id": self.next_id(),
            "installation": "inst_1",
            "hook": hook,
            "version": "1.2.0",
            "ask": asks.get(hook, {}),
            "viewer": "p_ada",
            "settings": {"limit": 5},
            "granted": ["tasks:read", "tasks:guard"],
            "now": self.clock.now.isoformat(),
            "deadline": (self.clock.now + dt.timedelta(seconds=5)).isoformat(),
            "token": "ct_token",
            **changed,
        }


class Caller:
    """Posts as the host does. `client` speaks HTTP to the service."""

    def __init__(self, host: CallingHost, service: Service, client: httpx2.AsyncClient) -> None:
        self.host, self.service, self.client = host, service, client

    async def install(self, *, id: str | None = None, **changed: Any) -> httpx2.Response:
        body = json.dumps(self.host.install_body(**changed)).encode()
        private = self.host.key.private_bytes_raw()
        return await self.post(
            "/install", sign_with_key(id or self.host.next_id(), self.host.clock.now, body, private), body
        )

    async def ask(
        self, *words: str, secret: bytes = SECRET, path: str | None = None, **changed: Any
    ) -> httpx2.Response:
        given = self.host.hook_body(*words, **changed)
        body = json.dumps(given).encode()
        headers = sign(given["id"], self.host.clock.now, body, [secret])
        return await self.post(
            path or f"/hooks/{given['hook']}", {**headers, INSTALLATION: given["installation"]}, body
        )

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> httpx2.Response:
        return await self.client.post(path, headers=headers, content=body)


@asynccontextmanager
async def plain_contexts(kept: Kept, body: HookBody) -> AsyncIterator[Any]:
    """What the hooks above use of a ctx; the real one is proven with the real API."""
    yield SimpleNamespace(viewer=body.viewer, settings=body.settings, granted=lambda scope: scope in body.granted)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def host(clock: FakeClock) -> CallingHost:
    return CallingHost(clock)


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "store.db"


@pytest.fixture
def project_path(project: Callable[..., Path]) -> Path:
    return project("served_app", manifest=MANIFEST, hooks=HOOKS)


@pytest.fixture
async def service(project_path: Path, host: CallingHost, store_path: Path) -> AsyncIterator[Service]:
    transport = httpx2.ASGITransport(host.site())
    async with open_service(
        find_app(project_path), [HOST], store_path, clock=host.clock, contexts=plain_contexts, transport=transport
    ) as opened:
        yield opened


@pytest.fixture
async def caller(service: Service, host: CallingHost) -> AsyncIterator[Caller]:
    transport = httpx2.ASGITransport(site(service))
    async with httpx2.AsyncClient(transport=transport, base_url="http://service.example") as client:
        yield Caller(host, service, client)


@pytest.fixture
async def installed(caller: Caller) -> Caller:
    assert (await caller.install()).status_code == 204
    return caller


def elsewhere() -> Response:
    return RedirectResponse("https://tasks.example/oauth/other-keys")
