"""What was recorded today is not recorded again; whatever is new is, and before it leaves."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from assigntask.db import Database, new_id
from assigntask.db import tables as t
from assigntask.gate.gate import Gate, Slot
from assigntask.gate.memory import Memory
from assigntask.ledger import rows
from assigntask.ledger.channel import Channel
from assigntask.ledger.ledger import Ledger, LedgerEntry
from assigntask.ledger.subjects import SubjectKeys
from assigntask.people import people as people_rows
from assigntask.tasks.facts import TaskFacts
from assigntask_sdk.details import DETAILS
from assigntask_sdk.errors import TryLater
from assigntask_sdk.records import Status

if TYPE_CHECKING:
    from core.tests.conftest import MovableClock, World

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
TASK = frozenset(name for name in DETAILS if name.startswith("task."))
SUMMARY = frozenset({"task.summary"})
WORK = ("tasks:read", "tasks:people", "tasks:departments", "people:name")


def task(**fields: object) -> TaskFacts:
    plain = TaskFacts(
        id=new_id(),
        version=1,
        number=1,
        project=new_id(),
        summary="Mend the net",
        description="",
        type=None,
        status=Status(new_id(), "To do"),
        labels=(),
        start=None,
        due=None,
        created=NOW,
        updated=NOW,
        done=None,
        archived=False,
        checklists=(),
        assignees=(),
        creator=None,
        position=1.0,
        unchecked_by=(),
    )
    return replace(plain, **fields)  # type: ignore[arg-type]  # the fields of one test each


async def entries(ledger: Ledger, world: World) -> list[LedgerEntry]:
    return await ledger.given(world.organisation_id)


async def test_the_same_release_twice_in_a_day_is_one_entry(gate: Gate, ledger: Ledger, world: World) -> None:
    grant = await world.grant(await world.install(WORK))
    slots = {"task": Slot(task())}
    async with asyncio.timeout(10):
        first = await gate.release(grant, TASK, slots, channel=Channel.QUESTION)
        again = await gate.release(grant, TASK, slots, channel=Channel.API)
    assert again.values["task"] == first.values["task"]
    assert again.entry_id is None
    assert [entry.id for entry in await entries(ledger, world)] == [first.entry_id]


async def test_a_release_may_follow_another_at_once(gate: Gate, ledger: Ledger, world: World) -> None:
    """The second one is asked for before the loop has had time for anything else."""
    grant = await world.grant(await world.install(WORK))
    async with asyncio.timeout(20):
        for _ in range(5):
            await gate.release(grant, TASK, {"task": Slot(task())}, channel=Channel.QUESTION)
    assert len(await entries(ledger, world)) == 5


async def test_a_changed_version_is_a_new_entry(gate: Gate, ledger: Ledger, world: World) -> None:
    grant = await world.grant(await world.install(WORK))
    facts = task()
    for version in (1, 2, 2):
        await gate.release(grant, TASK, {"task": Slot(replace(facts, version=version))}, channel=Channel.QUESTION)
    assert [entry.records for entry in await entries(ledger, world)] == [
        (("task", facts.id, 1),),
        (("task", facts.id, 2),),
    ]


async def test_each_day_has_its_own_entry(gate: Gate, ledger: Ledger, world: World, clock: MovableClock) -> None:
    grant = await world.grant(await world.install(WORK))
    slots = {"task": Slot(task())}
    for hours in (0, 14.99, 0.01, 1):  # 09:00, 23:59:24, 00:00, 01:00
        clock.advance(hours=hours)
        await gate.release(grant, TASK, slots, channel=Channel.QUESTION)
    assert [entry.at.day for entry in await entries(ledger, world)] == [2, 3]


async def test_more_details_are_a_new_entry_and_fewer_are_not(gate: Gate, ledger: Ledger, world: World) -> None:
    grant = await world.grant(await world.install(WORK))
    slots = {"task": Slot(task())}
    for needs in (SUMMARY, SUMMARY | {"task.due"}, SUMMARY, frozenset({"task.due"})):
        await gate.release(grant, needs, slots, channel=Channel.QUESTION)
    assert [entry.details for entry in await entries(ledger, world)] == [
        ("task.summary",),
        ("task.due", "task.summary"),
    ]


async def test_details_recorded_one_after_the_other_are_known_together(
    gate: Gate, ledger: Ledger, world: World
) -> None:
    grant = await world.grant(await world.install(WORK))
    slots = {"task": Slot(task())}
    for needs in (SUMMARY, frozenset({"task.due"}), SUMMARY | {"task.due"}):
        await gate.release(grant, needs, slots, channel=Channel.QUESTION)
    assert [entry.details for entry in await entries(ledger, world)] == [("task.summary",), ("task.due",)]


async def test_a_draft_is_recorded_each_time_and_stands_for_nothing_that_is_saved(
    gate: Gate, ledger: Ledger, world: World
) -> None:
    """Its version is that of what was saved before, so it says nothing about what was passed."""
    grant = await world.grant(await world.install(WORK))
    facts = task()
    for draft in (True, True, False, False, True):
        slot = Slot(replace(facts, summary=new_id() if draft else "Saved"), draft=draft)
        released = await gate.release(grant, TASK, {"task": slot}, channel=Channel.QUESTION)
        assert released.values["task"].summary == slot.facts.summary  # type: ignore[union-attr]
    assert len(await entries(ledger, world)) == 4


async def test_each_installation_has_its_own_entry(gate: Gate, ledger: Ledger, world: World) -> None:
    slots = {"task": Slot(task())}
    for _ in range(2):
        grant = await world.grant(await world.install(WORK))
        await gate.release(grant, TASK, slots, channel=Channel.QUESTION)
    assert len({entry.installation for entry in await entries(ledger, world)}) == 2


async def test_a_person_known_by_a_new_id_is_a_new_entry(gate: Gate, ledger: Ledger, world: World) -> None:
    person = await world.person()
    installation = await world.install(("people:name",))
    needs, slots = frozenset({"person.name"}), {"person": Slot(person)}
    before = await gate.release(await world.grant(installation), needs, slots, channel=Channel.API)
    await world.generation(person.id, await world.app_of(installation), 1)
    after = await gate.release(await world.grant(installation), needs, slots, channel=Channel.API)
    assert before.values["person"].id != after.values["person"].id
    found = await entries(ledger, world)
    assert [entry.records for entry in found] == [(("person", person.id, person.version),)] * 2
    refs = {stored.body()["subjects"][0] for stored in await world.db.read(rows.find, world.organisation_id)}
    assert len(refs) == 2, "the two ids must not be told to be the same person's"


async def test_a_place_that_tells_something_is_recorded_though_the_record_is_known(
    gate: Gate, ledger: Ledger, world: World
) -> None:
    person = await world.person()
    grant = await world.grant(await world.install(("people:name", "viewer:change")))
    needs = frozenset({"person.name", "viewer.change"})
    await gate.release(grant, needs, {"person": Slot(person)}, channel=Channel.API)
    for _ in range(2):
        await gate.release(grant, needs, {"by": Slot(person, detail="viewer.change")}, channel=Channel.NOTICE)
    assert [entry.details for entry in await entries(ledger, world)] == [
        ("person.name",),
        ("person.name", "viewer.change"),
    ]


async def test_a_count_by_department_is_recorded_anew_when_a_person_moves(
    gate: Gate, ledger: Ledger, world: World, database: Database
) -> None:
    person = await world.person(department="Rigging")
    installation = await world.install(("tasks:departments",))
    needs, slots = frozenset({"task.departments"}), {"task": Slot(task(assignees=(person.id,)))}
    seen = []
    for department in ("Rigging", "Sails", None):
        await database.write(people_rows.set_department, world.organisation_id, person.id, department)
        released = await gate.release(await world.grant(installation), needs, slots, channel=Channel.QUESTION)
        seen.append([count.department for count in released.values["task"].departments])
    assert seen == [["Rigging"], ["Sails"], []]
    found = await entries(ledger, world)
    assert len(found) == 3
    assert all(entry.subjects == (person.id,) for entry in found)


@pytest.mark.parametrize("size", [1, 3])
async def test_what_was_evicted_costs_an_entry_and_loses_none(
    database: Database, ledger: Ledger, world: World, clock: MovableClock, size: int
) -> None:
    gate = Gate(database, ledger, clock, memory=Memory(size))
    grant = await world.grant(await world.install(WORK))
    tasks = [task() for _ in range(4)]
    for facts in (*tasks, *tasks):
        released = await gate.release(grant, TASK, {"task": Slot(facts)}, channel=Channel.QUESTION)
        assert released.entry_id is not None
    assert len(await entries(ledger, world)) == 8


async def test_another_process_knows_nothing_and_records_again(
    database: Database, ledger: Ledger, world: World, clock: MovableClock
) -> None:
    grant = await world.grant(await world.install(WORK))
    slots = {"task": Slot(task())}
    for _ in range(2):
        await Gate(database, ledger, clock).release(grant, TASK, slots, channel=Channel.QUESTION)
    assert len(await entries(ledger, world)) == 2


async def test_releases_at_once_each_have_a_durable_entry_when_they_return(
    database: Database, database_url: str, gate: Gate, world: World
) -> None:
    grant = await world.grant(await world.install(WORK))
    slots = {"task": Slot(task())}
    async with Database.open(database_url) as elsewhere:

        async def release() -> str:
            released = await gate.release(grant, TASK, slots, channel=Channel.QUESTION)
            query = sa.select(t.ledger_entry.c.id).where(
                t.ledger_entry.c.organisation_id == world.organisation_id, t.ledger_entry.c.id == released.entry_id
            )
            found = await elsewhere.read(lambda conn: conn.execute(query).scalar())
            assert found is not None, "returned before its entry was committed"
            return str(found)

        async with asyncio.timeout(20):
            ids = await asyncio.gather(*(release() for _ in range(8)))
    assert len(set(ids)) == 8


async def test_many_releases_at_once_share_commits_and_lose_nothing(gate: Gate, ledger: Ledger, world: World) -> None:
    grant = await world.grant(await world.install(WORK))
    tasks = [task() for _ in range(200)]
    async with asyncio.timeout(30):
        await asyncio.gather(
            *(gate.release(grant, SUMMARY, {"task": Slot(facts)}, channel=Channel.API) for facts in tasks)
        )
    recorded = {record[1] for entry in await entries(ledger, world) for record in entry.records}
    assert recorded == {facts.id for facts in tasks}


REFUSING_INSERT = {
    "sqlite": ["CREATE TRIGGER refuse BEFORE INSERT ON ledger_entry BEGIN SELECT RAISE(ABORT, 'full'); END"],
    "postgresql": ["ALTER TABLE ledger_entry ADD CONSTRAINT refuse CHECK (kind = '') NOT VALID"],
}
ALLOWING_INSERT = {
    "sqlite": ["DROP TRIGGER refuse"],
    "postgresql": ["ALTER TABLE ledger_entry DROP CONSTRAINT refuse"],
}
# A row whose foreign key is checked at COMMIT only: the insert itself goes well.
DOOM = "CREATE TABLE doom (x VARCHAR(36) REFERENCES organisation(id) DEFERRABLE INITIALLY DEFERRED)"
REFUSING_COMMIT = {
    "sqlite": [
        DOOM,
        "CREATE TRIGGER refuse AFTER INSERT ON ledger_entry BEGIN INSERT INTO doom VALUES ('nobody'); END",
    ],
    "postgresql": [
        DOOM,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO doom VALUES ('nobody'); RETURN NEW; END $$",
        "CREATE TRIGGER refuse AFTER INSERT ON ledger_entry FOR EACH ROW EXECUTE FUNCTION refuse()",
    ],
}
ALLOWING_COMMIT = {"sqlite": ["DROP TRIGGER refuse"], "postgresql": ["DROP TRIGGER refuse ON ledger_entry"]}


@pytest.mark.parametrize(
    ("refusing", "allowing"),
    [(REFUSING_INSERT, ALLOWING_INSERT), (REFUSING_COMMIT, ALLOWING_COMMIT)],
    ids=["insert", "commit"],
)
async def test_what_can_not_be_recorded_is_not_released_and_not_remembered(
    database: Database,
    gate: Gate,
    ledger: Ledger,
    world: World,
    refusing: dict[str, list[str]],
    allowing: dict[str, list[str]],
) -> None:
    async def run(statements: list[str]) -> None:
        for statement in statements:
            await database.write(lambda conn, text=statement: conn.execute(sa.text(text)))  # type: ignore[misc]

    grant = await world.grant(await world.install(WORK))
    slots = {"task": Slot(task())}
    await run(refusing[database.dialect])
    for _ in range(2):
        with pytest.raises(sa.exc.SQLAlchemyError):
            await gate.release(grant, TASK, slots, channel=Channel.QUESTION)
    assert await entries(ledger, world) == []
    await run(allowing[database.dialect])
    released = await gate.release(grant, TASK, slots, channel=Channel.QUESTION)
    assert [entry.id for entry in await entries(ledger, world)] == [released.entry_id]


async def test_a_person_forgotten_in_the_middle_of_a_release_is_not_released(
    gate: Gate, ledger: Ledger, world: World, subject_keys: SubjectKeys
) -> None:
    """Their key is gone, so nothing could be recorded about them."""
    person = await world.person()
    grant = await world.grant(await world.install(("people:name",)))
    subject_keys.destroy(person.subject_id)
    with pytest.raises(TryLater):
        await gate.release(grant, frozenset({"person.name"}), {"person": Slot(person)}, channel=Channel.API)
    assert await entries(ledger, world) == []
