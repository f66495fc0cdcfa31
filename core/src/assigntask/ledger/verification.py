"""Recomputes the tree from the entries, and holds it against what was signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from assigntask.db import tables as t
from assigntask.errors import HostError
from assigntask.ledger import checkpoint as notes
from assigntask.ledger import rows, tree
from assigntask.ledger.checkpoint import Checkpoint, Verifier
from assigntask.ledger.entry import commitment, moment, value_place
from assigntask.ledger.errors import LedgerError
from assigntask.ledger.sealing import node_hashes, origin_of
from assigntask.ledger.subjects import unseal


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong. `entry` is its number in the tree, `entry_id` its id where it is known."""

    code: str
    message: str
    entry: int | None = None
    entry_id: str | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """`size` entries are sealed and were checked, `unsealed` wait; `fault` is None when all is well."""

    size: int
    unsealed: int
    checkpoints: int
    fault: Fault | None

    def to_json(self) -> dict[str, Any]:
        fault = self.fault
        return {
            "ok": fault is None,
            "size": self.size,
            "unsealed": self.unsealed,
            "checkpoints": self.checkpoints,
            "fault": None
            if fault is None
            else {"code": fault.code, "message": fault.message, "entry": fault.entry, "entry_id": fault.entry_id},
        }


class Found(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def verify(
    conn: Connection,
    organisation_id: str,
    verifiers: Sequence[Verifier],
    *,
    since: str | None = None,
    key_of_ref: Mapping[str, bytes],
) -> Verification:
    """`since`: a checkpoint kept elsewhere; an older copy of the database can't satisfy it.

    Finds any change, removal, swap or cut among sealed entries. Never raises for what it finds.
    Raises HostError `checkpoint_unreadable` when `since` itself can't be used.
    """
    known = _since(since, organisation_id, verifiers)
    total = conn.execute(
        sa.select(sa.func.count())
        .select_from(t.ledger_entry)
        .where(t.ledger_entry.c.organisation_id == organisation_id, t.ledger_entry.c.leaf_index.is_(None))
    ).scalar_one()
    walk = _Walk(conn, organisation_id, key_of_ref)
    fault: Fault | None = None
    signed: list[Checkpoint] = []
    try:
        signed = _checkpoints(conn, organisation_id, verifiers)
        wanted = sorted({c.size: c for c in (*signed, *known)}.items())
        roots = walk.run({size for size, _ in wanted})
        _compare(walk.size, roots, signed, known)
    except Found as found:
        fault = found.fault
    return Verification(walk.size, total, len(signed), fault)


def _since(note: str | None, organisation_id: str, verifiers: Sequence[Verifier]) -> list[Checkpoint]:
    if note is None:
        return []
    try:
        head = notes.verify(note, verifiers)
    except LedgerError as error:
        raise HostError("checkpoint_unreadable", f"The checkpoint given with --since can't be used: {error}") from error
    if head.origin != origin_of(organisation_id):
        raise HostError(
            "checkpoint_foreign",
            f"The checkpoint given with --since is of {head.origin}, not of {origin_of(organisation_id)}.",
        )
    return [head]


def _checkpoints(conn: Connection, organisation_id: str, verifiers: Sequence[Verifier]) -> list[Checkpoint]:
    signed: list[Checkpoint] = []
    query = (
        sa.select(t.checkpoint.c.size, t.checkpoint.c.note)
        .where(t.checkpoint.c.organisation_id == organisation_id)
        .order_by(t.checkpoint.c.size)
    )
    for size, note in conn.execute(query):
        try:
            head = notes.verify(note, verifiers)
        except LedgerError as error:
            raise Found(
                Fault("checkpoint_forged", f"The checkpoint of size {size} is not signed by us: {error}")
            ) from None
        if head.size != size or head.origin != origin_of(organisation_id):
            raise Found(Fault("checkpoint_forged", f"The checkpoint stored for size {size} is one of another tree."))
        signed.append(head)
    return signed


def _compare(size: int, roots: Mapping[int, bytes], signed: Sequence[Checkpoint], known: Sequence[Checkpoint]) -> None:
    sound = 0
    for head in sorted((*signed, *known), key=lambda head: head.size):
        if head.size > size:
            older = head in known and head not in signed
            what = "This is an older copy" if older else "The tail was cut off"
            raise Found(
                Fault(
                    "ledger_older_copy" if older else "ledger_cut",
                    f"{what}: a signed checkpoint covers {head.size} entries, and {size} are here.",
                    entry=size,
                )
            )
        if roots[head.size] != head.root:
            raise Found(
                Fault(
                    "ledger_rewritten",
                    f"Entries {sound} to {head.size - 1} are not those that were signed at size {head.size}.",
                    entry=sound,
                )
            )
        sound = head.size
    if size > sound:
        raise Found(
            Fault(
                "ledger_unsigned", f"Entries from {sound} on have a place in the tree, but no checkpoint.", entry=sound
            )
        )


class _Walk:
    """One pass over the sealed entries, in order."""

    def __init__(self, conn: Connection, organisation_id: str, key_of_ref: Mapping[str, bytes]) -> None:
        self._conn = conn
        self._organisation_id = organisation_id
        self._keys = key_of_ref
        self.size = 0

    def run(self, sizes: set[int]) -> dict[int, bytes]:
        """The root at each of `sizes` that there is."""
        edge: tuple[tree.Node, ...] = ()
        roots = {0: tree.edge_root(edge)}
        while page := self._page():
            ids = [entry.id for entry in page]
            subjects = rows.subjects_of(self._conn, self._organisation_id, ids)
            nodes = node_hashes(self._conn, self._organisation_id, self.size, self.size + len(page))
            values: dict[str, dict[str, bytes]] = {}
            for entry_id, ref, detail, sealed in rows.values_of(self._conn, self._organisation_id, ids):
                values.setdefault(entry_id, {})[f"{ref} {detail}"] = sealed
            for entry in page:
                if entry.leaf_index != self.size:
                    raise Found(
                        Fault(
                            "entry_missing",
                            f"Entry {self.size} is missing: the next one here is number {entry.leaf_index}.",
                            entry=self.size,
                        )
                    )
                if not isinstance(entry.leaf, str):
                    raise Found(_unreadable(self.size, entry.id))
                completed, edge = tree.extend(edge, (tree.leaf_hash(entry.leaf.encode()),))
                self._check_nodes(entry, completed, nodes)
                self._check_columns(entry, subjects.get(entry.id, []), values.get(entry.id, {}))
                self.size += 1
                if self.size in sizes:
                    roots[self.size] = tree.edge_root(edge)
        self._check_end()
        return roots

    def _page(self) -> list[rows.Stored]:
        """The next entries. Where the database can't even read them, the first that it can't is named."""
        for limit in (rows.PAGE, 1):
            try:
                return rows.sealed_page(self._conn, self._organisation_id, self.size - 1, limit)
            except (ValueError, TypeError, OperationalError) as error:
                if not _is_damage(error):
                    raise
        raise Found(_unreadable(self.size))

    def _check_end(self) -> None:
        leaves = self._conn.execute(
            sa.select(sa.func.count())
            .select_from(t.tree_node)
            .where(t.tree_node.c.organisation_id == self._organisation_id, t.tree_node.c.level == 0)
        ).scalar_one()
        if leaves != self.size:
            raise Found(
                Fault("ledger_cut", f"The tree has {leaves} leaves, and {self.size} entries are here.", entry=self.size)
            )

    def _check_nodes(
        self, entry: rows.Stored, completed: Sequence[tree.Node], nodes: Mapping[tuple[int, int], bytes]
    ) -> None:
        number = self.size
        for node in completed:
            stored = nodes.get((node.level, node.index))
            if stored is None:
                raise Found(Fault("tree_node_missing", f"The tree lacks a node at entry {number}.", number, entry.id))
            if stored != node.hash:
                raise Found(
                    Fault(
                        "entry_changed",
                        f"Entry {number} ({entry.id}) is not the one that was sealed.",
                        number,
                        entry.id,
                    )
                )

    def _check_columns(self, entry: rows.Stored, subjects: list[str], values: Mapping[str, bytes]) -> None:
        number = self.size
        try:
            body = entry.body()
            commitments = dict(body.get("commitments", {}))
        except (ValueError, TypeError, AttributeError, RecursionError):  # sealed so: it was changed before
            raise Found(_unreadable(number, entry.id)) from None
        repeated: dict[str, object] = {
            "id": entry.id,
            "at": moment(entry.at),
            "kind": entry.kind,
            "app": entry.app_id or "",
            "installation": entry.installation_id or "",
            "organisation": self._organisation_id,
            "subjects": subjects,
            "channel": entry.channel,
        }
        for name, found in repeated.items():
            if body.get(name) != found:
                raise Found(
                    Fault(
                        "entry_index_changed",
                        f"Entry {number} ({entry.id}) is listed under another {name} than was sealed.",
                        number,
                        entry.id,
                    )
                )
        self._check_values(number, entry.id, commitments, values)

    def _check_values(
        self, number: int, entry_id: str, commitments: Mapping[str, str], values: Mapping[str, bytes]
    ) -> None:
        for name in sorted(values.keys() - commitments.keys()):
            raise Found(_value_changed(number, entry_id, name.partition(" ")[2]))
        for name, committed in commitments.items():
            ref, _, detail = name.partition(" ")
            key = self._keys.get(ref)
            if key is None:  # the person was forgotten: nobody can tell any more, and that is right
                continue
            try:
                data = unseal(key, values[name], associated=value_place(entry_id, ref, detail))
                intact = commitment(data[:32], data[32:].decode()) == committed
            except (KeyError, HostError, UnicodeDecodeError):
                intact = False
            if not intact:
                raise Found(_value_changed(number, entry_id, detail))


def _is_damage(error: Exception) -> bool:
    """A time that is none, text that is no UTF-8: written by other means than ours. A lost connection is neither."""
    return not isinstance(error, OperationalError) or "decode to UTF-8" in str(error.orig)


def _unreadable(number: int, entry_id: str | None = None) -> Fault:
    return Fault("entry_changed", f"Entry {number} is not readable any more.", number, entry_id)


def _value_changed(number: int, entry_id: str, detail: str) -> Fault:
    what = f"the value of {detail} is not the one that was sealed"
    return Fault("entry_value_changed", f"Entry {number} ({entry_id}): {what}.", number, entry_id)
