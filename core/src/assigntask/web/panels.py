"""What installed apps show beside the board."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from assigntask.db.database import Database
from assigntask.errors import HostError
from assigntask.grants.grant import Actor
from assigntask.grants.grants import Grants
from assigntask.hooks.panels import Panel as Answer
from assigntask.people import people
from assigntask_sdk.blocks import ListBlock, Table, Text, Who
from assigntask_sdk.errors import NotFound


@dataclass(frozen=True, slots=True)
class Panel:
    """`note` says why there is no new answer; `as_of` (aware) tells how old the blocks are, where they are old.

    `names` gives the names to write for `Who`, by the ids that this app knows people under.
    """

    app_name: str
    blocks: Sequence[Any]
    note: str
    as_of: dt.datetime | None
    names: Mapping[str, str]


async def panels(db: Database, grants: Grants, organisation_id: str, answers: Sequence[Answer]) -> list[Panel]:
    """The names are for people to read: the app is not told them, so this is no release."""
    known = [await _people_behind(grants, organisation_id, one.installation_id, one.blocks) for one in answers]
    wanted = {person_id for behind in known for person_id in behind.values()}
    facts = await db.read(people.load, organisation_id, wanted) if wanted else {}
    return [
        Panel(
            app_name=answer.app_name,
            blocks=answer.blocks,
            note=answer.failed.words if answer.failed is not None else "",
            as_of=answer.answered_at if answer.failed is not None else None,
            names={pairwise: facts[person_id].name for pairwise, person_id in behind.items() if person_id in facts},
        )
        for answer, behind in zip(answers, known, strict=True)
    ]


async def _people_behind(
    grants: Grants, organisation_id: str, installation_id: str, blocks: Sequence[Any]
) -> Mapping[str, str]:
    """Person ids by the app's own ids for them; whoever it may not know of is left out."""
    wanted = people_in(blocks)
    if not wanted:
        return {}
    try:
        grant = await grants.current(organisation_id, installation_id, Actor.installation())
    except HostError:  # disabled or uninstalled since it answered
        return {}
    found: dict[str, str] = {}
    for pairwise in wanted:
        with suppress(NotFound):
            found[pairwise] = await grants.person_of(grant, pairwise)
    return found


def people_in(blocks: Iterable[Any]) -> Collection[str]:
    return {part.person for block in blocks for part in _inlines(block) if isinstance(part, Who)}


def _inlines(block: Any) -> Iterator[Any]:
    if isinstance(block, Text):
        yield from block.parts
    elif isinstance(block, ListBlock):
        yield from block.items
    elif isinstance(block, Table):
        for row in block.rows:
            yield from row
