"""An app's storage against a plain dict, whatever is done in whatever order, on both databases."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from assigntask.context.storage import InstallationStore, OwnedStore
from assigntask.db import Database, new_id
from assigntask.db import tables as t
from assigntask.ledger.keys import KeyRing
from assigntask.ledger.subjects import SubjectKeys
from assigntask.stores import rows as store_rows
from assigntask_sdk.errors import Conflict, Invalid
from assigntask_sdk.storage import Delete, Operation, Put, Value, encode

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
LIMIT = 400  # bytes: small, so that it is met

Held = dict[str, tuple[Value, int]]  # key → value, version

keys = st.sampled_from(["a", "a/", "a/1", "a/ä", "a0", "b", "🌉", "\uffff"]) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=4
)
scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
) | st.binary(max_size=120)
expected = st.sampled_from(["whatever", "absent", "right", "wrong"])
drafts = st.lists(st.tuples(keys, st.none() | values.map(lambda v: (v,)), expected), max_size=6)
owners = st.sampled_from(["installation", "task", "person"])


def size(key: str, value: Value) -> int:
    return len(key.encode()) + len(encode(value)[0])


class StoreMachine(RuleBasedStateMachine):
    """One installation of an organisation of its own, in a database that all examples share."""

    runner: ClassVar[asyncio.Runner]
    db: ClassVar[Database]
    sealing: ClassVar[SubjectKeys]

    @initialize()
    def install(self) -> None:
        self.organisation, self.installation = new_id(), new_id()
        self.task, self.person = new_id(), new_id()
        self.runner.run(self.db.write(self._furnish))
        own = InstallationStore(
            self.db,
            self.sealing,
            organisation_id=self.organisation,
            installation_id=self.installation,
            limit=LIMIT,
        )
        self.stores: dict[str, OwnedStore] = {
            "installation": own,
            "task": own.task(self.task),
            "person": own.person(self.person),
        }
        self.model: dict[str, Held] = {owner: {} for owner in self.stores}
        self.newest = 0

    def _furnish(self, conn: sa.Connection) -> None:
        ours = {"organisation_id": self.organisation}
        project, status, app = new_id(), new_id(), new_id()
        conn.execute(
            sa.insert(t.organisation).values(
                id=self.organisation, name=self.organisation, time_zone="UTC", policy={}, created_at=NOW
            )
        )
        conn.execute(
            sa.insert(t.person).values(**ours, id=self.person, subject_id=new_id(), name="Ada", created_at=NOW)
        )
        conn.execute(sa.insert(t.project).values(**ours, id=project, name="Bridge", created_at=NOW))
        conn.execute(sa.insert(t.status).values(**ours, id=status, project_id=project, name="Doing", position=1.0))
        moments = {"created_at": NOW, "updated_at": NOW}
        conn.execute(
            sa.insert(t.task).values(
                **ours,
                **moments,
                id=self.task,
                project_id=project,
                number=1,
                summary="",
                status_id=status,
                unchecked_by=[],
            )
        )
        conn.execute(sa.insert(t.app).values(id=app, vendor_name="Vendor", distribution="app", first_seen_at=NOW))
        plain: dict[str, Any] = {"scopes": [], "declined": [], "contacts": {}, "settings": {}, "ordinal": 1}
        conn.execute(
            sa.insert(t.installation).values(
                **ours, **plain, id=self.installation, app_id=app, state="active", version="1.0.0",
                manifest_digest="sha256:0", credential=new_id(), created_at=NOW, changed_at=NOW,
            )
        )  # fmt: skip

    def _used(self) -> int:
        return sum(size(key, value) for held in self.model.values() for key, (value, _) in held.items())

    def _operations(self, held: Held, draft: Sequence[tuple[str, Any, str]]) -> list[Operation]:
        made: list[Operation] = []
        for key, value, expects in draft:
            now = held[key][1] if key in held else 0
            if_version = {"whatever": None, "absent": 0, "right": now, "wrong": now + 1}[expects]
            made.append(Delete(key, if_version) if value is None else Put(key, value[0], if_version))
        return made

    def _after(self, held: Held, operations: Sequence[Operation]) -> tuple[list[str], dict[str, Value]]:
        conflicts = [
            o.key
            for o in operations
            if o.if_version is not None and o.if_version != (held[o.key][1] if o.key in held else 0)
        ]
        new = {key: value for key, (value, _) in held.items()}
        for o in operations:
            new.pop(o.key, None)
            if isinstance(o, Put):
                new[o.key] = o.value
        return conflicts, new

    def _adopt(self, owner: str, new: dict[str, Value], operations: Sequence[Operation]) -> None:
        """What stands there now; versions of written keys are new and higher than any before."""
        entries = self.runner.run(self.stores[owner].get_many(sorted(new)))
        assert {key: entry.value for key, entry in entries.items()} == new
        written = {o.key for o in operations if isinstance(o, Put)}
        before = self.model[owner]
        for key, entry in entries.items():
            if key in written:
                assert entry.version > self.newest
            else:
                assert entry.version == before[key][1]
        versions = [entry.version for entry in entries.values()]
        assert len(set(versions)) == len(versions)
        self.newest = max([self.newest, *versions])
        self.model[owner] = {key: (entry.value, entry.version) for key, entry in entries.items()}

    @rule(owner=owners, draft=drafts)
    def commit(self, owner: str, draft: list[tuple[str, Any, str]]) -> None:
        held = self.model[owner]
        operations = self._operations(held, draft)
        twice = len({o.key for o in operations}) < len(operations)
        conflicts, new = self._after(held, operations)
        used = self._used()
        grown = used + sum(size(k, v) for k, v in new.items()) - sum(size(k, v) for k, (v, _) in held.items())
        try:
            self.runner.run(self.stores[owner].commit(*operations))
        except Invalid as error:
            assert twice or (not conflicts and grown > max(used, LIMIT) and list(error.fields) == ["storage"])
            return
        except Conflict as error:
            assert not twice
            assert sorted(error.keys) == sorted(conflicts) != []
            return
        assert not twice
        assert not conflicts
        assert grown <= max(used, LIMIT)
        self._adopt(owner, new, operations)

    @rule(owner=owners, draft=st.lists(st.tuples(keys, values), max_size=6))
    def apply(self, owner: str, draft: list[tuple[str, Value]]) -> None:
        """Small values only, so that the limit is not met; repeated keys are allowed here."""
        operations = [Put(key, None) if n % 2 else Delete(key) for n, (key, _) in enumerate(draft)]
        new = {key: value for key, (value, _) in self.model[owner].items()}
        for o in operations:
            new.pop(o.key, None)
            if isinstance(o, Put):
                new[o.key] = o.value
        if self._used() + sum(size(o.key, None) for o in operations) > LIMIT:
            return

        async def stream() -> AsyncIterator[Operation]:
            for o in operations:
                yield o

        self.runner.run(self.stores[owner].apply(stream()))
        last = {o.key: o for o in operations}
        self._adopt(owner, new, list(last.values()))

    @rule(owner=owners, asked=st.lists(keys, max_size=8))
    def get_many(self, owner: str, asked: list[str]) -> None:
        entries = self.runner.run(self.stores[owner].get_many(asked))
        held = self.model[owner]
        assert {k: (e.value, e.version) for k, e in entries.items()} == {k: held[k] for k in asked if k in held}

    @rule(owner=owners, prefix=st.just("") | keys, after=st.just("") | keys)
    def scan(self, owner: str, prefix: str, after: str) -> None:
        async def read() -> list[tuple[str, Value, int]]:
            return [(key, e.value, e.version) async for key, e in self.stores[owner].scan(prefix, after)]

        held = self.model[owner]
        wanted = [(k, *held[k]) for k in sorted(held) if k.startswith(prefix) and k > after]
        assert self.runner.run(read()) == wanted

    @rule()
    def wipe_task(self) -> None:
        self.runner.run(self.db.write(store_rows.wipe_task, self.organisation, self.task))
        self.model["task"] = {}

    @rule()
    def wipe_person(self) -> None:
        self.runner.run(self.db.write(store_rows.wipe_person, self.organisation, self.person))
        self.model["person"] = {}

    @invariant()
    def usage_is_exact(self) -> None:
        if not hasattr(self, "stores"):
            return

        def read(conn: sa.Connection) -> int | None:
            statement = sa.select(t.store_usage.c.bytes).where(t.store_usage.c.installation_id == self.installation)
            return conn.execute(statement).scalar_one_or_none()

        assert (self.runner.run(self.db.read(read)) or 0) == self._used()


def test_storage_behaves_like_a_dict(database_url: str, tmp_path: Path) -> None:
    sealing = SubjectKeys(f"sqlite:///{tmp_path / 'subjects.db'}", KeyRing.open(tmp_path / "keys", {}))
    with asyncio.Runner() as runner:
        db = Database.open(database_url)
        try:
            machine = type("Machine", (StoreMachine,), {"runner": runner, "db": db, "sealing": sealing})
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=30,
                    stateful_step_count=25,
                    deadline=None,
                    suppress_health_check=[HealthCheck.too_slow],
                ),
            )
        finally:
            runner.run(db.close())
            sealing.close()
