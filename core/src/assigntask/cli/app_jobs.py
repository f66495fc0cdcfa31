"""`assigntask apps jobs`: the work that an app gave itself, and how far it is."""

from __future__ import annotations

from typing import Any

from assigntask.cli.apps import commands
from assigntask.cli.command import command
from assigntask.cli.opening import Answer, Here
from assigntask.cli.options import AppArgument
from assigntask.cli.page import Page, moment, shown
from assigntask.installations import installations
from assigntask.jobs import rows
from assigntask_sdk.records import Job


@command(commands, "jobs", changes=False)
async def jobs(here: Here, app: AppArgument) -> Answer:
    """The newest hundred jobs of an app, with what it says of its progress and why one failed."""
    db = here.platform.db
    standing = await db.read(installations.require, here.id, app)
    found = await db.read(rows.newest, here.id, standing.id)
    why = await db.read(rows.errors, here.id, standing.id)

    def show(page: Page) -> None:
        page.table(
            ("Job", "State", "Progress", "Started", "Changed", "Id"),
            (
                (job.name, job.state, why.get(job.id) or progress(job), shown(job.started), shown(job.changed), job.id)
                for job in found
            ),
            nothing="No jobs.",
        )

    return Answer([job_json(job, why.get(job.id)) for job in found], show)


def job_json(job: Job, why: str | None) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "state": job.state,
        "done": job.done,
        "total": job.total,
        "text": job.text,
        "error": why,
        "started": moment(job.started),
        "changed": moment(job.changed),
    }


def progress(job: Job) -> str:
    """ "3 of 10, reading": as far as the app told it."""
    count = "" if job.done is None else str(job.done)
    if job.total is not None:
        count = f"{job.done or 0} of {job.total}"
    return ", ".join(part for part in (count, job.text) if part)
