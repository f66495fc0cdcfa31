"""The sequencer: gives entries their place in the organisation's tree, and signs what the tree then is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from assigntask.db import tables as t
from assigntask.errors import HostError
from assigntask.ledger import checkpoint as notes
from assigntask.ledger import rows, tree
from assigntask.ledger.checkpoint import Checkpoint, SigningKey
from assigntask.ledger.errors import LedgerError

BATCH = 5000


def origin_of(organisation_id: str) -> str:
    return f"assigntask/{organisation_id}"


class StoredNodes:
    """The complete nodes of one organisation's tree."""

    def __init__(self, conn: Connection, organisation_id: str) -> None:
        self._conn = conn
        self._organisation_id = organisation_id

    def get(self, level: int, index: int) -> bytes:
        found = self._conn.execute(
            sa.select(t.tree_node.c.hash).where(
                t.tree_node.c.organisation_id == self._organisation_id,
                t.tree_node.c.level == level,
                t.tree_node.c.index == index,
            )
        ).scalar()
        if found is None:
            raise tree.node_missing(level, index)
        return bytes(found)


def node_hashes(conn: Connection, organisation_id: str, start: int, stop: int) -> dict[tuple[int, int], bytes]:
    """The stored nodes that the entries `start` to `stop` (excluded) complete, by (level, index)."""
    found: dict[tuple[int, int], bytes] = {}
    for level in range(stop.bit_length()):
        stored_nodes = conn.execute(
            sa.select(t.tree_node.c.index, t.tree_node.c.hash).where(
                t.tree_node.c.organisation_id == organisation_id,
                t.tree_node.c.level == level,
                t.tree_node.c.index.between(start >> level, stop >> level),
            )
        )
        found.update(((level, index), bytes(digest)) for index, digest in stored_nodes)
    return found


def last_checkpoint(conn: Connection, organisation_id: str) -> tuple[int, str] | None:
    """Size and signed note of the newest checkpoint."""
    row = conn.execute(
        sa.select(t.checkpoint.c.size, t.checkpoint.c.note)
        .where(t.checkpoint.c.organisation_id == organisation_id)
        .order_by(t.checkpoint.c.size.desc())
        .limit(1)
    ).first()
    return (row.size, row.note) if row else None


def waiting_organisations(conn: Connection) -> list[str]:
    """Those that have entries to seal. Host-wide: it names organisations and reads nothing of theirs."""
    query = sa.select(t.ledger_entry.c.organisation_id).where(t.ledger_entry.c.leaf_index.is_(None)).distinct()
    return sorted(found for (found,) in conn.execute(query))


def _store(conn: Connection, organisation_id: str, nodes: Iterable[tree.Node]) -> None:
    conn.execute(
        sa.insert(t.tree_node),
        [
            {"organisation_id": organisation_id, "level": node.level, "index": node.index, "hash": node.hash}
            for node in nodes
        ],
    )


def seal(conn: Connection, organisation_id: str, key: SigningKey, now: dt.datetime) -> int:
    """Appends up to `BATCH` waiting entries and signs a checkpoint. Returns how many; run it again until 0.

    Raises HostError `ledger_damaged` where tree and checkpoints do not fit together.
    """
    if conn.dialect.name == "postgresql":  # on SQLite a write unit is alone already
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(organisation_id, 0))))
    waiting = rows.unsealed(conn, organisation_id, BATCH)
    if not waiting:
        return 0
    last = last_checkpoint(conn, organisation_id)
    size = last[0] if last else 0
    try:
        edge = tree.Tree(StoredNodes(conn, organisation_id), size).edge()
        nodes, edge = tree.extend(edge, (tree.leaf_hash(entry.leaf.encode()) for entry in waiting))
        with conn.begin_nested():
            _store(conn, organisation_id, nodes)
            rows.mark_sealed(conn, organisation_id, ((entry.id, size + n) for n, entry in enumerate(waiting)))
    except (LedgerError, IntegrityError) as error:
        raise HostError(
            "ledger_damaged",
            "The ledger's tree does not end where its last checkpoint says, so nothing can be added to it. "
            "Run `assigntask ledger verify` to find where.",
            organisation=organisation_id,
        ) from error
    head = Checkpoint(origin_of(organisation_id), size + len(waiting), tree.edge_root(edge))
    conn.execute(
        sa.insert(t.checkpoint).values(
            organisation_id=organisation_id, size=head.size, note=notes.sign(head, key), at=now
        )
    )
    return len(waiting)
