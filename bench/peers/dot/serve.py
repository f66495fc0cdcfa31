"""Serves this peer with granian, from the folder DOT_FOLDER. It prints its port once it answers."""

from __future__ import annotations

import socket
import threading
import time

from granian import Granian
from granian.constants import Interfaces

PATIENCE = 0.05
THREADS = 2


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    server = Granian(
        "server:application",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.WSGI,
        blocking_threads=THREADS,
        backpressure=THREADS * 8,
        websockets=False,
        log_enabled=False,
    )
    threading.Thread(target=tell, args=(port,), daemon=True).start()
    server.serve()


def tell(port: int) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(PATIENCE)
        else:
            print(port, flush=True)
            return


if __name__ == "__main__":
    main()
