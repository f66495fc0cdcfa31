"""Fills an empty host with the sample organisation. Cut off in the middle, the next run finishes it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from sqlalchemy.engine import Connection

from assigntask import sample
from assigntask.app import Platform
from assigntask.people import doers, organisations, people
from assigntask.people.facts import Doer, OrganisationFacts, PersonFacts
from assigntask.sample import SamplePeople
from assigntask.tasks import projects
from assigntask.tasks.import_ground import Ground
from assigntask.tasks.import_sources import Sources
from assigntask.tasks.importers import trello
from assigntask.tasks.importers.board import Board


async def fill(platform: Platform, now: dt.datetime) -> OrganisationFacts | None:
    """None where there are organisations already, and the sample is not one that was left half made."""
    data, known = sample.load(now.astimezone(dt.UTC).date())
    if not await platform.db.read(_wanted, known.organisation):
        return None
    board = trello.read(data)
    organisation = await platform.founding.organisation(known.organisation)
    doer = doers.operator_of(organisation.id)
    await platform.imports.run(doer, board)
    await _types(platform, doer, board, known)
    await _people(platform, doer, known)
    return organisation


def _wanted(conn: Connection, name: str) -> bool:
    """Its admin is named last: without one it is not finished."""
    found = organisations.listed(conn)
    return not found or ([each.name for each in found] == [name] and admin_of(conn, found[0].id) is None)


def admin_of(conn: Connection, organisation_id: str) -> PersonFacts | None:
    return next((each for each in _active(conn, organisation_id) if each.role == "admin"), None)


def member_of(conn: Connection, organisation_id: str) -> PersonFacts | None:
    return next((each for each in _active(conn, organisation_id) if each.role == "member" and each.email), None)


def _active(conn: Connection, organisation_id: str) -> list[PersonFacts]:
    return [each for each in people.listed(conn, organisation_id) if each.state == "active"]


async def _types(platform: Platform, doer: Doer, board: Board, known: SamplePeople) -> None:
    def look(conn: Connection) -> tuple[dict[str, str], Mapping[str, str | None]]:
        types = {name: projects.ensure_type(conn, doer.organisation_id, name) for name in known.task_types}
        ground = Ground(Sources(doer.organisation_id, "trello", platform.import_key), board, platform.clock())
        named = {ground.named(card): card for card in known.task_type_of_card}
        found = ground.sources.known(conn, "task", named)
        return types, {named[outside]: task_id for outside, task_id in found.items()}

    types, tasks = await platform.db.write(look)
    for card, name in known.task_type_of_card.items():
        if (task_id := tasks.get(card)) is not None:
            await platform.tasks.edit(doer, task_id, {"type": types[name]}, source="import")


async def _people(platform: Platform, doer: Doer, known: SamplePeople) -> None:
    """What an export lacks. Admins come last."""
    for each in sorted(known.people, key=lambda one: one.role == "admin"):
        person = await platform.db.read(people.find, doer.organisation_id, each.user_name)
        await platform.people.email(doer, person.id, each.email)
        await platform.people.job_title(doer, person.id, each.job_title)
        await platform.people.department(doer, person.id, each.department)
        if each.role == "admin":
            await platform.people.role(doer, person.id, "admin")
