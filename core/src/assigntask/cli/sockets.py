"""Where the host listens, and how HTTP is spoken there."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from assigntask.cli.heads import BoundedHttp
from assigntask.errors import HostError
from assigntask_sdk.wire import FRAME_BYTES


@contextmanager
def listening(host: str, port: int, *, public: bool = False) -> Iterator[socket.socket]:
    """A socket that takes connections. `public`: people come over https, so that nobody is let in without signing in.

    Raises HostError `not_loopback`, `port_in_use`, `address_unusable`.
    """
    if not (public or is_loopback(host)):
        raise HostError(
            "not_loopback",
            f"{host} can be reached from elsewhere, where others read what is sent. Set ASSIGNTASK_URL to the "
            "https address that people come to, with a proxy there that ends TLS; or serve at 127.0.0.1.",
            host=host,
        )
    with taken_at(host, port, option="--port") as made:
        yield made


@contextmanager
def taken_at(host: str, port: int, *, option: str) -> Iterator[socket.socket]:
    """As `listening`, at any address. `option`: by which another one is chosen. Raises HostError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY: without it an answer in two writes waits for 40 ms.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((host, port))
            made.listen(128)
        except OSError as error:
            raise _unusable(host, port, option, error) from error
        yield made


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _unusable(host: str, port: int, option: str, error: OSError) -> HostError:
    if error.errno == errno.EADDRINUSE:
        another = f"{option} {port + 1}" if option == "--port" else f"{option} {host}:{port + 1}"
        return HostError(
            "port_in_use",
            f"Something else on this machine has port {port}. Stop it, or choose another with {option}, "
            f"for example {another}.",
            port=port,
        )
    return HostError(
        "address_unusable", f"{host}, port {port}, can't be used: {error.strerror}. Choose another.", port=port
    )


def config_of(site: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        site,
        loop="none",  # the one that runs already
        http=BoundedHttp,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=5,
        ws="websockets-sansio",  # apps that dial in; it pings them, so that a dead line is noticed
        ws_max_size=FRAME_BYTES,
        ws_per_message_deflate=False,  # what is secret and what others chose would share one window
    )


def url_of(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
