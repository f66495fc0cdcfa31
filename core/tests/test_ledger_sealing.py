"""Sealing gives every entry its place once, whoever seals, and signs what the tree then is."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from assigntask.db import Database, new_id
from assigntask.db import tables as t
from assigntask.errors import HostError
from assigntask.ledger import checkpoint, rows, sealing, tree, verification
from assigntask.ledger.channel import Channel
from assigntask.ledger.entry import Disclosure, Recipient, RecordSeen
from assigntask.ledger.keys import KeyRing
from assigntask.ledger.ledger import Ledger

if TYPE_CHECKING:
    from core.tests.conftest import MovableClock, World

SEALER = """
import asyncio, datetime as dt, sys
from pathlib import Path
from assigntask.db import Database
from assigntask.ledger.keys import KeyRing
from assigntask.ledger.ledger import Ledger
from assigntask.ledger.subjects import SubjectKeys

url, folder, side, organisation_id = sys.argv[1:]

async def main():
    keys = KeyRing.open(Path(folder), {}, create=False)
    subjects = SubjectKeys(side, keys)
    async with Database.open(url) as db:
        ledger = Ledger(db, keys, subjects, lambda: dt.datetime.now(dt.UTC))
        print("ready", flush=True)
        sys.stdin.readline()
        print(await ledger.seal(organisation_id), flush=True)
        await ledger.close()
    subjects.close()

asyncio.run(main())
"""


def disclosure(organisation_id: str) -> Disclosure:
    return Disclosure(
        organisation_id=organisation_id,
        recipient=Recipient(new_id(), "log", "Quay", 1, "trusted"),
        channel=Channel.API,
        actor="installation",
        actor_subject=None,
        details=frozenset({"task.summary"}),
        records=[RecordSeen("task", new_id(), 1)],
        subjects=[],
    )


async def record(ledger: Ledger, organisation_id: str, number: int) -> list[str]:
    made = (ledger.record(disclosure(organisation_id)) for _ in range(number))
    return list(await asyncio.gather(*made))


async def places(db: Database, organisation_id: str) -> list[int | None]:
    query = sa.select(t.ledger_entry.c.leaf_index).where(t.ledger_entry.c.organisation_id == organisation_id)
    return [index for (index,) in await db.read(lambda conn: conn.execute(query.order_by(t.ledger_entry.c.row)).all())]


async def test_each_entry_gets_its_place_in_the_order_of_arrival(world: World, ledger: Ledger) -> None:
    organisation_id = world.organisation_id
    await record(ledger, organisation_id, 3)
    assert await places(world.db, organisation_id) == [None] * 3
    assert await ledger.seal(organisation_id) == 3
    assert await places(world.db, organisation_id) == [0, 1, 2]
    assert await ledger.seal(organisation_id) == 0
    await record(ledger, organisation_id, 4)
    assert await ledger.seal(organisation_id) == 4
    assert await places(world.db, organisation_id) == list(range(7))


async def test_the_tree_is_the_one_over_the_leaves(world: World, ledger: Ledger, keys: KeyRing) -> None:
    organisation_id = world.organisation_id
    for number in (1, 4, 2):
        await record(ledger, organisation_id, number)
        note = await ledger.checkpoint(organisation_id)
    leaves = [entry.leaf.encode() for entry in await world.db.read(rows.sealed_page, organisation_id, -1)]
    head = checkpoint.verify(note, keys.verifiers(sealing.origin_of(organisation_id)))
    assert (head.origin, head.size) == (f"assigntask/{organisation_id}", 7)
    assert head.root == tree.root(tree.leaf_hash(leaf) for leaf in leaves)

    def prove(conn: sa.Connection) -> None:
        stored = tree.Tree(sealing.StoredNodes(conn, organisation_id), 7)
        for index, leaf in enumerate(leaves):
            proof = stored.inclusion_proof(index)
            tree.verify_inclusion(leaf=tree.leaf_hash(leaf), index=index, size=7, proof=proof, root=head.root)

    await world.db.read(prove)


async def test_more_than_a_batch_is_sealed_in_several(
    world: World, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "BATCH", 3)
    await record(ledger, world.organisation_id, 8)
    assert await ledger.seal(world.organisation_id) == 8
    verified = await ledger.verify(world.organisation_id)
    assert (verified.size, verified.checkpoints, verified.fault) == (8, 3, None)


async def test_every_checkpoint_is_kept_and_says_when(world: World, ledger: Ledger, clock: MovableClock) -> None:
    for _ in range(2):
        clock.advance(seconds=30)
        await record(ledger, world.organisation_id, 2)
        await ledger.seal(world.organisation_id)
    query = sa.select(t.checkpoint.c.size, t.checkpoint.c.at).where(
        t.checkpoint.c.organisation_id == world.organisation_id
    )
    found = await world.db.read(lambda conn: conn.execute(query.order_by(t.checkpoint.c.size)).all())
    assert [row.size for row in found] == [2, 4]
    assert [row.at for row in found][1] == clock()


async def test_a_checkpoint_of_nothing_is_refused(world: World, ledger: Ledger) -> None:
    with pytest.raises(HostError) as refused:
        await ledger.checkpoint(world.organisation_id)
    assert refused.value.code == "ledger_empty"


async def test_each_organisation_has_a_tree_of_its_own(world: World, ledger: Ledger) -> None:
    first = world.organisation_id
    second = await world.organisation()
    await record(ledger, first, 3)
    await record(ledger, second, 2)
    assert await ledger.seal() == 5
    assert await places(world.db, first) == [0, 1, 2]
    assert await places(world.db, second) == [0, 1]
    assert await ledger.seal() == 0


async def test_what_is_recorded_while_it_is_sealed_is_sealed_once(world: World, ledger: Ledger) -> None:
    organisation_id = world.organisation_id
    total = 0

    async def seal() -> int:
        sealed = 0
        while await places(world.db, organisation_id) != list(range(120)):
            sealed += await ledger.seal(organisation_id)
            verified = await ledger.verify(organisation_id)
            assert verified.fault is None, verified.fault
        return sealed

    async with asyncio.timeout(60):
        sealers = [asyncio.create_task(seal()) for _ in range(2)]
        for _ in range(12):
            await record(ledger, organisation_id, 10)
        total = sum(await asyncio.gather(*sealers))
    assert total == 120


async def test_verifying_sees_one_moment_though_more_is_sealed_meanwhile(
    world: World, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    organisation_id = world.organisation_id
    await record(ledger, organisation_id, 3)
    await ledger.seal(organisation_id)
    await record(ledger, organisation_id, 2)
    loop, read_checkpoints = asyncio.get_running_loop(), verification._checkpoints

    def slowly(*arguments: Any) -> Any:
        found = read_checkpoints(*arguments)
        assert asyncio.run_coroutine_threadsafe(ledger.seal(organisation_id), loop).result(20) == 2
        return found

    monkeypatch.setattr(verification, "_checkpoints", slowly)
    verified = await ledger.verify(organisation_id)
    assert (verified.size, verified.unsealed, verified.fault) == (3, 2, None)


async def test_processes_that_seal_at_once_give_each_entry_one_place(
    world: World, ledger: Ledger, database_url: str, tmp_path: Path
) -> None:
    side = f"sqlite:///{tmp_path / 'subjects.db'}"
    arguments = [database_url, str(tmp_path / "keys"), side, world.organisation_id]
    pipe = asyncio.subprocess.PIPE
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", SEALER, *arguments, stdin=pipe, stdout=pipe)
        for _ in range(4)
    ]
    await record(ledger, world.organisation_id, 400)
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    answers = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0] * 4
    assert sum(int(out) for out, _ in answers) == 400
    assert sorted(index or 0 for index in await places(world.db, world.organisation_id)) == list(range(400))
    verified = await ledger.verify(world.organisation_id)
    assert (verified.size, verified.fault) == (400, None)


@pytest.mark.parametrize("lost", ["checkpoints", "nodes"])
async def test_a_damaged_tree_is_not_continued_and_keeps_nobody_else_waiting(
    world: World, ledger: Ledger, lost: str
) -> None:
    damaged, sound = sorted([world.organisation_id, await world.organisation()])
    for organisation_id in (damaged, sound):
        await record(ledger, organisation_id, 3)
    await ledger.seal()
    table = t.checkpoint if lost == "checkpoints" else t.tree_node
    await world.db.write(lambda conn: conn.execute(sa.delete(table).where(table.c.organisation_id == damaged)))
    for organisation_id in (damaged, sound):
        await record(ledger, organisation_id, 1)
    with pytest.raises(HostError) as refused:
        await ledger.seal()
    assert refused.value.code == "ledger_damaged"
    assert await places(world.db, damaged) == [0, 1, 2, None]
    assert await places(world.db, sound) == [0, 1, 2, 3]
