"""A person's token may lie on the person's own device: it opens what is theirs, and acts for nobody else."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.api.operations import OPERATIONS
from assigntask.db import tables as t

ANYBODYS = frozenset({"getInstallation", "refreshTask"})
MANAGED = frozenset({"listDeliveries", "getDelivery", "getHealth"})
"""An admin may be asked for a power that opens these, too."""
OWN = sorted(each.id for each in OPERATIONS if each.scope is None and each.id not in ANYBODYS | MANAGED)


async def enrol(world: Any, who: str) -> None:
    ids = world.ids["north"]

    def unit(conn: Connection) -> None:
        row = {"organisation_id": ids["organisation"], "installation_id": ids["installation"], "person_id": ids[who]}
        conn.execute(sa.insert(t.enrolment).values(**row, settings={}, created_at=world.clock.now))

    await world.platform.db.write(unit)


async def test_a_persons_token_never_acts_for_somebody_else_who_takes_part(world: Any) -> None:
    await enrol(world, "cy")
    token, cy, ben = await world.token(person="ben"), await world.known_as("cy"), await world.known_as("ben")
    path = f"/tasks/{world.ids['north']['near task']}/comments"
    refused = await world.call("POST", path, token, body={"text": "Cy wrote this"}, assigntask_person=cy)
    assert (refused.status, refused.json["code"]) == (403, "refused")
    assert "www-authenticate" not in refused.headers, "no scope would help"
    assert (await world.call("GET", "/tasks", token, assigntask_person=cy)).status == 403
    theirs = await world.call("POST", path, token, body={"text": "Ben wrote this"}, assigntask_person=ben)
    assert theirs.status == 201
    the_apps = await world.call("POST", path, await world.token(), body={"text": "For Cy"}, assigntask_person=cy)
    assert the_apps.status == 201


@pytest.mark.parametrize("who", ["ben", "ada"])
async def test_a_persons_token_does_not_open_what_is_the_installations_own(world: Any, who: str) -> None:
    """Settings are for admins and the app; what the app stored, and is told, may be about anybody."""
    assert len(OWN) > 10
    kept = {"operations": [{"put": {"key": "secret of cy", "value": "sealed bid"}}]}
    assert (await world.call("POST", "/storage/commit", await world.token(), body=kept)).status == 204
    token = await world.token(person=who)
    task, person = world.ids["north"]["near task"], await world.known_as("cy")
    for operation in OPERATIONS:
        if operation.id in OWN:
            path = operation.path.format(id=task, key="disk", task=task, person=person)
            answer = await world.call(operation.method, path, token)
            assert (answer.status, answer.json["code"]) == (403, "refused"), operation.id
            assert b"sealed bid" not in answer.body
    assert (await world.call("GET", "/installation", token)).status == 200


async def test_what_is_no_id_of_a_person_is_refused_where_nobody_asks_whose_rights_count_too(world: Any) -> None:
    token = await world.token()
    for path in ("/installation", "/settings", "/storage/entries", "/tasks"):
        answer = await world.call("GET", path, token, assigntask_person='"Dsa?*j')
        assert (answer.status, answer.json["code"]) == (404, "not_found"), path
