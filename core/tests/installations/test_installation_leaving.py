"""Disabling, uninstalling, having an app back, wiping it; and settings."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.actions.forgetting import Forgetting
from assigntask.actions.objections import Objections
from assigntask.db import tables as t
from assigntask.db.ids import new_id
from assigntask.errors import HostError, NotAllowed
from assigntask.events.events import Event, record
from assigntask.ledger.channel import Channel
from assigntask.ledger.entry import Disclosure, Recipient, Subject
from assigntask_sdk.errors import Invalid

Row = dict[str, Any]


async def notice(house: Any, installation: Any, hook: str = "task_changed") -> None:
    """One more delivery in its line."""
    event = Event("task.changed", "task", new_id(), house.now)
    await house.db.write(record, installation.organisation_id, event, hook=hook, recipients=[installation.id])


async def arrived(house: Any, installation: Any) -> None:
    """All that waited was told."""
    mine = sa.and_(t.delivery.c.installation_id == installation.id, t.delivery.c.state == "waiting")
    change = sa.update(t.delivery).where(mine).values(state="delivered", done_at=house.now)
    await house.write(lambda conn: conn.execute(change))
    asked = sa.update(t.erasure).where(t.erasure.c.installation_id == installation.id)
    await house.write(lambda conn: conn.execute(asked.values(answered_at=house.now)))


async def give(house: Any, installation: Any, *names: str) -> None:
    """Records that the app was given something about these people."""
    subjects = [Subject(house.people[f"Harbour {name}"].subject_id) for name in names]
    await house.ledger.record(
        Disclosure(
            organisation_id=installation.organisation_id,
            recipient=Recipient(installation.id, installation.app_id, "Acme Tools", 1, "trusted"),
            channel=Channel.API,
            actor="installation",
            actor_subject=None,
            details=frozenset({"person.name"}),
            records=[],
            subjects=subjects,
        )
    )


async def test_a_disabled_app_keeps_what_waits_for_it(house: Any) -> None:
    installed = await house.installing.install(house.doer(), "due-guard")
    await house.leaving.disable(house.doer(), "due-guard")
    assert await house.queue(installed.id) == [("installed", "waiting")]


async def test_an_uninstalled_app_only_hears_its_goodbye(house: Any) -> None:
    installed = await house.installing.install(house.doer(), "due-guard")
    await notice(house, installed)
    gone = await house.leaving.uninstall(house.doer(), "due-guard")
    assert await house.queue(installed.id) == [
        ("installed", "skipped"),
        ("task_changed", "skipped"),
        ("uninstalling", "waiting"),
    ]
    facts = await house.facts_of("installation.uninstalled")
    assert [dt.datetime.fromisoformat(one["wiped_at"]) for one in facts] == [gone.wipe_at]


async def test_a_pending_upgrade_goes_with_the_app(house: Any, due_guard: Any) -> None:
    await house.installing.install(house.doer(), "due-guard")
    house.offer(due_guard("2.0.0", retention_days=90), content="second")
    await house.upgrading.check()
    gone = await house.leaving.uninstall(house.doer(), "due-guard")
    assert (gone.pending_version, gone.wipe_at) == (None, house.now + dt.timedelta(days=30))


class TestRestore:
    async def test_is_agreed_to_afresh_to_what_is_installed_now(self, house: Any, due_guard: Any) -> None:
        before = await house.installing.install(house.doer(), "due-guard", without=["people:name"], projects=["Ships"])
        await house.leaving.uninstall(house.doer(), "due-guard")
        house.offer(due_guard("2.0.0", retention_days=90), content="second")
        same = await house.leaving.restore(house.doer("Ben"), "due-guard", dry_run=True)
        assert (same.from_version, same.projects) == ("1.0.0", ("Ships",))
        other = await house.leaving.restore(house.doer("Ben"), "due-guard", without=[], projects=["Cranes"])
        assert (other.state, other.version, other.upgrading_from) == ("disabled", "2.0.0", "1.0.0")
        assert other.projects == {house.ids["Harbour Cranes"]}
        assert other.declined == frozenset()
        assert other.installed_by == other.contacts["installer"] == house.people["Harbour Ben"].id
        assert (other.id, other.ordinal) == (before.id, before.ordinal)
        assert [hook for hook, state in await house.queue(before.id) if state == "waiting"] == ["installed", "upgraded"]

    async def test_keeps_settings_and_storage(self, house: Any) -> None:
        installed = await house.installing.install(house.doer(), "due-guard")
        await house.settings.set(house.doer(), "due-guard", {"grace_days": 3})
        await fill_store(house, installed)
        await house.leaving.uninstall(house.doer(), "due-guard")
        restored = await house.leaving.restore(house.doer(), "due-guard")
        assert restored.settings == {"grace_days": 3}
        assert len(await house.rows(t.store)) == 1

    async def test_tells_first_whom_the_app_lost(self, house: Any) -> None:
        objections = Objections(house.db, house.ledger, lambda: house.now)
        forgetting = Forgetting(house.db, house.ledger, house.keys, lambda: house.now)
        installed = await house.installing.install(house.doer(), "due-guard")
        await give(house, installed, "Cem", "Dot")
        await arrived(house, installed)
        house.later(minutes=1)
        await house.leaving.uninstall(house.doer(), "due-guard")
        house.later(minutes=1)
        await objections.object(house.doer("Dot"), "due-guard")
        await objections.withdraw(house.doer("Dot"), "due-guard")  # and the app must forget the old id all the same
        await objections.object(house.doer("Ben"), "due-guard")  # of whom it was never given anything
        await forgetting.forget(house.doer(), house.people["Harbour Cem"].id)
        restored = await house.leaving.restore(house.doer(), "due-guard")
        waiting = [hook for hook, state in await house.queue(installed.id) if state == "waiting"]
        assert waiting == ["person_forgotten", "person_withdrawn"]
        known_by = {"generation": 0, "credential": installed.credential}
        assert await house.facts_of("replayed.person_forgotten") == [
            {"person_id": house.people["Harbour Cem"].id, **known_by}
        ]
        assert await house.facts_of("replayed.person_withdrawn") == [
            {"person_id": house.people["Harbour Dot"].id, **known_by}
        ]
        assert restored.credential != installed.credential

    async def test_does_not_repeat_what_was_told(self, house: Any) -> None:
        objections = Objections(house.db, house.ledger, lambda: house.now)
        forgetting = Forgetting(house.db, house.ledger, house.keys, lambda: house.now)
        installed = await house.installing.install(house.doer(), "due-guard")
        await give(house, installed, "Cem", "Dot")
        await objections.object(house.doer("Dot"), "due-guard")
        await arrived(house, installed)
        house.later(minutes=1)
        await house.leaving.uninstall(house.doer(), "due-guard")
        await forgetting.forget(house.doer(), house.people["Harbour Cem"].id)
        await arrived(house, installed)
        await house.leaving.restore(house.doer(), "due-guard")
        assert [one for one in await house.queue(installed.id) if one[1] == "waiting"] == []

    async def test_what_waited_when_it_was_uninstalled_is_not_lost(self, house: Any) -> None:
        objections = Objections(house.db, house.ledger, lambda: house.now)
        installed = await house.installing.install(house.doer(), "due-guard")
        await objections.object(house.doer("Dot"), "due-guard")
        await house.leaving.uninstall(house.doer(), "due-guard")
        await house.leaving.restore(house.doer(), "due-guard")
        assert [one for one in await house.queue(installed.id) if one[1] == "waiting"] == [
            ("person_withdrawn", "waiting")
        ]

    async def test_is_refused_when_retention_is_over(self, house: Any) -> None:
        await house.installing.install(house.doer(), "due-guard")
        await house.leaving.uninstall(house.doer(), "due-guard")
        house.later(days=30)
        with pytest.raises(HostError) as caught:
            await house.leaving.restore(house.doer(), "due-guard")
        assert caught.value.code == "retention_over"

    async def test_is_refused_to_older_or_other_code(self, house: Any, due_guard: Any) -> None:
        house.offer(due_guard("2.0.0"))
        await house.installing.install(house.doer(), "due-guard")
        await house.leaving.uninstall(house.doer(), "due-guard")
        for version, content, code in (("1.0.0", "old", "downgrade_refused"), ("2.0.0", "other", "app_code_changed")):
            house.offer(due_guard(version), content=content)
            with pytest.raises(HostError) as caught:
                await house.leaving.restore(house.doer(), "due-guard")
            assert caught.value.code == code

    async def test_finds_the_uninstalled_one_behind_a_declined_request(self, house: Any) -> None:
        first = await house.installing.install(house.doer(), "due-guard")
        await house.leaving.uninstall(house.doer(), "due-guard")
        house.later(minutes=1)
        await house.installing.request(house.doer("Cem"), "due-guard")
        with pytest.raises(HostError) as caught:
            await house.leaving.restore(house.doer(), "due-guard")
        assert caught.value.code == "installation_state"
        await house.installing.decline(house.doer(), "due-guard")
        assert (await house.leaving.restore(house.doer(), "due-guard")).id == first.id


async def fill_store(house: Any, installed: Any) -> None:
    """Something in every table that hangs on an installation."""
    mine = {"organisation_id": installed.organisation_id, "installation_id": installed.id}
    when = {"first_at": house.now, "last_at": house.now}
    stored = {"owner_kind": "", "owner_id": "", "key": b"k", "value": b"v", "is_json": False, "sealed": False}
    closed = {"hook": "task_changed", "state": "closed", "failures": 0, "total": 1, "changed_at": house.now}
    rows: list[tuple[sa.Table, Row]] = [
        (t.store, {**stored, "size": 1, "version": 1}),
        (t.store_usage, {"bytes": 1, "last_version": 1}),
        (t.breaker, closed),
        (t.problem, {"key": "k", "text": "Ada's board", "severity": "warning", "count": 1, **when}),
        (t.idempotency_key, {"operation": "create", "key": "k", "record_id": new_id(), "created_at": house.now}),
    ]

    def run(conn: Connection) -> None:
        for table, row in rows:
            conn.execute(table.insert().values(**mine, **row))

    await house.write(run)


class TestWipe:
    async def test_leaves_the_row_and_nothing_that_was_stored(self, house: Any) -> None:
        installed = await house.installing.install(
            house.doer(), "due-guard", projects=["Ships"], technical_contact="ben"
        )
        other = await house.installing.install(house.doer("Ada", "Quay"), "due-guard")
        for one in (installed, other):
            await fill_store(house, one)
        await house.settings.set(house.doer(), "due-guard", {"grace_days": 3})
        await house.settings.set_own(house.doer("Cem"), "due-guard", {"quiet": True})
        await house.leaving.uninstall(house.doer(), "due-guard")
        await arrived(house, installed)
        house.later(days=30, seconds=-1)
        assert await house.leaving.sweep() == []
        house.later(seconds=1)
        assert [one.app_id for one in await house.leaving.sweep()] == ["due-guard"]
        for table in (t.store, t.breaker, t.problem, t.idempotency_key):
            assert await house.rows(table, "installation_id") == [other.id], table.name
        for table in (t.enrolment, t.installation_project):
            assert await house.rows(table) == [], table.name
        usage = dict(await house.rows(t.store_usage, "installation_id", "bytes"))
        assert usage == {installed.id: 0, other.id: 1}
        states = {row[0]: row[1:] for row in await house.rows(t.installation, "id", "state", "settings", "contacts")}
        assert states[installed.id] == ("wiped", {}, {})
        assert states[other.id][0] == "active"

    async def test_waits_for_the_goodbye_but_not_for_ever(self, house: Any, due_guard: Any) -> None:
        house.offer(due_guard(retention_days=0))
        installed = await house.installing.install(house.doer(), "due-guard")
        await house.leaving.uninstall(house.doer(), "due-guard")
        assert await house.leaving.sweep() == []
        house.later(days=3)
        assert len(await house.leaving.sweep()) == 1
        # What the app was given it is still asked to erase.
        assert await house.queue(installed.id) == [("installed", "skipped"), ("uninstalling", "waiting")]

    async def test_the_app_can_be_installed_afresh(self, house: Any) -> None:
        first = await house.installing.install(house.doer(), "due-guard")
        await house.leaving.uninstall(house.doer(), "due-guard")
        second = await house.installing.install(house.doer(), "due-guard")
        assert second.id != first.id
        house.later(days=40)
        assert len(await house.leaving.sweep()) == 1
        assert (await house.found()).id == second.id


class TestSettings:
    async def test_are_checked_against_the_accepted_manifest(self, house: Any) -> None:
        await house.installing.install(house.doer(), "due-guard")
        with pytest.raises(Invalid) as caught:
            await house.settings.set(house.doer(), "due-guard", {"grace_day": 1, "grace_days": "two"})
        assert caught.value.fields == {
            "grace_day": "there is no such setting; did you mean grace_days?",
            "grace_days": "give a number",
        }
        assert await house.settings.get(house.doer("Cem"), "due-guard") == {"grace_days": 0}

    async def test_go_back_to_the_default(self, house: Any) -> None:
        await house.installing.install(house.doer(), "due-guard")
        assert await house.settings.set(house.doer(), "due-guard", {"grace_days": 2.5}) == {"grace_days": 2.5}
        assert await house.settings.set(house.doer(), "due-guard", {"grace_days": None}) == {"grace_days": 0}
        assert await house.rows(t.installation, "settings") == [{}]

    async def test_of_the_organisation_are_an_admins(self, house: Any) -> None:
        await house.installing.install(house.doer(), "due-guard")
        with pytest.raises(NotAllowed):
            await house.settings.set(house.doer("Cem"), "due-guard", {"grace_days": 1})

    async def test_of_a_person_are_their_own(self, house: Any) -> None:
        await house.installing.install(house.doer(), "due-guard")
        assert await house.settings.set_own(house.doer("Cem"), "due-guard", {"quiet": True}) == {"quiet": True}
        assert await house.settings.set_own(house.doer("Cem"), "due-guard", {}) == {"quiet": True}
        assert await house.settings.get_own(house.doer("Cem"), "due-guard") == {"quiet": True}
        assert await house.settings.get_own(house.doer("Dot"), "due-guard") == {"quiet": False}
        assert await house.settings.set_own(house.doer("Cem"), "due-guard", {"quiet": None}) == {"quiet": False}

    async def test_need_an_installation(self, house: Any) -> None:
        await house.installing.request(house.doer("Cem"), "due-guard")
        with pytest.raises(HostError) as caught:
            await house.settings.set(house.doer(), "due-guard", {"grace_days": 1})
        assert caught.value.code == "not_installed"
