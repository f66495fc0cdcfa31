"""What can be stored at all, and how a stream is cut into commits; no database is needed to know."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from assigntask.stores.plan import Present, chunks, decide, prepare
from assigntask_sdk.errors import Conflict, Invalid
from assigntask_sdk.storage import MAX_COMMIT, MAX_OPERATIONS, MAX_VALUE, Delete, Operation, Put


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


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
        ([Put("k", nested(100_000))], "k"),
    ],
)
def test_what_can_not_be_stored_is_refused_by_name(operations: list[Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        prepare(operations)
    assert list(caught.value.fields) == [field]


def test_every_fault_of_a_commit_is_named_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        prepare([Put("a", float("inf")), Put("good", 1), Put("b", b"", if_version=-1), Delete("good")])
    assert set(caught.value.fields) == {"a", "b", "good"}


def test_a_plan_counts_growth_and_numbers_only_what_it_puts() -> None:
    writes = prepare([Put("aa", b"xyz"), Delete("bb"), Delete("absent"), Put("cc", b"")])
    plan = decide(writes, {b"aa": Present(3, 10), b"bb": Present(4, 7)}, last_version=20)
    assert [(write.name, version) for write, version in plan.puts] == [("aa", 21), ("cc", 22)]
    assert plan.deletes == (b"bb",)
    assert plan.growth == (2 + 3) + 2 - 10 - 7


def test_a_conflict_names_every_key() -> None:
    writes = prepare([Put("a", 1, if_version=0), Put("b", 1, if_version=2), Delete("c", if_version=9), Put("d", 1)])
    with pytest.raises(Conflict) as caught:
        decide(writes, {b"a": Present(1, 1), b"b": Present(2, 1)}, 5)
    assert caught.value.keys == ["a", "c"]


async def test_chunks_keep_the_order_and_every_limit() -> None:
    async def stream() -> AsyncIterator[Operation]:
        for n in range(2500):
            yield Put(f"{n}", n)
        for n in range(40):
            yield Put(f"big {n}", b"x" * MAX_VALUE)
        for _ in range(3):
            yield Put("same", 1)

    cut = [chunk async for chunk in chunks(stream())]
    assert [operation async for operation in stream()] == [operation for chunk in cut for operation in chunk]
    for chunk in cut:
        writes = prepare(chunk)
        assert 0 < len(writes) <= MAX_OPERATIONS
        assert sum(write.size for write in writes) <= MAX_COMMIT
    assert len(cut) == 3 + 2 + 2
