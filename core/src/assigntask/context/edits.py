"""What an app wants a task to be, in the host's own ids: names become ids, people's ids the host's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from assigntask.actions.names import NamedFields, resolve_with
from assigntask.db.database import Database
from assigntask.grants.grant import Grant
from assigntask.grants.grants import Grants
from assigntask.tasks import projects
from assigntask.tasks.drafts import TaskChanges
from assigntask.tasks.mentions import REFERENCE
from assigntask_sdk.context import TaskEdit
from assigntask_sdk.details import nearest
from assigntask_sdk.errors import Invalid, NotFound

_WRITTEN_ID = re.compile(r"@(p_[a-z2-7]{26})\b")
_NOBODY = "somebody in it is not known to this app; use the ids that it was given"


async def resolved(
    db: Database, grants: Grants, grant: Grant, project_id: str, fields: Mapping[str, Any]
) -> TaskChanges:
    """The changes that `fields` (a TaskEdit from an app) mean in a project.

    Raises Invalid, naming every field that means nothing. Its words name no status, type or label that the
    app did not name itself: an error is a way out too.
    """
    faults = {name: why for name, value in fields.items() if (why := _problem(name, value)) is not None}
    if faults:
        raise Invalid(faults)
    values = dict(fields)
    if isinstance(values.get("description"), str):
        values["description"] = await mentioned(grants, grant, "description", values["description"])
    wanted: Sequence[str] = values.get("assignees") or ()
    people = {pairwise: await _person(grants, grant, pairwise) for pairwise in wanted}
    if None in people.values():
        raise Invalid({"assignees": _NOBODY})
    choices = await db.read(projects.choices, grant.organisation_id, project_id)
    try:
        return resolve_with(choices, cast(NamedFields, values), lambda pairwise: people[pairwise] or "")
    except Invalid as invalid:
        unknown = {name: f"this project has no such {_ONE[name]}" for name in invalid.fields}
    raise Invalid(unknown)


async def mentioned(grants: Grants, grant: Grant, field: str, text: str) -> str:
    """The text as it is stored: `@` and an id that this app was given mentions that person. Raises Invalid."""
    if REFERENCE.search(text):
        raise Invalid({field: "to mention somebody write @ and the id that this app was given"})
    known: dict[str, str | None] = {}
    for pairwise in _WRITTEN_ID.findall(text):
        known[pairwise] = await _person(grants, grant, pairwise)
    return _WRITTEN_ID.sub(lambda m: f"<@{person}>" if (person := known.get(m[1])) else m[0], text)


def with_withheld(wanted: Sequence[str], current: Sequence[str], withheld: frozenset[str]) -> Sequence[str]:
    """The assignees that an app may set: whom it can't know of it can't take off either."""
    hidden = [person for person in current if person in withheld]
    if list(wanted) == [person for person in current if person not in withheld]:
        return current
    return [*wanted, *hidden]


_ONE = {"status": "status", "type": "task type", "labels": "label"}


async def _person(grants: Grants, grant: Grant, pairwise: str) -> str | None:
    try:
        return await grants.person_of(grant, pairwise)
    except NotFound:
        return None


def _problem(name: str, value: Any) -> str | None:
    if name not in TaskEdit.__annotations__:
        meant = nearest(name, TaskEdit.__annotations__)
        return "a task has no such field that can be set" + (f"; did you mean {meant!r}?" if meant else "")
    if name in ("assignees", "labels") and value is not None:
        several = isinstance(value, Sequence) and not isinstance(value, str | bytes)
        if not several or not all(isinstance(one, str) for one in value):
            return "give a list of ids" if name == "assignees" else "give a list of names"
    if name in ("status", "summary") and not isinstance(value, str):
        return "give text"
    if name in ("type", "description") and not isinstance(value, str | None):
        return "give text or None"
    return None
