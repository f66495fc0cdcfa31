"""Stores a board that a reader made of another tracker's export.

Steps, each one unit of work: `prepare`, then `import_tasks.store_tasks` for a few tasks at a time, then `finish`. What
came in before stays as it is here, whatever the file says now; what is new comes in. Somebody who was forgotten since
stays forgotten: their things come in without an author.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.engine import Connection

from assigntask.events.events import Event, record
from assigntask.people import people
from assigntask.people.organisations import lock
from assigntask.people.text import checked_user_name, storable
from assigntask_sdk.errors import Invalid
from assigntask_sdk.records import Label, Status

from . import projects
from .import_ground import USER_NAMES, WHY, Ground, ImportReport, Prepared, Step, known_ids
from .importers import board as outside
from .projects import STEP

# A list of that name holds what is done; exports don't say so otherwise.
_DONE = frozenset({"done", "complete", "completed", "finished", "closed"})


def prepare(conn: Connection, ground: Ground) -> Prepared:
    """The project, its people, statuses and labels."""
    lock(conn, ground.organisation_id)
    step = Step()
    who = _people(conn, ground, step)
    project_id = _project(conn, ground)
    statuses = _statuses(conn, ground, project_id, step)
    labels = _labels(conn, ground, project_id, step)
    ranked = sorted(ground.board.tasks, key=lambda task: task.position)
    positions = {task.source_id: place * STEP for place, task in enumerate(ranked, 1)}
    return Prepared(project_id, who, statuses, labels, positions, step)


def finish(conn: Connection, ground: Ground, prepared: Prepared, total: Step, by_person_id: str | None) -> ImportReport:
    """One event for the whole import, also where an earlier run was cut off before its own; none if nothing is new."""
    lock(conn, ground.organisation_id)
    finished = ground.sources.known(conn, "import", [ground.named()])
    if +total.stored or not finished:
        event = Event(
            kind="board.imported",
            record_kind="project",
            record_id=prepared.project_id,
            at=ground.now,
            changed=_changed(total, finished=bool(finished)),
            facts=dict(+total.stored),
            by_person_id=by_person_id,
        )
        # The board is told once, and none of its tasks and people: an app that wants them reads them.
        record(conn, ground.organisation_id, event, hook="project_changed" if event.changed else None)
    if not finished:
        ground.sources.remember(conn, "import", {ground.named(): prepared.project_id})
    left_out = (
        *ground.board.report.left_out,
        *(outside.LeftOut(what, count, WHY[what], ()) for what, count in (+total.left_out).items()),
    )
    return ImportReport(prepared.project_id, dict(+total.stored), dict(+total.known), left_out)


def _changed(total: Step, *, finished: bool) -> Sequence[str]:
    """The fields of the project that are new: all of one that was not told of yet."""
    if not finished:
        return projects.FIELDS
    return ("statuses",) if total.stored["statuses"] else ()


def _people(conn: Connection, ground: Ground, step: Step) -> dict[str, str | None]:
    found = ground.sources.known(conn, "person", [person.source_id for person in ground.board.people])
    step.known["people"] += len(found)
    user_names = [person.user_name for person in ground.board.people if person.user_name]
    taken = set(people.by_user_names(conn, ground.organisation_id, user_names))
    made: dict[str, str] = {}
    for person in ground.board.people:
        if person.source_id in found or person.source_id in made:
            continue
        user_name = _free_user_name(person.user_name, taken, step)
        made[person.source_id] = people.add(
            conn,
            ground.organisation_id,
            name=storable(person.name)[:200],
            user_name=user_name,
            state="active" if person.present else "left",
            now=ground.now,
        ).id
    ground.sources.remember(conn, "person", made)
    step.stored["people"] += len(made)
    return {**found, **made}


def _free_user_name(wanted: str | None, taken: set[str], step: Step) -> str | None:
    if wanted is None:
        return None
    try:
        user_name = checked_user_name(wanted)
    except Invalid:
        user_name = None
    if user_name is None or user_name in taken:
        step.left_out[USER_NAMES] += 1
        return None
    taken.add(user_name)
    return user_name


def _project(conn: Connection, ground: Ground) -> str:
    known = ground.sources.known(conn, "project", [ground.named()]).get(ground.named())
    if known is not None:
        return known
    project_id = projects.create(
        conn,
        ground.organisation_id,
        storable(ground.board.name),
        description=storable(ground.board.description)[: projects.DESCRIPTION_LIMIT],
        archived=ground.board.archived,
        statuses=(),
        now=ground.now,
    )
    ground.sources.remember(conn, "project", {ground.named(): project_id})
    return project_id


def _statuses(conn: Connection, ground: Ground, project_id: str, step: Step) -> dict[str, Status]:
    ids = known_ids(conn, ground, "status", (one.source_id for one in ground.board.statuses), step, "statuses")
    made: dict[str, str] = {}
    for status in ground.board.statuses:
        if status.source_id not in ids and status.source_id not in made:
            made[status.source_id] = projects.add_status(
                conn,
                ground.organisation_id,
                project_id,
                storable(status.name)[: projects.NAME_LIMIT],
                position=status.position,
                done=_letters(status.name) in _DONE,
                archived=status.archived,
            )
    ground.sources.remember(conn, "status", {ground.named(source_id): made[source_id] for source_id in made})
    step.stored["statuses"] += len(made)
    stored = {status.id: status for status in projects.get(conn, ground.organisation_id, project_id).statuses}
    return {source_id: stored[status_id] for source_id, status_id in {**ids, **made}.items()}


def _labels(conn: Connection, ground: Ground, project_id: str, step: Step) -> dict[str, Label]:
    ids = known_ids(conn, ground, "label", (one.source_id for one in ground.board.labels), step, "labels")
    made: dict[str, str] = {}
    for label in ground.board.labels:
        if label.source_id not in ids and label.source_id not in made:
            colour = None if label.color is None else storable(label.color)
            name = storable(label.name)[: projects.NAME_LIMIT]
            made[label.source_id] = projects.add_label(conn, ground.organisation_id, project_id, name, colour=colour)
    ground.sources.remember(conn, "label", {ground.named(source_id): made[source_id] for source_id in made})
    step.stored["labels"] += len(made)
    stored = {label.id: label for label in projects.labels(conn, ground.organisation_id, project_id)}
    return {source_id: stored[label_id] for source_id, label_id in {**ids, **made}.items()}


def _letters(name: str) -> str:
    """People write "DONE! 🙌" too."""
    return "".join(character for character in name if character.isalpha()).casefold()
