"""The examples of the page about the API run as they stand there."""

from __future__ import annotations

import ast
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from assigntask_sdk.client import client as clients
from assigntask_sdk.client import failures

PAGE = (Path(__file__).parents[3] / "docs" / "calling-the-api.md").read_text("utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

TASK = {"id": "t1", "version": 1, "summary": "Oil the chain", "due": None}
ANSWERS: dict[tuple[str, str], Any] = {
    ("POST", "/oauth/token"): {"access_token": "at_1", "refresh_token": "rt_1", "expires_in": 3600},
    ("GET", "/api/v1/installation"): {"granted": ["tasks:read"]},
    ("GET", "/api/v1/tasks"): {"items": [TASK], "next": None},
    ("GET", "/api/v1/tasks/t1"): TASK,
    ("POST", "/api/v1/tasks"): {"id": "t1", "version": 1},
    ("PATCH", "/api/v1/tasks/t1"): {"id": "t1", "version": 2},
    ("GET", "/api/v1/projects"): {"items": [{"id": "b", "version": 1, "name": "Board"}], "next": None},
    ("POST", "/api/v1/tasks/t1/files"): {"id": "a1", "version": 1},
    ("GET", "/api/v1/attachments/a1/content"): "rt_0",
    ("GET", "/api/v1/people"): {"items": [{"id": "p", "version": 1, "withheld": False, "name": "Bo"}], "next": None},
}
PRINTED = ["Oil the chain no due date", "", "Board", "['tasks:read']", "4 bytes", "1 read\n1"]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent: list[str] = []

    async def answer(_: Any, request: httpx2.Request) -> httpx2.Response:
        sent.append((await request.aread()).decode())
        said = ANSWERS[request.method, request.url.path]
        if "dpop" in request.headers and "access_token" in said:
            said = {**said, "token_type": "DPoP"}
        return httpx2.Response(200, text=said) if isinstance(said, str) else httpx2.Response(200, json=said)

    handle: Callable[[Any, httpx2.Request], Awaitable[httpx2.Response]] = answer
    monkeypatch.setattr(clients.httpx2.AsyncHTTPTransport, "handle_async_request", handle)
    kept = tmp_path / "token"
    kept.write_text("rt_0")
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    for name, value in {
        "ASSIGNTASK_URL": "https://tasks.example",
        "CLIENT_ID": "c_1",
        "CLIENT_SECRET": "cs_1",
        "TOKEN_FILE": str(kept),
        "KEY_FILE": str(tmp_path / "key.pem"),
    }.items():
        monkeypatch.setenv(name, value)
    exec(compile(EXAMPLES[number], f"example {number}", "exec"), {"__name__": "example"})  # noqa: S102 - ours
    assert sent
    assert PRINTED[number] in capsys.readouterr().out
    if "Refreshing" in EXAMPLES[number]:
        assert kept.read_text() == "rt_1"


def test_every_code_of_the_table_is_one_that_comes() -> None:
    sources = [Path(str(module.__file__)).parent.glob("*.py") for module in (failures,)]
    texts = {
        node.value
        for source in sources
        for path in source
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    named = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert len(named) == 7
    assert set(named) - {"token_invalid"} <= texts  # that one is the host's
