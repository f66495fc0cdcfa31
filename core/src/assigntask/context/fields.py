"""Which details a call asks for, and which tasks it filters by. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from assigntask.db.ids import is_id
from assigntask_sdk.context import TaskFilters
from assigntask_sdk.details import DETAILS, STREAMED, nearest
from assigntask_sdk.errors import Invalid

# A filter tells its detail about every task that comes back, so it counts as asked for.
_TELLS: Mapping[str, str] = {
    "project": "task.project",
    "archived": "task.archived",
    "done": "task.done",
    "updated_since": "task.updated",
    "created_since": "task.created",
}
_ALWAYS = frozenset({"id", "version", "withheld"})


@cache
def details_of_record(record: str) -> frozenset[str]:
    return frozenset(detail.name for detail in DETAILS.values() if detail.record == record) - STREAMED


def needs_of(record: str, fields: Any) -> frozenset[str]:
    """The details that `fields` names: "due" of the record itself, "person.name" of the people in it.

    None: all of the record's own. Raises Invalid, naming each field that there is not.
    """
    if fields is None:
        return details_of_record(record)
    if isinstance(fields, str) or not isinstance(fields, Collection):
        raise Invalid({"fields": 'give a list of names, such as ["summary", "due"]'})
    needs: set[str] = set()
    unknown: dict[str, str] = {}
    for field in fields:
        if field in _ALWAYS:
            continue
        name = field if isinstance(field, str) and "." in field else f"{record}.{field}"
        if name in DETAILS and DETAILS[name].record in (record, "person") and name not in STREAMED:
            needs.add(name)
        else:
            unknown[str(field)] = _unknown_field(record, str(field))
    if unknown:
        raise Invalid(unknown)
    return frozenset(needs)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which tasks to list. `archived` None takes both; moments are aware. `needs`: what the filters themselves tell."""

    project: str | None
    archived: bool | None
    done: bool | None
    updated_since: dt.datetime | None
    created_since: dt.datetime | None
    needs: frozenset[str]


def filters_of(given: Mapping[str, Any]) -> Filters:
    """Raises Invalid, naming each filter that there is not or that has a wrong value."""
    faults = {name: why for name, value in given.items() if (why := _filter_problem(name, value)) is not None}
    if faults:
        raise Invalid(faults)
    return Filters(
        project=given.get("project"),
        archived=given.get("archived", False),
        done=given.get("done"),
        updated_since=given.get("updated_since"),
        created_since=given.get("created_since"),
        needs=frozenset(_TELLS[name] for name in given),
    )


def known_ids(ids: Any, *, limit: int) -> list[str]:
    """Those of `ids` that can be ids at all, once each. Raises Invalid for more than `limit`."""
    if isinstance(ids, str) or not isinstance(ids, Collection):
        raise Invalid({"ids": "give a list of ids"})
    if len(ids) > limit:
        raise Invalid({"ids": f"at most {limit} at once, these are {len(ids)}"})
    return list(dict.fromkeys(filter(could_be_id, ids)))


def could_be_id(id: Any) -> bool:
    return isinstance(id, str) and is_id(id)


def _unknown_field(record: str, field: str) -> str:
    own = [name.partition(".")[2] for name in details_of_record(record)]
    meant = nearest(field, own) or nearest(field, details_of_record("person"))
    return f"a {record} has no such field" + (f"; did you mean {meant!r}?" if meant else "")


def _filter_problem(name: str, value: Any) -> str | None:
    if name not in _TELLS:
        meant = nearest(name, TaskFilters.__annotations__)
        return "there is no such filter" + (f"; did you mean {meant!r}?" if meant else "")
    if name == "project":
        return None if isinstance(value, str) else "give a project's id"
    if name in ("archived", "done"):
        return None if isinstance(value, bool) else "give True or False"
    if not isinstance(value, dt.datetime):
        return "give a moment, a datetime"
    return None if value.utcoffset() is not None else "a moment needs a time zone, for example UTC"
