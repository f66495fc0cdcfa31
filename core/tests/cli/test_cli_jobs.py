"""An admin sees what an app works at, how far it is, and why it failed."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import Database, new_id
from assigntask.db import tables as t

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


def write(url: str, jobs: list[dict[str, Any]]) -> None:
    def unit(conn: Connection) -> None:
        of = conn.execute(sa.select(t.installation.c.organisation_id, t.installation.c.id)).one()
        for minutes, job in enumerate(jobs):
            at = NOW + dt.timedelta(minutes=minutes)
            row = {"id": new_id(), "organisation_id": of[0], "installation_id": of[1], "args": {}}
            conn.execute(sa.insert(t.job).values(**row, started_at=at, changed_at=at, **job))

    async def run() -> None:
        async with Database.open(url) as db:
            await db.write(unit)

    asyncio.run(run())


def test_the_jobs_of_an_app_are_listed_the_newest_first(quick_house: Any) -> None:
    quick_house.json("apps", "install", "reporting", "--as", "ada@example.org")
    assert quick_house.text("apps", "jobs", "reporting") == "No jobs.\n"
    failed = {"name": "export", "state": "failed", "done": 3, "last_error": "hook_raised: RuntimeError"}
    write(quick_house.url, [{"name": "import", "state": "running", "done": 3, "total": 10, "text": "reading"}, failed])
    listed = quick_house.json("apps", "jobs", "reporting")
    assert [(one["name"], one["state"], one["error"]) for one in listed] == [
        ("export", "failed", "hook_raised: RuntimeError"),
        ("import", "running", None),
    ]
    assert (listed[1]["done"], listed[1]["total"], listed[1]["started"]) == (3, 10, "2026-03-02T09:00:00Z")
    shown = quick_house.text("apps", "jobs", "reporting")
    assert "3 of 10, reading" in shown
    assert "hook_raised: RuntimeError" in shown
    quick_house.fails("apps", "jobs", "nothing", code="not_installed")
