"""People, by the ids that only this installation has."""

from __future__ import annotations

from assigntask_sdk.records import Person, PersonId

from ..operation import Call, Operation, Shape
from ..problems import bad_query
from ..replies import Reply, page, record
from .common import CURSOR, LIMIT, PAGE, fields, ids


async def listed(call: Call) -> Reply:
    query = call.query
    wanted = query.get("fields")
    if "ids" in query:
        if others := query.keys() & {"cursor", "limit"}:
            raise bad_query(dict.fromkeys(sorted(others), "leave it out where ids are given"))
        found = await call.ctx.people.get_many([PersonId(one) for one in query["ids"]], fields=wanted)
        return page(found.values(), None)
    people, following = await call.ctx.people.page(wanted, query.get("cursor"), query.get("limit", PAGE))
    return page(people, following)


async def get(call: Call) -> Reply:
    return record(await call.ctx.people.get(PersonId(call.path["id"]), fields=call.query.get("fields")))


OPERATIONS = (
    Operation(
        id="listPeople",
        method="GET",
        path="/people",
        summary="The people whom this installation may know",
        words="In the order of their ids. Those who are withheld from this app are left out.",
        handler=listed,
        answer=Shape(200, "A page of people.", Person, page=True),
        scope="people:name",
        record="person",
        query=(ids("person"), fields("person"), LIMIT, CURSOR),
    ),
    Operation(
        id="getPerson",
        method="GET",
        path="/people/{id}",
        summary="One person",
        handler=get,
        answer=Shape(200, "The person.", Person),
        scope="people:name",
        record="person",
        query=(fields("person"),),
    ),
)
