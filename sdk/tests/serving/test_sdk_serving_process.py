"""`assigntask-sdk serve` as a process: it says where it is, works, and ends in order; and it says why it can't."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from assigntask_sdk.webhooks import secret_text, sign, sign_with_key
from assigntask_sdk.wire import INSTALLATION, HookAnswer

PATIENCE = 60.0
SECRET = bytes(range(32))

HOOKS = """\
from assigntask_sdk import Ctx, Veto, hook
from assigntask_sdk.hooks import Guard, Installed, PersonForgotten, Report, TaskSaving, Uninstalling


@hook.task_saving
async def saving(ctx: Ctx, ask: TaskSaving) -> Guard:
    task = await ctx.tasks.get(ask.task.id, fields=["summary"])
    return Veto(f"{task.summary}, {ctx.viewer}, {(ctx.deadline - ctx.now()).total_seconds():.0f} s")


@hook.report
async def report(ctx: Ctx, ask: Report):
    return []


@hook.installed
async def installed(ctx: Ctx, ask: Installed) -> None:
    raise RuntimeError("words of the app")


@hook.person_forgotten
async def forgotten(ctx: Ctx, ask: PersonForgotten) -> None:
    pass


@hook.uninstalling
async def goodbye(ctx: Ctx, ask: Uninstalling) -> None:
    pass
"""


@dataclass
class LoopbackHost:
    """A host of one page and one task. `asked`: paths and tokens of the calls of its API."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, token: str | None) -> Any:
        if path == "/oauth/jwks":
            x = base64.urlsafe_b64encode(self.key.public_key().public_bytes_raw()).decode().rstrip("=")
            return {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]}
        self.asked.append((path, token))
        return {"id": "t_1", "version": 3, "summary": "From the API"}


@pytest.fixture
def loopback() -> Iterator[LoopbackHost]:
    made = LoopbackHost()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(made.answer(self.path, self.headers["Authorization"])).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield made
        server.shutdown()
        thread.join()


@contextmanager
def serving(folder: Path, *arguments: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSIGNTASK_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "assigntask_sdk.cli", "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**kept, "PYTHONUNBUFFERED": "1", "XDG_STATE_HOME": str(folder / "state"), **environ},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def document(process: subprocess.Popen[str]) -> Any:
    """The one that it prints before it goes on."""
    assert process.stdout is not None and process.stderr is not None
    text = ""
    while line := process.stdout.readline():
        text += line
        try:
            return json.loads(text)
        except ValueError:
            continue
    raise AssertionError(f"no document: {text!r} {process.stderr.read()}")


def failed(folder: Path, *arguments: str, **environ: str) -> tuple[int, str]:
    with serving(folder, *arguments, **environ) as process:
        _, err = process.communicate(timeout=PATIENCE)
        return process.returncode, err


def hook_post(url: str, hook: str, ask: dict[str, Any], call: str) -> httpx2.Response:
    now = dt.datetime.now(dt.UTC)
    given = {
        "id": call, "installation": "inst_1", "hook": hook, "version": "1.2.0", "ask": ask, "viewer": "p_ada",
        "settings": {}, "granted": ["tasks:read"], "now": now.isoformat(),
        "deadline": (now + dt.timedelta(seconds=30)).isoformat(), "token": "ct_token",
    }  # fmt: skip
    body = json.dumps(given).encode()
    headers = {**sign(call, now, body, [SECRET]), INSTALLATION: "inst_1"}
    return httpx2.post(f"{url}/hooks/{hook}", content=body, headers=headers, trust_env=False, timeout=PATIENCE)


def install_post(url: str, host: LoopbackHost) -> httpx2.Response:
    given = {
        "issuer": host.url, "api": f"{host.url}/api/v1", "token_endpoint": f"{host.url}/oauth/token",
        "installation": "inst_1", "app": "served-app", "version": "1.2.0", "client_id": "c_1",
        "client_secret": "cs_secret", "secret": secret_text(SECRET), "previous_until": None,
    }  # fmt: skip
    body = json.dumps(given).encode()
    headers = sign_with_key("install_1", dt.datetime.now(dt.UTC), body, host.key.private_bytes_raw())
    return httpx2.post(f"{url}/install", content=body, headers=headers, trust_env=False, timeout=PATIENCE)


SAVING = {"task": {"id": "t_1", "version": 3}, "before": None, "changed": [], "source": "person"}
INSTALLED = {"id": "n_1", "at": "2026-03-02T09:00:00Z"}


@pytest.fixture
def written(project: Any, project_path: Path) -> Path:
    (project_path / "src" / "served_app" / "hooks.py").write_text(HOOKS)
    return project_path


def test_an_unchanged_app_serves_and_uses_the_api(written: Path, loopback: LoopbackHost) -> None:
    with serving(written, "--host", loopback.url, "--dev", "--port", "0", "--json") as process:
        said = document(process)
        assert said["app"] == "served-app"
        assert said["register"] == f"assigntask remote add {said['url']} --dev"
        assert Path(said["store"]) == written / "state" / "assigntask-sdk" / "served-app.db"
        manifest = httpx2.get(f"{said['url']}/app.toml", trust_env=False, timeout=PATIENCE)
        assert manifest.content == (written / "src" / "served_app" / "app.toml").read_bytes()
        assert install_post(said["url"], loopback).status_code == 204

        answer = HookAnswer.model_validate_json(hook_post(said["url"], "task_saving", SAVING, "call_1").content)
        assert isinstance(answer.answer, dict)
        assert answer.answer["reason"] == "From the API, p_ada, 30 s"
        assert loopback.asked == [("/api/v1/tasks/t_1?fields=summary", "Bearer ct_token")]

        raised = HookAnswer.model_validate_json(hook_post(said["url"], "installed", INSTALLED, "call_2").content)
        assert raised.error == {"code": "hook_raised", "message": "RuntimeError"}

        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (0, "")
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["event"] for line in lines] == ["credentials_taken", "hook_called", "hook_called"]
    assert lines[2]["place"] == "served_app/hooks.py:18"
    assert "words of the app" in lines[2]["exception"]  # --dev
    assert "cs_secret" not in err and "ct_token" not in err


def test_what_was_taken_is_there_after_a_restart(written: Path, loopback: LoopbackHost) -> None:
    arguments = ("--host", loopback.url, "--dev", "--port", "0", "--json")
    with serving(written, *arguments) as process:
        assert install_post(document(process)["url"], loopback).status_code == 204
        process.kill()
        process.communicate()
    with serving(written, *arguments) as process:
        assert hook_post(document(process)["url"], "task_saving", SAVING, "call_1").status_code == 200


def test_a_host_on_this_machine_needs_dev(written: Path) -> None:
    status, said = failed(written, "--host", "http://127.0.0.1:8000", "--port", "0")
    assert status == 1
    assert "--dev" in said and "[host_not_https]" in said


def test_a_missing_host_is_wrong_usage(written: Path) -> None:
    status, said = failed(written)
    assert status == 2
    assert "--host" in said


def test_a_folder_without_an_app_is_named(tmp_path: Path) -> None:
    status, said = failed(tmp_path, str(tmp_path), "--host", "https://tasks.example", "--json")
    assert status == 1
    assert json.loads(said)["error"]["code"] == "app_not_found"


def test_dialling_in_needs_a_key_and_one_host(written: Path) -> None:
    host = ("--host", "https://tasks.example", "--connect")
    assert "[key_missing]" in failed(written, *host)[1]
    two = failed(written, *host, "--host", "https://other.example", ASSIGNTASK_CONNECT_KEY="ck_key")
    assert "[one_host_needed]" in two[1]


def test_dialling_in_ends_in_order(written: Path) -> None:
    host = ("--host", "http://127.0.0.1:9", "--dev", "--connect", "--json")
    with serving(written, *host, ASSIGNTASK_CONNECT_KEY="ck_key") as process:
        assert document(process)["connects_to"] == "http://127.0.0.1:9"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert "Traceback" not in err and "ck_key" not in err


def test_a_taken_port_is_said(written: Path, loopback: LoopbackHost) -> None:
    port = loopback.url.rpartition(":")[2]
    status, said = failed(written, "--host", loopback.url, "--dev", "--port", port)
    assert (status, "[port_in_use]" in said) == (1, True)
