"""`assigntask remote` and `apps credentials`: an app as a service beside the terminal."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assigntask.cli.opening import Call
from assigntask.settings import LOOPBACK_NETWORKS

from .conftest import ADMIN, Terminal

pytestmark = pytest.mark.timeout(120)

APPS = Path(__file__).parent.parent / "apps"
AS = ("--as", ADMIN)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@pytest.fixture
def service() -> Iterator[Any]:
    """A service that shows a manifest and takes whatever it is given; `manifest` can be changed."""

    class Service:
        manifest = (APPS / "guarding_app" / "app.toml").read_bytes()
        url = ""
        installs = 0

    async def manifest(_: Request) -> Response:
        return Response(Service.manifest)

    async def install(_: Request) -> Response:
        Service.installs += 1
        return Response(status_code=204)

    routes = [Route("/app.toml", manifest), Route("/install", install, methods=["POST"])]
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(16)
        Service.url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        server = _Server(uvicorn.Config(Starlette(routes=routes), lifespan="off", log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
        thread.start()
        yield Service
        server.should_exit = True
        thread.join()


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the operator said so: apps find this host, and it may ask this machine."""
    monkeypatch.setenv("ASSIGNTASK_URL", "https://tasks.example")
    monkeypatch.setenv("ASSIGNTASK_OUTGOING_ALLOW", "127.0.0.0/8")


def test_an_app_on_this_machine_is_offered_with_dev_alone(quick_house: Terminal, service: Any) -> None:
    error = quick_house.fails("remote", "add", service.url, code="outgoing_refused")
    assert "--dev" in error["message"]
    added = quick_house.json("remote", "add", service.url, "--dev")
    assert (added["app"], added["url"], added["version"], added["error"]) == (
        "guarding-app",
        service.url,
        "1.0.0",
        None,
    )
    listed = quick_house.json("apps", "list")
    assert [row["id"] for row in listed if row["id"] == "guarding-app"] == ["guarding-app"]
    shown = quick_house.json("apps", "show", "guarding-app")
    assert (shown["assurance"], shown["distribution"]) == ("enforced", service.url)
    assert service.url in quick_house.text("apps", "show", "guarding-app")
    assert service.url in quick_house.text("apps", "install", "guarding-app", *AS, "--dry-run")


def test_remote_apps_are_listed_refreshed_and_removed(quick_house: Terminal, service: Any) -> None:
    assert "No remote app" in quick_house.text("remote", "list")
    quick_house.json("remote", "add", service.url, "--dev")
    service.manifest = b"nonsense"
    (row,) = quick_house.json("remote", "refresh")
    assert row["error"].startswith("manifest_syntax")
    assert "manifest_syntax" in quick_house.text("remote", "list")
    service.manifest = (APPS / "guarding_app" / "app.toml").read_bytes()
    (row,) = quick_house.json("remote", "refresh", "guarding-app")
    assert row["error"] is None
    quick_house.fails("remote", "refresh", "nothing", code="remote_unknown")
    quick_house.json("apps", "install", "guarding-app", *AS)
    quick_house.fails("remote", "remove", "guarding-app", code="remote_in_use")
    quick_house.json("apps", "uninstall", "guarding-app", *AS)
    assert quick_house.json("remote", "remove", "guarding-app")["app"] == "guarding-app"
    quick_house.fails("remote", "remove", "guarding-app", code="remote_unknown")


def test_the_key_of_an_app_that_dials_in_is_shown_once(quick_house: Terminal) -> None:
    key = quick_house.json("remote", "add", "--connect", "guarding-app")["key"]
    assert key.startswith("ck_")
    assert key not in quick_house.text("remote", "list")
    assert "dialled in" in quick_house.text("remote", "list")
    quick_house.fails("remote", "add", "--connect", "guarding-app", code="remote_known")
    quick_house.fails("remote", "add", "--connect", "Not An Id", code="app_id_invalid")
    quick_house.fails("remote", "add", code="remote_unnamed")
    quick_house.fails("remote", "add", "https://app.example", "--connect", "x", code="remote_unnamed")


def test_credentials_are_delivered_at_the_install_and_a_new_secret_is_shown_once(
    quick_house: Terminal, service: Any, reachable: None
) -> None:
    quick_house.json("remote", "add", service.url)
    quick_house.json("apps", "install", "guarding-app", *AS)
    assert service.installs == 1
    known = quick_house.json("apps", "credentials", "guarding-app", *AS)
    assert known["delivered_at"] is not None
    assert known["client_secret"] is None
    assert known["token_endpoint"] == "https://tasks.example/oauth/token"
    rotated = quick_house.json("apps", "credentials", "guarding-app", *AS, "--rotate")
    assert rotated["client_secret"].startswith("cs_")
    assert rotated["generation"] == 2
    assert service.installs == 2
    after = quick_house.text("apps", "credentials", "guarding-app", *AS)
    assert rotated["client_secret"] not in after
    assert known["client_id"] in after


def test_credentials_are_for_admins(quick_house: Terminal, service: Any, reachable: None) -> None:
    quick_house.json("remote", "add", service.url)
    quick_house.json("apps", "install", "guarding-app", *AS)
    for more in ((), ("--rotate",)):
        quick_house.fails("apps", "credentials", "guarding-app", "--as", "ben@example.org", *more, code="not_allowed")
    quick_house.fails("apps", "credentials", "nothing", *AS, code="not_installed")


def test_without_an_address_the_credentials_wait_for_the_server(quick_house: Terminal, service: Any) -> None:
    quick_house.json("remote", "add", service.url, "--dev")
    quick_house.json("apps", "install", "guarding-app", *AS)
    assert service.installs == 0
    known = quick_house.json("apps", "credentials", "guarding-app", *AS)
    assert (known["delivered_at"], known["token_endpoint"]) == (None, None)


def test_dev_allows_this_machine_and_nothing_else() -> None:
    usual, dev = Call(False, "sqlite://").settings(), Call(False, "sqlite://", dev=True).settings()
    assert usual.outgoing_allow == ()
    assert dev.outgoing_allow == LOOPBACK_NETWORKS


def test_the_first_secret_of_an_app_that_is_not_told_it_is_made_by_rotating(quick_house: Terminal) -> None:
    quick_house.json("apps", "install", "reporting", *AS)
    rotated = quick_house.json("apps", "credentials", "reporting", *AS, "--rotate")
    assert rotated["client_secret"].startswith("cs_")
    assert "taken by" not in quick_house.text("apps", "credentials", "reporting", *AS).lower()
