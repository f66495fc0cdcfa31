"""An app's storage on both databases: what it keeps, in which order it is read, and what conflicts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from assigntask.context.storage import InstallationStore
from assigntask.stores import rows as store_rows
from assigntask_sdk.errors import Conflict, Invalid
from assigntask_sdk.storage import MAX_COMMIT, MAX_OPERATIONS, MAX_VALUE, PAGE, Delete, Operation, Put, Value


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


async def test_a_commit_with_one_thing_that_can_not_be_stored_writes_nothing(store: InstallationStore) -> None:
    with pytest.raises(Invalid):
        await store.commit(Put("good", 1), Put("bad", float("nan")))
    assert await contents(store) == []


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


async def test_scan_reads_large_values_in_pages_of_bounded_size(shelf: Any) -> None:
    store = shelf.store
    for n in range(20):
        await store.commit(Put(f"{n:02}", bytes([n]) * MAX_VALUE))
    owner = store_rows.Owner(shelf.place.organisation, shelf.place.installation)
    _, found, more = await shelf.db.read(store_rows.page, owner, b"", b"", PAGE)
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
