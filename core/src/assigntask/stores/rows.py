"""The rows of apps' storage: tables `store` and `store_usage`, as units of work.

Whoever changes an installation's rows first takes its row of `store_usage`: so commits of one
installation follow one another, versions never repeat and the count of bytes is exact. Where the owner
is a person or a task, that row is taken before it, so that nothing is written behind a wipe.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.stores.plan import Present, Write, decide
from assigntask_sdk.errors import Gone, Invalid, NotFound
from assigntask_sdk.storage import MAX_COMMIT

OwnerKind = Literal["", "task", "person"]
_MANY = 500  # keys in one statement


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose store it is. `kind` "" with `id` "": the installation's own."""

    organisation_id: str
    installation_id: str
    kind: OwnerKind = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    key: bytes
    value: bytes
    is_json: bool
    sealed: bool
    version: int


def subject_of(conn: Connection, owner: Owner) -> str | None:
    """The subject whose key seals this store; None for stores that are not sealed.

    Raises NotFound where the task or person is not there, or the person was forgotten.
    """
    if owner.kind == "":
        return None
    return _owner_row(conn, owner, lock=False)


def entries(conn: Connection, owner: Owner, keys: Sequence[bytes]) -> tuple[str | None, list[Row]]:
    """The subject whose key opens the rows, and those of `keys` that are there."""
    subject = subject_of(conn, owner)
    found: list[Row] = []
    for some in _batches(keys):
        statement = sa.select(*_COLUMNS).where(_of(owner), t.store.c.key.in_(some))
        found += [Row(*row) for row in conn.execute(statement)]
    return subject, found


def page(conn: Connection, owner: Owner, prefix: bytes, after: bytes, limit: int) -> tuple[str | None, list[Row], bool]:
    """The subject, up to `limit` rows in key order from behind `after`, and whether there may be more.

    A page holds at most about as many bytes as a commit, and at least one row where there is one.
    """
    subject = subject_of(conn, owner)
    within = [_of(owner), t.store.c.key > after]
    if prefix:
        # UTF-8 has no byte 0xFF, so the last byte can always be raised.
        within += [t.store.c.key >= prefix, t.store.c.key < prefix[:-1] + bytes([prefix[-1] + 1])]
    heads = conn.execute(
        sa.select(t.store.c.key, t.store.c.size).where(*within).order_by(t.store.c.key).limit(limit)
    ).all()
    taken, total = 0, 0
    for _, size in heads:
        total += size
        if taken and total > MAX_COMMIT:
            break
        taken += 1
    if not taken:
        return subject, [], False
    last = heads[taken - 1][0]
    found = conn.execute(sa.select(*_COLUMNS).where(*within, t.store.c.key <= last).order_by(t.store.c.key))
    return subject, [Row(*row) for row in found], taken < len(heads) or len(heads) == limit


def commit(conn: Connection, owner: Owner, writes: Sequence[Write], *, sealed: bool, limit: int) -> None:
    """All of `writes` or, where this raises, none. Raises Conflict, Invalid, NotFound, Gone."""
    if owner.kind:
        _owner_row(conn, owner, lock=True)
    last_version = _take_usage(conn, owner.organisation_id, owner.installation_id, len(writes))
    _check_not_wiped(conn, owner)
    present: dict[bytes, Present] = {}
    for some in _batches([write.key for write in writes]):
        statement = sa.select(t.store.c.key, t.store.c.version, t.store.c.size).where(
            _of(owner), t.store.c.key.in_(some)
        )
        present |= {key: Present(version, size) for key, version, size in conn.execute(statement)}
    plan = decide(writes, present, last_version)
    _add_usage(conn, owner, plan.growth, limit)
    for gone in _batches(plan.deletes):
        conn.execute(sa.delete(t.store).where(_of(owner), t.store.c.key.in_(gone)))
    if plan.puts:
        conn.execute(
            _upsert(conn),
            [
                {
                    "organisation_id": owner.organisation_id,
                    "installation_id": owner.installation_id,
                    "owner_kind": owner.kind,
                    "owner_id": owner.id,
                    "key": write.key,
                    "value": write.data,
                    "is_json": write.is_json,
                    "sealed": sealed,
                    "size": write.size,
                    "version": version,
                }
                for write, version in plan.puts
            ],
        )


def wipe_task(conn: Connection, organisation_id: str, task_id: str) -> None:
    """Every app's store of a task. For the unit that deletes the task; archiving keeps them."""
    conn.execute(
        sa.select(t.task.c.id)
        .where(t.task.c.organisation_id == organisation_id, t.task.c.id == task_id)
        .with_for_update()
    )
    _wipe_owner(conn, organisation_id, "task", task_id)


def wipe_person(conn: Connection, organisation_id: str, person_id: str, *, app_id: str | None = None) -> None:
    """Every app's store of a person, or one app's.

    For the unit that forgets the person, or that gives them a new id: what was kept under the old one would
    join the two.
    """
    conn.execute(
        sa.select(t.person.c.id)
        .where(t.person.c.organisation_id == organisation_id, t.person.c.id == person_id)
        .with_for_update()
    )
    _wipe_owner(conn, organisation_id, "person", person_id, app_id)


def wipe_installation(conn: Connection, organisation_id: str, installation_id: str) -> None:
    """All that an installation stored. For the unit that makes it wiped."""
    _take_usage(conn, organisation_id, installation_id, 0)
    conn.execute(
        sa.delete(t.store).where(
            t.store.c.organisation_id == organisation_id, t.store.c.installation_id == installation_id
        )
    )
    conn.execute(_usage_of(organisation_id, installation_id).values(bytes=0))


_COLUMNS = (t.store.c.key, t.store.c.value, t.store.c.is_json, t.store.c.sealed, t.store.c.version)


def _of(owner: Owner) -> sa.ColumnElement[bool]:
    return sa.and_(
        t.store.c.organisation_id == owner.organisation_id,
        t.store.c.installation_id == owner.installation_id,
        t.store.c.owner_kind == owner.kind,
        t.store.c.owner_id == owner.id,
    )


def _usage_of(organisation_id: str, installation_id: str) -> sa.Update:
    return sa.update(t.store_usage).where(
        t.store_usage.c.organisation_id == organisation_id, t.store_usage.c.installation_id == installation_id
    )


def _insert(conn: Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)


def _upsert(conn: Connection) -> sa.Insert:
    statement = _insert(conn, t.store)
    keys = ("installation_id", "owner_kind", "owner_id", "key")
    changing = ("value", "is_json", "sealed", "size", "version")
    return statement.on_conflict_do_update(
        index_elements=keys, set_={name: statement.excluded[name] for name in changing}
    )


def _owner_row(conn: Connection, owner: Owner, *, lock: bool) -> str | None:
    """The person's subject (None for a task). With `lock` the owner can't go before this unit ends."""
    statement: sa.Select[str | None]
    if owner.kind == "person":
        statement = sa.select(t.person.c.subject_id).where(
            t.person.c.organisation_id == owner.organisation_id,
            t.person.c.id == owner.id,
            t.person.c.state != "forgotten",
        )
    else:
        statement = sa.select(sa.null()).where(
            t.task.c.organisation_id == owner.organisation_id, t.task.c.id == owner.id
        )
    if lock:
        statement = statement.with_for_update(read=True, of=t.person if owner.kind == "person" else t.task)
    row = conn.execute(statement).first()
    if row is None:
        raise NotFound(f"There is no {owner.kind} {owner.id} to keep a store for.")
    subject: str | None = row[0]
    return subject


def _take_usage(conn: Connection, organisation_id: str, installation_id: str, versions: int) -> int:
    """Takes the installation's usage row until the unit ends, and `versions` numbers; the last one before them.

    Raises Gone where there is no such installation.
    """
    take = (
        _usage_of(organisation_id, installation_id)
        .values(last_version=t.store_usage.c.last_version + versions)
        .returning(t.store_usage.c.last_version)
    )
    last: int | None = conn.execute(take).scalar_one_or_none()
    if last is None:
        first = sa.select(t.installation.c.organisation_id, t.installation.c.id, sa.literal(0), sa.literal(0)).where(
            t.installation.c.organisation_id == organisation_id, t.installation.c.id == installation_id
        )
        columns = ("organisation_id", "installation_id", "bytes", "last_version")
        conn.execute(_insert(conn, t.store_usage).from_select(columns, first).on_conflict_do_nothing())
        last = conn.execute(take).scalar_one_or_none()
    if last is None:
        raise _gone()
    return last - versions


def _add_usage(conn: Connection, owner: Owner, growth: int, limit: int) -> None:
    if not growth:
        return
    statement = _usage_of(owner.organisation_id, owner.installation_id).values(bytes=t.store_usage.c.bytes + growth)
    if growth > 0:
        statement = statement.where(t.store_usage.c.bytes + growth <= limit)
    if conn.execute(statement).rowcount != 1:
        raise Invalid({"storage": f"an installation keeps at most {limit} bytes; delete what is no longer needed"})


def _check_not_wiped(conn: Connection, owner: Owner) -> None:
    state = conn.execute(
        sa.select(t.installation.c.state).where(
            t.installation.c.organisation_id == owner.organisation_id,
            t.installation.c.id == owner.installation_id,
        )
    ).scalar_one_or_none()
    if state in (None, "wiped"):
        raise _gone()


def _gone() -> Gone:
    return Gone("This installation was wiped; it keeps nothing any more.")


def _wipe_owner(
    conn: Connection, organisation_id: str, kind: OwnerKind, owner_id: str, app_id: str | None = None
) -> None:
    theirs = sa.and_(
        t.store.c.organisation_id == organisation_id, t.store.c.owner_kind == kind, t.store.c.owner_id == owner_id
    )
    if app_id is not None:
        of_app = sa.select(t.installation.c.id).where(
            t.installation.c.organisation_id == organisation_id, t.installation.c.app_id == app_id
        )
        theirs = sa.and_(theirs, t.store.c.installation_id.in_(of_app))
    # In one order everywhere, so that two wipes can't wait for each other.
    installations = conn.execute(
        sa.select(t.store.c.installation_id).where(theirs).distinct().order_by(t.store.c.installation_id)
    ).scalars()
    for installation_id in installations.all():
        _take_usage(conn, organisation_id, installation_id, 0)
        mine = sa.and_(theirs, t.store.c.installation_id == installation_id)
        freed = conn.execute(sa.select(sa.func.coalesce(sa.func.sum(t.store.c.size), 0)).where(mine)).scalar_one()
        conn.execute(sa.delete(t.store).where(mine))
        conn.execute(_usage_of(organisation_id, installation_id).values(bytes=t.store_usage.c.bytes - int(freed)))


def _batches(keys: Sequence[bytes]) -> Iterator[list[bytes]]:
    remaining = iter(keys)
    while some := list(islice(remaining, _MANY)):
        yield some
