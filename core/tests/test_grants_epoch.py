"""A grant holds for one epoch: what anybody decides, in any process, holds at the next call."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from assigntask.db import Database, new_id
from assigntask.db import tables as t
from assigntask.errors import HostError
from assigntask.grants.grant import Actor, Grant
from assigntask.grants.grants import Grants
from assigntask.people import organisations
from assigntask.people import people as people_rows
from assigntask.people.facts import Doer, PersonFacts
from assigntask_sdk.errors import NotFound

if TYPE_CHECKING:
    from core.tests.conftest import World

ELSEWHERE = """
import asyncio, sys
import sqlalchemy as sa
from assigntask.db import Database, tables as t
from assigntask.people import organisations

url, organisation_id, installation_id = sys.argv[1:]

def disable(conn):
    conn.execute(
        sa.update(t.installation)
        .where(t.installation.c.organisation_id == organisation_id, t.installation.c.id == installation_id)
        .values(state="disabled")
    )
    organisations.raise_epoch(conn, organisation_id)

async def main():
    async with Database.open(url) as db:
        await db.write(disable)

asyncio.run(main())
"""

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
SCOPES = ("tasks:read", "people:email", "people:name")


@pytest.fixture
async def elsewhere(database_url: str) -> AsyncIterator[Database]:
    """A second way to the same database, as another process has it."""
    async with Database.open(database_url) as opened:
        yield opened


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is asked of any database in the meantime."""
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    sa.event.listen(sa.engine.Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(sa.engine.Engine, "before_cursor_execute", note)


async def change(db: Database, world: World, installation: str, **values: Any) -> None:
    def write(conn: sa.Connection) -> None:
        conn.execute(
            sa.update(t.installation)
            .where(t.installation.c.organisation_id == world.organisation_id, t.installation.c.id == installation)
            .values(**values)
        )
        organisations.raise_epoch(conn, world.organisation_id)

    await db.write(write)


async def test_what_another_process_decides_holds_at_the_next_call(world: World, database_url: str) -> None:
    installation = await world.install(SCOPES)
    assert (await world.grant(installation)).state == "active"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ELSEWHERE, database_url, world.organisation_id, installation
    )
    assert await process.wait() == 0
    with pytest.raises(HostError) as refused:
        await world.grant(installation)
    assert refused.value.code == "installation_inactive"
    assert refused.value.facts["state"] == "disabled"


Decision = Callable[["World", str, str, PersonFacts], Awaitable[None]]


async def narrower(world: World, installation: str, _app: str, _person: PersonFacts) -> None:
    await change(world.db, world, installation, scopes=["tasks:read"], grant_version=2)


async def smaller(world: World, installation: str, _app: str, _person: PersonFacts) -> None:
    await change(world.db, world, installation, all_projects=False)


async def objected(world: World, _installation: str, app: str, person: PersonFacts) -> None:
    await world.objects(person.id, app)


async def restricted(world: World, _installation: str, _app: str, person: PersonFacts) -> None:
    await world.restricts(person.id)


async def forgotten(world: World, _installation: str, _app: str, person: PersonFacts) -> None:
    await world.forgets(person.id)


async def renewed(world: World, _installation: str, app: str, person: PersonFacts) -> None:
    await world.generation(person.id, app, 1)


async def demoted(world: World, _installation: str, _app: str, person: PersonFacts) -> None:
    await world.person(role="admin")
    await world.db.write(people_rows.set_role, world.organisation_id, person.id, "member")


DECISIONS: list[tuple[Decision, Callable[[Grant, PersonFacts], object]]] = [
    (narrower, lambda grant, _: (grant.version, grant.has("people:email"), "person.email" in grant.details)),
    (smaller, lambda grant, _: grant.reaches("any project")),
    (objected, lambda grant, person: grant.withholds(person.id)),
    (restricted, lambda grant, person: grant.withholds(person.id)),
    (forgotten, lambda grant, person: grant.withholds(person.id)),
    (renewed, lambda grant, person: grant.pairwise(person.id)),
    (demoted, lambda grant, _: "person.email" in grant.details),
]


@pytest.mark.parametrize(("decision", "seen"), DECISIONS, ids=[each[0].__name__ for each in DECISIONS])
async def test_what_is_decided_elsewhere_is_seen_by_the_very_next_call(
    world: World, elsewhere: Database, decision: Decision, seen: Callable[[Grant, PersonFacts], object]
) -> None:
    person = await world.person(role="admin" if decision is demoted else "member")
    installation = await world.install(SCOPES)
    actor = Actor.installation()
    if decision is demoted:
        actor = Actor.viewer(Doer(world.organisation_id, person.id, person.role))
    before = seen(await world.grant(installation, actor), person)
    app = await world.app_of(installation)
    here, world.db = world.db, elsewhere
    await decision(world, installation, app, person)
    world.db = here
    assert seen(await world.grant(installation, actor), person) != before


async def test_nothing_is_read_again_while_nothing_was_decided(world: World, database: Database) -> None:
    installation = await world.install(SCOPES)
    first = await world.grant(installation)
    with statements() as seen:
        for _ in range(5):
            assert await world.grant(installation) is first
    if database.dialect == "sqlite":
        assert seen == []
    else:  # the epoch has to be asked for, and that is all
        assert len(seen) == 5
        assert all("epoch" in statement and "installation" not in statement for statement in seen)


async def test_what_changes_no_rights_ends_no_grant(world: World, elsewhere: Database) -> None:
    installation = await world.install(SCOPES)
    first = await world.grant(installation)
    project = {"id": new_id(), "organisation_id": world.organisation_id, "name": "Pier", "created_at": NOW}
    await elsewhere.write(lambda conn: conn.execute(sa.insert(t.project).values(**project)))
    assert await world.grant(installation) is first


async def test_another_organisations_decisions_end_no_grant_here(world: World, elsewhere: Database) -> None:
    installation, here = await world.install(SCOPES), world.organisation_id
    first = await world.grant(installation)
    other = await world.organisation()
    await elsewhere.write(organisations.raise_epoch, other)
    assert await world.grants.current(here, installation, Actor.installation()) is first


async def test_an_installation_of_another_organisation_is_unknown(world: World) -> None:
    installation = await world.install(SCOPES)
    await world.organisation()
    with pytest.raises(HostError) as refused:
        await world.grant(installation)
    assert refused.value.code == "installation_unknown"


async def test_an_unknown_organisation_is_refused(world: World) -> None:
    with pytest.raises(HostError) as refused:
        await world.grants.current(new_id(), new_id(), Actor.installation())
    assert refused.value.code == "organisation_unknown"


@pytest.mark.parametrize("state", ["requested", "declined", "disabled", "uninstalled", "wiped"])
async def test_only_goodbyes_get_the_grant_of_what_is_not_active(world: World, state: str) -> None:
    installation = await world.install(SCOPES, state=state)
    with pytest.raises(HostError) as refused:
        await world.grant(installation)
    assert refused.value.code == "installation_inactive"
    grant = await world.grants.current(world.organisation_id, installation, Actor.installation(), any_state=True)
    assert grant.state == state


async def test_what_one_person_installed_for_themselves_knows_nobody_else(world: World) -> None:
    owner, other, admin = await world.person(), await world.person(), await world.person(role="admin")
    installation = await world.install(SCOPES, only=owner.id)
    grant = await world.grant(installation)
    assert grant.withholds(other.id)
    assert grant.withholds(admin.id)
    assert not grant.withholds(owner.id)
    assert not grant.has("people:email"), "a member's rights do not include it"
    foreign = await world.grant(installation, Actor.viewer(Doer(world.organisation_id, admin.id, "admin")))
    assert foreign.scopes == foreign.details == frozenset()


async def test_somebody_who_left_acts_with_no_rights(world: World, database: Database) -> None:
    person = await world.person()
    installation = await world.install(SCOPES)
    await database.write(people_rows.mark_left, world.organisation_id, person.id)
    grant = await world.grant(installation, Actor.person(Doer(world.organisation_id, person.id, "admin")))
    assert grant.scopes == grant.details == frozenset()


async def test_the_person_behind_an_id_is_found_only_by_the_installation_that_has_it(world: World) -> None:
    person = await world.person()
    installation, other = await world.install(SCOPES), await world.install(SCOPES)
    grant, foreign = await world.grant(installation), await world.grant(other)
    assert await world.grants.person_of(grant, grant.pairwise(person.id)) == person.id
    for grantee, known_as in ((foreign, grant.pairwise(person.id)), (grant, person.id), (grant, "p_nobody")):
        with pytest.raises(NotFound):
            await world.grants.person_of(grantee, known_as)


async def test_an_id_is_worth_nothing_once_its_person_withdrew(world: World) -> None:
    person = await world.person()
    installation = await world.install(SCOPES)
    app = await world.app_of(installation)
    before = await world.grant(installation)
    known_as = before.pairwise(person.id)
    assert await world.grants.person_of(before, known_as) == person.id
    await world.objects(person.id, app)
    with pytest.raises(NotFound):
        await world.grants.person_of(await world.grant(installation), known_as)
    await world.generation(person.id, app, 1)
    after = await world.grant(installation)
    with pytest.raises(NotFound):
        await world.grants.person_of(after, known_as)
    assert after.pairwise_of_generation(person.id, 0) == known_as


async def test_a_call_that_began_before_a_withdrawal_leaves_no_old_ids_behind(world: World) -> None:
    person = await world.person()
    installation = await world.install(SCOPES)
    under_way = await world.grant(installation)
    await world.generation(person.id, await world.app_of(installation), 1)
    assert await world.grants.person_of(under_way, under_way.pairwise(person.id)) == person.id
    after = await world.grant(installation)
    assert await world.grants.person_of(after, after.pairwise(person.id)) == person.id
    with pytest.raises(NotFound):
        await world.grants.person_of(after, under_way.pairwise(person.id))


async def test_listeners_come_in_install_order_and_only_active_ones(world: World, elsewhere: Database) -> None:
    installations = [await world.install(SCOPES) for _ in range(3)]
    off = await world.install(SCOPES, state="disabled")
    for ordinal, installation in zip((3, 1, 2, 4), (*installations, off), strict=True):
        row = {"hook": "task_changed", "installation_id": installation, "details": ["task.due"]}
        await world.insert(t.subscription, {**row, "ordinal": ordinal})
    grants, organisation_id = world.grants, world.organisation_id
    found = await grants.subscriptions(organisation_id, "task_changed")
    assert [each.installation_id for each in found] == [installations[1], installations[2], installations[0]]
    assert found[0].details == {"task.due"}
    assert await grants.subscriptions(organisation_id, "task_changed") is found
    assert await grants.subscriptions(organisation_id, "comment_added") == ()
    await change(elsewhere, world, installations[1], state="disabled")
    assert len(await grants.subscriptions(organisation_id, "task_changed")) == 2
    other = await world.organisation()
    assert await grants.subscriptions(other, "task_changed") == ()


async def test_grants_of_two_hosts_keys_never_give_the_same_id(world: World, database: Database) -> None:
    person = await world.person()
    installation = await world.install(SCOPES)
    other = Grants(database, bytes(32))
    theirs = await other.current(world.organisation_id, installation, Actor.installation())
    assert theirs.pairwise(person.id) != (await world.grant(installation)).pairwise(person.id)
