"""An app's storage on both databases: what it keeps, refuses, wipes, and what two writers at once may do."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.context import store_rows
from assigntask.context.storage import InstallationStore
from assigntask.db import Database, new_id
from assigntask.db import tables as t
from assigntask.ledger.keys import KeyRing
from assigntask.ledger.subjects import SubjectKeys
from assigntask_sdk.errors import Conflict, Gone, Invalid, NotFound
from assigntask_sdk.storage import MAX_COMMIT, MAX_OPERATIONS, MAX_VALUE, PAGE, Delete, Operation, Put, Value

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Place:
    """One organisation with a person, a task and an installed app."""

    organisation: str
    installation: str
    person: str
    subject: str
    task: str


def furnish(conn: sa.Connection, name: str) -> Place:
    organisation, person, subject, project = new_id(), new_id(), new_id(), new_id()
    status, task, installation = new_id(), new_id(), new_id()
    ours = {"organisation_id": organisation}
    conn.execute(
        sa.insert(t.organisation).values(id=organisation, name=name, time_zone="UTC", policy={}, created_at=NOW)
    )
    conn.execute(sa.insert(t.person).values(**ours, id=person, subject_id=subject, name="Ada", created_at=NOW))
    conn.execute(sa.insert(t.project).values(**ours, id=project, name="Bridge", created_at=NOW))
    conn.execute(sa.insert(t.status).values(**ours, id=status, project_id=project, name="Doing", position=1.0))
    conn.execute(
        sa.insert(t.task).values(
            **ours,
            id=task,
            project_id=project,
            number=1,
            summary="Draw it",
            status_id=status,
            unchecked_by=[],
            created_at=NOW,
            updated_at=NOW,
        )
    )
    conn.execute(
        sa.insert(t.app).values(id=f"app-{name}", vendor_name="Vendor", distribution="an-app", first_seen_at=NOW)
    )
    conn.execute(
        sa.insert(t.installation).values(
            **ours,
            id=installation,
            app_id=f"app-{name}",
            state="active",
            version="1.0.0",
            manifest_digest="sha256:0",
            scopes=[],
            declined=[],
            contacts={},
            settings={},
            credential=new_id(),
            ordinal=1,
            created_at=NOW,
            changed_at=NOW,
        )
    )
    return Place(organisation, installation, person, subject, task)


@pytest.fixture
def sealing(tmp_path: Path) -> Iterator[SubjectKeys]:
    keys = SubjectKeys(f"sqlite:///{tmp_path / 'subjects.db'}", KeyRing.open(tmp_path / "keys", {}))
    yield keys
    keys.close()


@pytest.fixture
async def place(database: Database) -> Place:
    return await database.write(furnish, "north")


def open_store(database: Database, sealing: SubjectKeys, place: Place, **options: Any) -> InstallationStore:
    return InstallationStore(
        database, sealing, organisation_id=place.organisation, installation_id=place.installation, **options
    )


@pytest.fixture
def store(database: Database, sealing: SubjectKeys, place: Place) -> InstallationStore:
    return open_store(database, sealing, place)


async def used(database: Database, place: Place) -> int:
    def read(conn: sa.Connection) -> int:
        statement = sa.select(t.store_usage.c.bytes).where(t.store_usage.c.installation_id == place.installation)
        return int(conn.execute(statement).scalar_one())

    return await database.read(read)


async def counted(database: Database, place: Place) -> int:
    def read(conn: sa.Connection) -> int:
        statement = sa.select(sa.func.coalesce(sa.func.sum(t.store.c.size), 0))
        return int(conn.execute(statement.where(t.store.c.installation_id == place.installation)).scalar_one())

    return await database.read(read)


async def contents(store: Any, prefix: str = "", after: str = "") -> list[tuple[str, Value]]:
    return [(key, entry.value) async for key, entry in store.scan(prefix, after)]


@pytest.mark.parametrize(
    "value", [None, True, 0, 1.5, "Grüße 🌉", ["a", {"b": None}], {"": [1]}, b"", b"\x00\xff", "\x00"], ids=repr
)
async def test_a_value_comes_back_as_it_was(store: InstallationStore, value: Value) -> None:
    await store.commit(Put("k", value))
    entry = await store.get("k")
    assert entry is not None
    assert entry.value == value
    assert type(entry.value) is type(value)


async def test_an_absent_key_is_none_and_left_out_of_many(store: InstallationStore) -> None:
    await store.commit(Put("here", 1))
    assert await store.get("absent") is None
    assert list(await store.get_many(["here", "absent"])) == ["here"]


async def test_versions_rise_and_never_repeat_even_after_a_delete(store: InstallationStore) -> None:
    seen = []
    for _ in range(3):
        await store.commit(Put("k", "x"), Put("other", "y"))
        entries = await store.get_many(["k", "other"])
        seen += [entries["k"].version, entries["other"].version]
        await store.commit(Delete("k"))
    assert seen == sorted(set(seen))
    assert min(seen) > 0


async def test_a_conflict_names_every_conflicting_key_and_writes_nothing(store: InstallationStore) -> None:
    await store.commit(Put("a", 1), Put("b", 1))
    version = (await store.get_many(["a"]))["a"].version
    with pytest.raises(Conflict) as caught:
        await store.commit(
            Put("a", 2, if_version=version),
            Put("b", 2, if_version=0),
            Delete("c", if_version=7),
            Put("d", 2, if_version=version + 99),
            Put("e", 2),
        )
    assert sorted(caught.value.keys) == ["b", "c", "d"]
    assert await contents(store) == [("a", 1), ("b", 1)]


async def test_if_version_zero_means_absent_and_a_read_version_means_unchanged(store: InstallationStore) -> None:
    await store.commit(Put("k", 1, if_version=0))
    first = await store.get("k")
    assert first is not None
    await store.commit(Put("k", 2, if_version=first.version))
    with pytest.raises(Conflict):
        await store.commit(Delete("k", if_version=first.version))
    second = await store.get("k")
    assert second is not None
    await store.commit(Delete("k", if_version=second.version))
    await store.commit(Delete("k", if_version=0), Delete("never"))
    assert await store.get("k") is None


@pytest.mark.parametrize(
    ("operations", "field"),
    [
        ([Put("", 1)], ""),
        ([Put("k" * 513, 1)], "k" * 513),
        ([Put("ä" * 257, 1)], "ä" * 257),
        ([Put("a\x00b", 1)], "a\x00b"),
        ([Put("a\ud800", 1)], "a\ud800"),
        ([Put("k", b"x" * (MAX_VALUE + 1))], "k"),
        ([Put("k", "x" * (MAX_VALUE - 1))], "k"),  # with its quotes one byte too long
        ([Put("k", float("nan"))], "k"),
        ([Put("k", {1, 2})], "k"),  # type: ignore[arg-type]
        ([Put("k", "\ud800")], "k"),
        ([Put("k", 1, if_version=-1)], "k"),
        ([Put("k", 1, if_version=True)], "k"),
        ([Put("k", 1), Delete("k")], "k"),
        ([Delete("")], ""),
        ([Put(7, 1)], "7"),  # type: ignore[arg-type]
        ([Put(f"k{n}", 1) for n in range(MAX_OPERATIONS + 1)], "operations"),
        ([Put(f"k{n}", b"x" * MAX_VALUE) for n in range(17)], "operations"),
        (["k"], "operations"),
    ],
)
async def test_what_can_not_be_stored_is_refused_by_name_and_nothing_is_written(
    store: InstallationStore, operations: list[Any], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await store.commit(Put("good", 1), *operations) if len(operations) < 3 else await store.commit(*operations)
    assert list(caught.value.fields) == [field]
    assert await contents(store) == []


async def test_a_value_nested_without_end_is_refused(store: InstallationStore) -> None:
    nested: Any = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(Invalid):
        await store.commit(Put("k", nested))


async def test_the_limits_themselves_are_allowed(store: InstallationStore) -> None:
    await store.commit(*(Put(f"k{n}", n) for n in range(MAX_OPERATIONS)))
    await store.commit(Put("k" * 512, b"x" * MAX_VALUE))
    assert len(await contents(store)) == MAX_OPERATIONS + 1
    with pytest.raises(Invalid):
        await store.get_many([f"k{n}" for n in range(1001)])
    assert len(await store.get_many([f"k{n}" for n in range(1000)])) == MAX_OPERATIONS


async def test_a_commit_of_nothing_does_nothing(store: InstallationStore) -> None:
    await store.commit()
    assert await contents(store) == []


async def test_scan_goes_in_code_point_order_within_a_prefix_from_behind_a_key(store: InstallationStore) -> None:
    keys = ["a", "a/", "a/1", "a/ä", "a/\uffff", "a/🌉", "a0", "b", "Z", "\U0010ffff", "\U0010ffff/x"]
    await store.commit(*(Put(key, key) for key in keys))
    assert [key for key, _ in await contents(store)] == sorted(keys)
    assert [key for key, _ in await contents(store, "a/")] == sorted(k for k in keys if k.startswith("a/"))
    assert [key for key, _ in await contents(store, "a/", "a/1")] == ["a/ä", "a/\uffff", "a/🌉"]
    assert [key for key, _ in await contents(store, "\U0010ffff")] == ["\U0010ffff", "\U0010ffff/x"]
    assert await contents(store, "nothing") == []
    with pytest.raises(Invalid):
        await contents(store, "\ud800")


async def test_scan_sees_every_key_that_stands_throughout_while_others_come_and_go(store: InstallationStore) -> None:
    for start in range(0, 2500, 500):
        await store.commit(*(Put(f"{n:05}", n) for n in range(start, start + 500)))
    seen = []
    async for key, _ in store.scan():
        seen.append(key)
        if len(seen) in (1, PAGE, 2 * PAGE):
            await store.commit(Delete(key), Put(f"{key}+", "new"), Put("00000-", "behind"))
    assert seen == sorted(set(seen))
    assert {f"{n:05}" for n in range(2500)} <= set(seen)


async def test_scan_reads_large_values_in_pages_of_bounded_size(
    store: InstallationStore, database: Database, place: Place
) -> None:
    for n in range(20):
        await store.commit(Put(f"{n:02}", bytes([n]) * MAX_VALUE))
    owner = store_rows.Owner(place.organisation, place.installation)
    _, found, more = await database.read(store_rows.page, owner, b"", b"", PAGE)
    assert sum(len(row.value) for row in found) <= MAX_COMMIT
    assert more
    assert [value[0] for _, value in await contents(store) if isinstance(value, bytes)] == list(range(20))


async def test_apply_takes_any_number_and_a_repeated_key_in_order(store: InstallationStore) -> None:
    async def stream() -> AsyncIterator[Operation]:
        for n in range(2 * MAX_OPERATIONS + 5):
            yield Put(f"{n:05}", n)
        for n in range(5):
            yield Put("00000", f"again {n}")
        yield Delete("00001")
        for n in range(20):
            yield Put(f"big {n:02}", b"x" * MAX_VALUE)

    await store.apply(stream())
    entries = dict(await contents(store))
    assert len(entries) == 2 * MAX_OPERATIONS + 5 - 1 + 20
    assert entries["00000"] == "again 4"


async def test_apply_keeps_the_chunks_before_the_one_that_fails(store: InstallationStore) -> None:
    async def stream() -> AsyncIterator[Operation]:
        for n in range(MAX_OPERATIONS):
            yield Put(f"{n:05}", n)
        yield Put("x", 1)
        yield Put("y", 1, if_version=5)

    with pytest.raises(Conflict):
        await store.apply(stream())
    assert len(await contents(store)) == MAX_OPERATIONS


async def test_stores_of_installation_task_and_person_are_apart(
    store: InstallationStore, place: Place, database: Database
) -> None:
    await store.commit(Put("k", "own"))
    await store.task(place.task).commit(Put("k", "task"))
    await store.person(place.person).commit(Put("k", "person"))
    for one, expected in ((store, "own"), (store.task(place.task), "task"), (store.person(place.person), "person")):
        assert await contents(one) == [("k", expected)]
    assert await used(database, place) == await counted(database, place) > 0


async def test_two_organisations_and_their_apps_never_meet(
    store: InstallationStore, database: Database, sealing: SubjectKeys, place: Place
) -> None:
    south = await database.write(furnish, "south")
    other = open_store(database, sealing, south)
    await store.commit(Put("k", "north"))
    await other.commit(Put("k", "south"))
    assert await contents(store) == [("k", "north")]
    assert await contents(other) == [("k", "south")]
    for crossing in (store.task(south.task), store.person(south.person)):
        with pytest.raises(NotFound):
            await crossing.get("k")
        with pytest.raises(NotFound):
            await crossing.commit(Put("k", 1))
    mixed = InstallationStore(database, sealing, organisation_id=place.organisation, installation_id=south.installation)
    assert await mixed.get("k") is None
    with pytest.raises(Gone):
        await mixed.commit(Put("k", "stolen"))
    await database.write(store_rows.wipe_installation, south.organisation, south.installation)
    assert await contents(store) == [("k", "north")]


async def raw_values(database: Database, kind: str) -> list[bytes]:
    def read(conn: sa.Connection) -> list[bytes]:
        return list(conn.execute(sa.select(t.store.c.value).where(t.store.c.owner_kind == kind)).scalars())

    return await database.read(read)


async def test_a_persons_values_are_sealed_and_bound_to_their_row(
    store: InstallationStore, database: Database, place: Place
) -> None:
    theirs = store.person(place.person)
    await theirs.commit(Put("k", "a secret"), Put("other", b"a secret"))
    assert all(b"secret" not in value for value in await raw_values(database, "person"))
    assert dict(await contents(theirs)) == {"k": "a secret", "other": b"a secret"}

    def swap(conn: sa.Connection) -> None:
        k, other = (
            conn.execute(sa.select(t.store.c.value).where(t.store.c.key == key)).scalar_one()
            for key in (b"k", b"other")
        )
        for key, value in ((b"k", other), (b"other", k)):
            conn.execute(sa.update(t.store).where(t.store.c.key == key).values(value=value))

    await database.write(swap)
    with pytest.raises(Exception, match="belongs to another row"):
        await theirs.get("k")


async def test_what_a_forgotten_person_had_can_not_be_read_or_added_to(
    store: InstallationStore, database: Database, sealing: SubjectKeys, place: Place
) -> None:
    theirs = store.person(place.person)
    await theirs.commit(Put("k", 1))
    sealing.destroy(place.subject)
    with pytest.raises(Gone):
        await theirs.get("k")
    with pytest.raises(Gone):
        await theirs.commit(Put("k", 2))

    def forget(conn: sa.Connection) -> None:
        store_rows.wipe_person(conn, place.organisation, place.person)
        conn.execute(sa.update(t.person).where(t.person.c.id == place.person).values(state="forgotten"))

    await database.write(forget)
    with pytest.raises(NotFound):
        await theirs.get("k")
    with pytest.raises(NotFound):
        await theirs.commit(Put("k", 2))
    assert await raw_values(database, "person") == []
    assert await used(database, place) == 0


async def test_wiping_a_task_frees_what_it_held_and_nothing_else(
    store: InstallationStore, database: Database, place: Place
) -> None:
    await store.commit(Put("k", "own"))
    before = await used(database, place)
    await store.task(place.task).commit(Put("a", "x" * 1000), Put("b", "y"))
    await database.write(store_rows.wipe_task, place.organisation, place.task)
    assert await contents(store.task(place.task)) == []
    assert await used(database, place) == before == await counted(database, place)


async def test_a_wiped_installation_keeps_nothing_and_takes_nothing(
    store: InstallationStore, database: Database, place: Place
) -> None:
    await store.commit(Put("k", 1))
    await store.person(place.person).commit(Put("k", 1))

    def wipe(conn: sa.Connection) -> None:
        conn.execute(sa.update(t.installation).where(t.installation.c.id == place.installation).values(state="wiped"))
        store_rows.wipe_installation(conn, place.organisation, place.installation)

    await database.write(wipe)
    assert await counted(database, place) == await used(database, place) == 0
    with pytest.raises(Gone):
        await store.commit(Put("k", 2))
    assert await contents(store) == []


async def test_the_installations_limit_holds_to_the_byte_and_shrinking_is_always_allowed(
    database: Database, sealing: SubjectKeys, place: Place
) -> None:
    store = open_store(database, sealing, place, limit=100)
    await store.commit(Put("a", b"x" * 49), Put("b", b"x" * 49))
    assert await used(database, place) == 100
    with pytest.raises(Invalid) as caught:
        await store.commit(Put("a", b"x" * 50))
    assert "storage" in caught.value.fields
    with pytest.raises(Invalid):
        await store.task(place.task).commit(Put("c", b""))
    lowered = open_store(database, sealing, place, limit=10)
    await lowered.commit(Put("a", b"x" * 40))
    await lowered.commit(Delete("b"))
    assert await used(database, place) == 41 == await counted(database, place)


async def test_of_writers_that_expect_the_same_version_exactly_one_wins(store: InstallationStore) -> None:
    await store.commit(Put("k", "start"))
    for _ in range(5):
        entry = await store.get("k")
        assert entry is not None
        outcomes = await asyncio.gather(
            *(store.commit(Put("k", n, if_version=entry.version), Put(f"by {n}", n)) for n in range(6)),
            return_exceptions=True,
        )
        lost = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
        assert len(lost) == 5
        assert outcomes.count(None) == 1
        winner = await store.get("k")
        assert winner is not None
        assert winner.value == outcomes.index(None)


async def test_a_counter_raised_by_many_at_once_loses_nothing(
    store: InstallationStore, database: Database, place: Place
) -> None:
    async def raise_it(times: int) -> None:
        for _ in range(times):
            while True:
                entry = await store.get("n")
                value = 0 if entry is None else entry.value
                assert isinstance(value, int)
                try:
                    await store.commit(Put("n", value + 1, if_version=0 if entry is None else entry.version))
                    break
                except Conflict:
                    continue

    await asyncio.gather(*(raise_it(10) for _ in range(5)))
    entry = await store.get("n")
    assert entry is not None
    assert entry.value == 50
    assert await used(database, place) == await counted(database, place)


async def test_usage_is_exact_when_many_commit_and_wipe_at_once(
    database: Database, sealing: SubjectKeys, place: Place
) -> None:
    store = open_store(database, sealing, place, limit=2000)

    async def work(n: int) -> None:
        for m in range(8):
            target = (store, store.task(place.task), store.person(place.person))[m % 3]
            try:
                await target.commit(Put(f"{n}", b"x" * (m * 50)), Delete(f"{n - 1}"))
            except Invalid as full:
                assert list(full.fields) == ["storage"]
            if m == 5:
                await database.write(store_rows.wipe_task, place.organisation, place.task)
                await database.write(store_rows.wipe_person, place.organisation, place.person)
            assert await used(database, place) <= 2000

    await asyncio.gather(*(work(n) for n in range(8)))
    assert await used(database, place) == await counted(database, place)
