"""A process that works, as `assigntask work` is one, with the app of these tests and leases of the test's own.

Its argument is a JSON object: `database`, `folder`, and `lease`, `heartbeat` and `stop_within` in seconds. It opens the
host, says so, and works once it reads a line. What it writes is log lines in JSON. SIGTERM stops it in order.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from assigntask.app import Platform
from assigntask.cli.work import told_to_stop
from assigntask.installations.directory import Directory
from assigntask.settings import Settings
from assigntask_sdk.apps import find_app

APPS = Path(__file__).parent / "apps"

log = structlog.get_logger()


def settings_of(database: str, folder: Path) -> Settings:
    return Settings(database, folder / "keys", f"sqlite:///{folder / 'keys' / 'subjects.db'}", url="http://127.0.0.1:9")


def directory() -> Directory:
    return Directory(lambda: [find_app(APPS / "holding_app")])


async def main(given: Mapping[str, Any]) -> None:
    settings = replace(
        settings_of(given["database"], Path(given["folder"])),
        lease=dt.timedelta(seconds=given["lease"]),
        stop_within=given["stop_within"],
        heartbeat=given["heartbeat"],
    )
    with told_to_stop() as stop:
        async with Platform.open(settings, directory=directory()) as platform:
            log.info("opened")
            await asyncio.to_thread(sys.stdin.readline)
            await platform.start()
            log.info("started")
            await stop.wait()


if __name__ == "__main__":
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
    )
    asyncio.run(main(json.loads(sys.argv[1])))
