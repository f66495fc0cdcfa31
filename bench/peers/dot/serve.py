"""Serves this peer with granian, from the folder DOT_FOLDER. It prints its port, and answers there a moment later."""

from __future__ import annotations

import socket

from granian import Granian
from granian.constants import Interfaces

THREADS = 2


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    print(port, flush=True)
    Granian(
        "server:application",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.WSGI,
        blocking_threads=THREADS,
        backpressure=THREADS * 8,
        websockets=False,
        log_enabled=False,
    ).serve()


if __name__ == "__main__":
    main()
