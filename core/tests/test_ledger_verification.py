"""Whatever is done to the sealed ledger behind the host's back, verification finds it and names the first bad entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import Database
from assigntask.db import tables as t
from assigntask.errors import HostError
from assigntask.gate.gate import Gate, Slot
from assigntask.ledger import checkpoint as notes
from assigntask.ledger import rows, tree
from assigntask.ledger.channel import Channel
from assigntask.ledger.keys import KeyRing, Purpose
from assigntask.ledger.ledger import Ledger
from assigntask.ledger.sealing import origin_of
from assigntask.ledger.subjects import SubjectKeys
from assigntask.people.facts import PersonFacts

if TYPE_CHECKING:
    from core.tests.conftest import World

SEALED = (3, 7, 10)  # sizes at which it was signed
E, S, V, N, C = t.ledger_entry, t.ledger_subject, t.ledger_value, t.tree_node, t.checkpoint


@dataclass
class Book:
    """Ten sealed entries; entries 0 to 8 are releases about people, 9 is an act."""

    organisation_id: str
    ids: list[str]
    notes: list[str]
    people: list[PersonFacts]


@pytest.fixture
async def book(world: World, gate: Gate, ledger: Ledger) -> Book:
    organisation_id = world.organisation_id
    people = [await world.person() for _ in range(9)]
    installation = await world.install(["people:email", "people:name"])
    grant, needs = await world.grant(installation), frozenset({"person.email", "person.name"})
    signed = []
    for number, person in enumerate(people):
        await gate.release(grant, needs, {"person": Slot(person)}, channel=Channel.API)
        if number + 1 in SEALED:
            signed.append(await ledger.checkpoint(organisation_id))
    await world.db.write(lambda conn: ledger.act(conn, organisation_id, "restriction", subjects=people[:1]))
    signed.append(await ledger.checkpoint(organisation_id))
    sealed = await world.db.read(rows.sealed_page, organisation_id, -1)
    return Book(organisation_id, [entry.id for entry in sealed], signed, people)


Tampering = Callable[[Connection, Book], None]


def entry(book: Book, number: int, **values: Any) -> sa.Update:
    return sa.update(E).where(E.c.id == book.ids[number]).values(**values)


def leaf_of(conn: Connection, book: Book, number: int) -> str:
    return str(conn.execute(sa.select(E.c.leaf).where(E.c.id == book.ids[number])).scalar_one())


def byte_changed(conn: Connection, book: Book) -> None:
    conn.execute(entry(book, 4, leaf=leaf_of(conn, book, 4).replace("Quay", "Quaz")))


def leaf_emptied(conn: Connection, book: Book) -> None:
    conn.execute(entry(book, 4, leaf=""))


def row_removed(conn: Connection, book: Book) -> None:
    conn.execute(sa.delete(E).where(E.c.id == book.ids[3]))


def first_removed(conn: Connection, book: Book) -> None:
    conn.execute(sa.delete(E).where(E.c.id == book.ids[0]))


def place_taken_away(conn: Connection, book: Book) -> None:
    conn.execute(entry(book, 5, leaf_index=None))


def places_swapped(conn: Connection, book: Book) -> None:
    for number, place in ((2, None), (5, 2), (2, 5)):
        conn.execute(entry(book, number, leaf_index=place))


def leaves_swapped(conn: Connection, book: Book) -> None:
    first, second = leaf_of(conn, book, 2), leaf_of(conn, book, 5)
    conn.execute(entry(book, 2, leaf=second))
    conn.execute(entry(book, 5, leaf=first))


def tail_cut(conn: Connection, book: Book) -> None:
    conn.execute(sa.delete(E).where(E.c.leaf_index >= 8))


def tail_cut_with_checkpoints(conn: Connection, book: Book) -> None:
    conn.execute(sa.delete(E).where(E.c.leaf_index >= 7))
    conn.execute(sa.delete(C).where(C.c.size > 7))


def emptied_but_for_the_tree(conn: Connection, book: Book) -> None:
    conn.execute(sa.delete(E))
    conn.execute(sa.delete(C))


def app_changed(conn: Connection, book: Book) -> None:
    conn.execute(entry(book, 6, app_id="another"))


def installation_changed(conn: Connection, book: Book) -> None:
    conn.execute(entry(book, 6, installation_id=None))


def time_changed(conn: Connection, book: Book) -> None:
    at = conn.execute(sa.select(E.c.at).where(E.c.id == book.ids[6])).scalar_one()
    conn.execute(entry(book, 6, at=at.replace(microsecond=at.microsecond ^ 1)))


def kind_changed(conn: Connection, book: Book) -> None:
    conn.execute(entry(book, 6, kind="install"))


def channel_changed(conn: Connection, book: Book) -> None:
    conn.execute(entry(book, 6, channel="notice"))


def act_given_a_channel(conn: Connection, book: Book) -> None:
    conn.execute(entry(book, 9, channel="api"))


def subject_removed(conn: Connection, book: Book) -> None:
    conn.execute(sa.delete(S).where(S.c.entry_id == book.ids[6]))


def subject_added(conn: Connection, book: Book) -> None:
    row = {"organisation_id": book.organisation_id, "subject_ref": "0" * 32, "entry_id": book.ids[6]}
    conn.execute(sa.insert(S).values(**row))


def subject_changed(conn: Connection, book: Book) -> None:
    conn.execute(sa.update(S).where(S.c.entry_id == book.ids[6]).values(subject_ref="0" * 32))


def value_changed(conn: Connection, book: Book) -> None:
    where = (V.c.entry_id == book.ids[1], V.c.detail == "person.email")
    sealed = bytes(conn.execute(sa.select(V.c.sealed).where(*where)).scalar_one())
    conn.execute(sa.update(V).where(*where).values(sealed=sealed[:-1] + bytes([sealed[-1] ^ 1])))


def values_moved(conn: Connection, book: Book) -> None:
    details = ("person.email", "person.name")
    where = [(V.c.entry_id == book.ids[1], V.c.detail == detail) for detail in details]
    sealed = [bytes(conn.execute(sa.select(V.c.sealed).where(*each)).scalar_one()) for each in where]
    for each, other in zip(where, reversed(sealed), strict=True):
        conn.execute(sa.update(V).where(*each).values(sealed=other))


def value_removed(conn: Connection, book: Book) -> None:
    conn.execute(sa.delete(V).where(V.c.entry_id == book.ids[1], V.c.detail == "person.email"))


def value_added(conn: Connection, book: Book) -> None:
    row = {"entry_id": book.ids[1], "subject_ref": "0" * 32, "detail": "person.locale", "sealed": b"\0" * 64}
    conn.execute(sa.insert(V).values(organisation_id=book.organisation_id, **row))


def leaf_node_changed(conn: Connection, book: Book) -> None:
    conn.execute(sa.update(N).where(N.c.level == 0, N.c.index == 2).values(hash=bytes(32)))


def inner_node_changed(conn: Connection, book: Book) -> None:
    conn.execute(sa.update(N).where(N.c.level == 2, N.c.index == 1).values(hash=bytes(32)))


def node_removed(conn: Connection, book: Book) -> None:
    conn.execute(sa.delete(N).where(N.c.level == 1, N.c.index == 2))


def checkpoint_removed(conn: Connection, book: Book) -> None:
    conn.execute(sa.delete(C).where(C.c.size == 10))


def rewritten(conn: Connection, book: Book) -> None:
    """As the operator would do it who has no key: the entry changed, and the whole tree made to fit."""
    byte_changed(conn, book)
    leaves = [tree.leaf_hash(leaf_of(conn, book, number).encode()) for number in range(10)]
    for node in tree.extend((), leaves)[0]:
        conn.execute(sa.update(N).where(N.c.level == node.level, N.c.index == node.index).values(hash=node.hash))


TAMPERINGS: list[tuple[Tampering, str, int]] = [
    (byte_changed, "entry_changed", 4),
    (leaf_emptied, "entry_changed", 4),
    (row_removed, "entry_missing", 3),
    (first_removed, "entry_missing", 0),
    (place_taken_away, "entry_missing", 5),
    (places_swapped, "entry_changed", 2),
    (leaves_swapped, "entry_changed", 2),
    (tail_cut, "ledger_cut", 8),
    (tail_cut_with_checkpoints, "ledger_cut", 7),
    (emptied_but_for_the_tree, "ledger_cut", 0),
    (app_changed, "entry_index_changed", 6),
    (installation_changed, "entry_index_changed", 6),
    (time_changed, "entry_index_changed", 6),
    (kind_changed, "entry_index_changed", 6),
    (channel_changed, "entry_index_changed", 6),
    (act_given_a_channel, "entry_index_changed", 9),
    (subject_removed, "entry_index_changed", 6),
    (subject_added, "entry_index_changed", 6),
    (subject_changed, "entry_index_changed", 6),
    (value_changed, "entry_value_changed", 1),
    (values_moved, "entry_value_changed", 1),
    (value_removed, "entry_value_changed", 1),
    (value_added, "entry_value_changed", 1),
    (leaf_node_changed, "entry_changed", 2),
    (inner_node_changed, "entry_changed", 7),
    (node_removed, "tree_node_missing", 5),
    (checkpoint_removed, "ledger_unsigned", 7),
    (rewritten, "ledger_rewritten", 3),
]


@pytest.mark.parametrize(("tampering", "code", "number"), TAMPERINGS, ids=[each[0].__name__ for each in TAMPERINGS])
async def test_tampering_is_found_at_the_first_bad_entry(
    book: Book, ledger: Ledger, database: Database, tampering: Tampering, code: str, number: int
) -> None:
    await database.write(tampering, book)
    verified = await ledger.verify(book.organisation_id)
    fault = verified.fault
    assert fault is not None
    assert (fault.code, fault.entry) == (code, number)
    if code.startswith("entry_") and code != "entry_missing":
        there = sa.select(E.c.id).where(E.c.organisation_id == book.organisation_id, E.c.leaf_index == number)
        assert fault.entry_id == await database.read(lambda conn: conn.execute(there).scalar())
        assert str(number) in fault.message
    assert verified.to_json()["ok"] is False
    assert verified.to_json()["fault"]["entry"] == number


async def test_what_nobody_touched_is_sound_whatever_it_is_held_against(book: Book, ledger: Ledger) -> None:
    for since in (None, *book.notes):
        verified = await ledger.verify(book.organisation_id, since)
        assert verified.to_json() == {"ok": True, "size": 10, "unsealed": 0, "checkpoints": 3, "fault": None}


async def test_what_waits_to_be_sealed_is_counted_and_no_fault(book: Book, ledger: Ledger, database: Database) -> None:
    await database.write(lambda conn: ledger.act(conn, book.organisation_id, "lifted"))
    verified = await ledger.verify(book.organisation_id)
    assert (verified.size, verified.unsealed, verified.fault) == (10, 1, None)


async def test_an_empty_ledger_is_sound(world: World, ledger: Ledger) -> None:
    verified = await ledger.verify(world.organisation_id)
    assert (verified.size, verified.checkpoints, verified.fault) == (0, 0, None)


async def test_a_tail_cut_without_a_trace_is_found_with_a_checkpoint_kept_elsewhere(
    book: Book, ledger: Ledger, database: Database
) -> None:
    def cut(conn: Connection) -> None:
        tail_cut_with_checkpoints(conn, book)
        kept = set(tree.frontier(7)) | {(level, n) for level in range(4) for n in range(7 >> level)}
        for level, index in conn.execute(sa.select(N.c.level, N.c.index)).all():
            if (level, index) not in kept:
                conn.execute(sa.delete(N).where(N.c.level == level, N.c.index == index))

    await database.write(cut)
    assert (await ledger.verify(book.organisation_id)).fault is None
    assert (await ledger.verify(book.organisation_id, book.notes[1])).fault is None
    fault = (await ledger.verify(book.organisation_id, book.notes[2])).fault
    assert fault is not None
    assert (fault.code, fault.entry) == ("ledger_older_copy", 7)


async def test_another_history_with_as_many_entries_is_found_with_a_checkpoint_kept_elsewhere(
    book: Book, ledger: Ledger, database: Database, keys: KeyRing
) -> None:
    """Whoever has the key too can rewrite everything, except what somebody else keeps."""

    def forge(conn: Connection) -> None:
        rewritten(conn, book)
        conn.execute(sa.delete(C))
        leaves = [tree.leaf_hash(leaf_of(conn, book, number).encode()) for number in range(10)]
        origin = origin_of(book.organisation_id)
        note = notes.sign(notes.Checkpoint(origin, 10, tree.root(leaves)), keys.signing_key(origin))
        at = conn.execute(sa.select(E.c.at).limit(1)).scalar_one()
        conn.execute(sa.insert(C).values(organisation_id=book.organisation_id, size=10, note=note, at=at))

    await database.write(forge)
    assert (await ledger.verify(book.organisation_id)).fault is None
    assert (await ledger.verify(book.organisation_id, book.notes[0])).fault is None, "the first three are untouched"
    fault = (await ledger.verify(book.organisation_id, book.notes[1])).fault
    assert fault is not None
    assert (fault.code, fault.entry) == ("ledger_rewritten", 0)


@pytest.mark.parametrize("forged", ["another key", "another tree", "no note"])
async def test_a_forged_checkpoint_is_found(
    book: Book, ledger: Ledger, database: Database, tmp_path: Path, keys: KeyRing, forged: str
) -> None:
    origin = origin_of(book.organisation_id)
    stranger = KeyRing.open(tmp_path / "stranger", {})
    note = {
        "another key": notes.sign(notes.Checkpoint(origin, 7, bytes(32)), stranger.signing_key(origin)),
        "another tree": notes.sign(notes.Checkpoint("assigntask/x", 7, bytes(32)), keys.signing_key("assigntask/x")),
        "no note": "Trust me.",
    }[forged]
    await database.write(lambda conn: conn.execute(sa.update(C).where(C.c.size == 7).values(note=note)))
    fault = (await ledger.verify(book.organisation_id)).fault
    assert fault is not None
    assert (fault.code, "7" in fault.message) == ("checkpoint_forged", True)


async def test_a_checkpoint_that_is_none_is_refused(book: Book, ledger: Ledger, world: World, tmp_path: Path) -> None:
    origin = origin_of(book.organisation_id)
    stranger = KeyRing.open(tmp_path / "stranger", {})
    foreign = notes.sign(notes.Checkpoint(origin, 3, bytes(32)), stranger.signing_key(origin))
    for since in ("Trust me.", foreign, book.notes[0].replace("\n3\n", "\n4\n")):
        with pytest.raises(HostError) as refused:
            await ledger.verify(book.organisation_id, since)
        assert refused.value.code == "checkpoint_unreadable"
    other = await world.organisation()
    with pytest.raises(HostError):
        await ledger.verify(other, book.notes[0])


async def test_checkpoints_hold_after_the_key_was_changed(book: Book, ledger: Ledger, keys: KeyRing) -> None:
    keys.rotate(Purpose.LEDGER)
    assert (await ledger.verify(book.organisation_id, book.notes[0])).fault is None


async def test_the_ledger_is_sound_after_people_were_forgotten(
    book: Book, ledger: Ledger, world: World, subject_keys: SubjectKeys, database: Database
) -> None:
    for person in book.people[:2]:
        await world.forgets(person.id)
        subject_keys.destroy(person.subject_id)
    assert (await ledger.verify(book.organisation_id, book.notes[2])).fault is None
    await database.write(lambda conn: conn.execute(sa.delete(V).where(V.c.entry_id == book.ids[1])))
    assert (await ledger.verify(book.organisation_id)).fault is None, "their values may be wiped as well"


async def test_an_entry_that_was_spoilt_before_it_was_sealed_is_found_all_the_same(
    book: Book, ledger: Ledger, database: Database
) -> None:
    ids = [await database.write(lambda conn: ledger.act(conn, book.organisation_id, "lifted")) for _ in range(2)]
    spoilt = sa.update(E).where(E.c.id == ids[0]).values(leaf="[1]")
    await database.write(lambda conn: conn.execute(spoilt))
    await ledger.seal()
    fault = (await ledger.verify(book.organisation_id)).fault
    assert fault is not None
    assert (fault.code, fault.entry, fault.entry_id) == ("entry_changed", 10, ids[0])
