"""What a test changes by name: fields of people and projects, through the same acts as the terminal's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from assigntask.app import Platform
from assigntask.people.facts import Doer, PersonFacts
from assigntask.tasks import projects
from assigntask_sdk.errors import Invalid, NotFound


async def edit_person(platform: Platform, doer: Doer, person_id: str, changes: Mapping[str, Any]) -> None:
    """Field by field, in the order in which they are given. Raises Invalid, NotAllowed, NotFound."""
    people = platform.people
    acts: Mapping[str, Callable[[Doer, str, Any], Awaitable[PersonFacts]]] = {
        "name": people.rename,
        "email": people.email,
        "department": people.department,
        "job_title": people.job_title,
        "role": people.role,
    }
    if unknown := changes.keys() - acts.keys():
        raise Invalid({field: f"can't be changed; choose one of {', '.join(acts)}" for field in sorted(unknown)})
    for field, value in changes.items():
        await acts[field](doer, person_id, value)


async def project_named(platform: Platform, doer: Doer, name: str, *, make: bool = False) -> str:
    """The id of the project of that name; where there is none, it is made, or NotFound is raised."""
    known = await platform.db.read(projects.listed, doer.organisation_id, archived=None)
    found = next((each.id for each in known if each.name == name.strip()), None)
    if found is not None:
        return found
    if not make:
        raise NotFound(f"There is no project {name!r}.")
    return (await platform.projects.create(doer, name)).id
