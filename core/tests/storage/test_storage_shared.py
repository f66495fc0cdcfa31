"""Storage where others come in: other organisations, wipes, forgotten people, and many writers at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.context.storage import InstallationStore
from assigntask.db import tables as t
from assigntask.stores import rows as store_rows
from assigntask_sdk.errors import Conflict, Gone, Invalid, NotFound
from assigntask_sdk.storage import Delete, Put, Value


async def contents(store: Any, prefix: str = "", after: str = "") -> list[tuple[str, Value]]:
    return [(key, entry.value) async for key, entry in store.scan(prefix, after)]


async def test_stores_of_installation_task_and_person_are_apart(shelf: Any) -> None:
    store = shelf.store
    await store.commit(Put("k", "own"))
    await store.task(shelf.place.task).commit(Put("k", "task"))
    await store.person(shelf.place.person).commit(Put("k", "person"))
    for one, expected in (
        (store, "own"),
        (store.task(shelf.place.task), "task"),
        (store.person(shelf.place.person), "person"),
    ):
        assert await contents(one) == [("k", expected)]
    assert await shelf.used() == await shelf.counted() > 0


async def test_two_organisations_and_their_apps_never_meet(shelf: Any) -> None:
    store = shelf.store
    southern = await shelf.elsewhere("south")
    other, south = southern.store, southern.place
    await store.commit(Put("k", "north"))
    await other.commit(Put("k", "south"))
    assert await contents(store) == [("k", "north")]
    assert await contents(other) == [("k", "south")]
    for crossing in (store.task(south.task), store.person(south.person)):
        with pytest.raises(NotFound):
            await crossing.get("k")
        with pytest.raises(NotFound):
            await crossing.commit(Put("k", 1))
    mixed = InstallationStore(
        shelf.db, shelf.sealing, organisation_id=shelf.place.organisation, installation_id=south.installation
    )
    assert await mixed.get("k") is None
    with pytest.raises(Gone):
        await mixed.commit(Put("k", "stolen"))
    await shelf.db.write(store_rows.wipe_installation, south.organisation, south.installation)
    assert await contents(store) == [("k", "north")]


async def test_a_persons_values_are_sealed_and_bound_to_their_row(shelf: Any) -> None:
    store = shelf.store
    theirs = store.person(shelf.place.person)
    await theirs.commit(Put("k", "a secret"), Put("other", b"a secret"))
    assert all(b"secret" not in value for value in await shelf.raw("person"))
    assert dict(await contents(theirs)) == {"k": "a secret", "other": b"a secret"}

    def swap(conn: sa.Connection) -> None:
        k, other = (
            conn.execute(sa.select(t.store.c.value).where(t.store.c.key == key)).scalar_one()
            for key in (b"k", b"other")
        )
        for key, value in ((b"k", other), (b"other", k)):
            conn.execute(sa.update(t.store).where(t.store.c.key == key).values(value=value))

    await shelf.db.write(swap)
    with pytest.raises(Exception, match="belongs to another row"):
        await theirs.get("k")


async def test_what_a_forgotten_person_had_can_not_be_read_or_added_to(shelf: Any) -> None:
    store = shelf.store
    theirs = store.person(shelf.place.person)
    await theirs.commit(Put("k", 1))
    shelf.sealing.destroy(shelf.place.subject)
    with pytest.raises(Gone):
        await theirs.get("k")
    with pytest.raises(Gone):
        await theirs.commit(Put("k", 2))

    def forget(conn: sa.Connection) -> None:
        store_rows.wipe_person(conn, shelf.place.organisation, shelf.place.person)
        conn.execute(sa.update(t.person).where(t.person.c.id == shelf.place.person).values(state="forgotten"))

    await shelf.db.write(forget)
    with pytest.raises(NotFound):
        await theirs.get("k")
    with pytest.raises(NotFound):
        await theirs.commit(Put("k", 2))
    assert await shelf.raw("person") == []
    assert await shelf.used() == 0


async def test_wiping_a_task_frees_what_it_held_and_nothing_else(shelf: Any) -> None:
    store = shelf.store
    await store.commit(Put("k", "own"))
    before = await shelf.used()
    await store.task(shelf.place.task).commit(Put("a", "x" * 1000), Put("b", "y"))
    await shelf.db.write(store_rows.wipe_task, shelf.place.organisation, shelf.place.task)
    assert await contents(store.task(shelf.place.task)) == []
    assert await shelf.used() == before == await shelf.counted()


async def test_a_wiped_installation_keeps_nothing_and_takes_nothing(shelf: Any) -> None:
    store = shelf.store
    await store.commit(Put("k", 1))
    await store.person(shelf.place.person).commit(Put("k", 1))

    def wipe(conn: sa.Connection) -> None:
        conn.execute(
            sa.update(t.installation).where(t.installation.c.id == shelf.place.installation).values(state="wiped")
        )
        store_rows.wipe_installation(conn, shelf.place.organisation, shelf.place.installation)

    await shelf.db.write(wipe)
    assert await shelf.counted() == await shelf.used() == 0
    with pytest.raises(Gone):
        await store.commit(Put("k", 2))
    assert await contents(store) == []


async def test_the_installations_limit_holds_to_the_byte_and_shrinking_is_always_allowed(shelf: Any) -> None:
    store = shelf.open(limit=100)
    await store.commit(Put("a", b"x" * 49), Put("b", b"x" * 49))
    assert await shelf.used() == 100
    with pytest.raises(Invalid) as caught:
        await store.commit(Put("a", b"x" * 50))
    assert "storage" in caught.value.fields
    with pytest.raises(Invalid):
        await store.task(shelf.place.task).commit(Put("c", b""))
    lowered = shelf.open(limit=10)
    await lowered.commit(Put("a", b"x" * 40))
    await lowered.commit(Delete("b"))
    assert await shelf.used() == 41 == await shelf.counted()


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


async def test_a_counter_raised_by_many_at_once_loses_nothing(shelf: Any) -> None:
    store = shelf.store

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
    assert await shelf.used() == await shelf.counted()


async def test_usage_is_exact_when_many_commit_and_wipe_at_once(shelf: Any) -> None:
    store = shelf.open(limit=2000)

    async def work(n: int) -> None:
        for m in range(8):
            target = (store, store.task(shelf.place.task), store.person(shelf.place.person))[m % 3]
            try:
                await target.commit(Put(f"{n}", b"x" * (m * 50)), Delete(f"{n - 1}"))
            except Invalid as full:
                assert list(full.fields) == ["storage"]
            if m == 5:
                await shelf.db.write(store_rows.wipe_task, shelf.place.organisation, shelf.place.task)
                await shelf.db.write(store_rows.wipe_person, shelf.place.organisation, shelf.place.person)
            assert await shelf.used() <= 2000

    await asyncio.gather(*(work(n) for n in range(8)))
    assert await shelf.used() == await shelf.counted()
