"""Forgetting: what is wiped, who is asked to erase, and what a process that dies leaves to the sweep."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.errors import HostError, NotAllowed
from assigntask.hooks import problems
from assigntask.ledger.channel import Channel
from assigntask.ledger.entry import Disclosure, Recipient, RecordSeen, Subject
from assigntask.people.facts import Doer, PersonFacts
from assigntask_sdk.errors import NotFound, TryLater


async def release(house: Any, tenant: Any, installation: str, app_id: str, person: PersonFacts) -> None:
    """The ledger says that this installation was given something about the person."""
    subject = Subject(person.subject_id)
    await house.ledger.record(
        Disclosure(
            organisation_id=tenant.id,
            recipient=Recipient(installation, app_id, "Acme", 1, "trusted"),
            channel=Channel.API,
            actor="installation",
            actor_subject=None,
            details=frozenset({"person.name"}),
            records=[RecordSeen("person", person.id, 1, subject)],
            subjects=[subject],
        )
    )


def _store(conn: Connection, organisation_id: str, installation_id: str, kind: str, owner: str) -> None:
    ids = {"organisation_id": organisation_id, "installation_id": installation_id}
    size = 7
    conn.execute(
        sa.insert(t.store).values(
            **ids,
            owner_kind=kind,
            owner_id=owner,
            key=b"k",
            value=b"v",
            is_json=True,
            sealed=False,
            size=size,
            version=1,
        )
    )
    usage = sa.update(t.store_usage).where(t.store_usage.c.installation_id == installation_id)
    if conn.execute(usage.values(bytes=t.store_usage.c.bytes + size)).rowcount == 0:
        conn.execute(sa.insert(t.store_usage).values(**ids, bytes=size, last_version=1))


async def test_nothing_is_left_that_tells_who_it_was(house: Any) -> None:
    one, bob = house.one, house.one.bob
    await house.people.job_title(one.admin, bob.id, "Mechanic")
    await house.people.contact(one.admin, "technical", bob.id)
    app = await house.install(one, "calendar", contacts={"technical": bob.id, "installer": one.ada.id})
    task = await house.tasks.create(one.member, project=one.project, summary="Oil")
    comment = await house.tasks.comment(one.member, task.id, "Ask @bob")
    for kind, owner in (("person", bob.id), ("person", one.ada.id), ("", "")):
        await house.db.write(_store, one.id, app, kind, owner)
    await house.forgetting.forget(one.admin, bob.id)

    rest = await house.dump("organisation")
    written = str({name: [row for row in rows if one.id in row] for name, rows in rest.items()})
    for value in ("Bob", "bob@example.org", "'bob'", "Mechanic"):
        assert value not in written
    assert (await house.rows(t.person, id=bob.id))[0]["name"] == "Forgotten person"
    assert await house.rows(t.contact, organisation_id=one.id) == []
    assert (await house.rows(t.installation, id=app))[0]["contacts"] == {"installer": one.ada.id}
    assert {row["owner_id"] for row in await house.rows(t.store)} == {one.ada.id, ""}
    assert (await house.rows(t.store_usage))[0]["bytes"] == 14
    assert not house.keys.exists(bob.subject_id)
    assert (await house.rows(t.comment))[0]["text"] == f"Ask <@{bob.id}>" == comment.text
    assert (await house.rows(t.person, id=house.other.bob.id))[0]["name"] == "Bob"


async def test_everybody_who_was_ever_given_something_is_asked_to_erase(house: Any) -> None:
    one, bob = house.one, house.one.bob
    active = await house.install(one, "calendar")
    disabled = await house.install(one, "chat", state="disabled")
    past = await house.install(one, "past", state="wiped")
    deaf = await house.install(one, "deaf", erases=False)
    never = await house.install(one, "never")
    for installation, app_id in ((active, "calendar"), (disabled, "chat"), (past, "past"), (deaf, "deaf")):
        await release(house, one, installation, app_id, bob)
    await release(house, one, never, "never", one.ada)
    await house.objections.object(one.member, "calendar")
    await house.objections.withdraw(one.member, "calendar")

    forgotten = await house.forgetting.forget(one.member, bob.id)
    assert set(forgotten.recipients) == {active, disabled, past, deaf}
    facts = {
        installation: [row["event"]["facts"] for row in await house.deliveries(installation, "person_forgotten")]
        for installation in (active, disabled, past, deaf, never)
    }
    assert facts == {
        active: [{"person_id": bob.id, "app_id": "calendar", "generation": 1}],
        disabled: [{"person_id": bob.id, "app_id": "chat", "generation": 0}],
        past: [{"person_id": bob.id, "app_id": "past", "generation": 0}],
        deaf: [],
        never: [],
    }
    [entry] = [entry for entry in await house.ledger.given(one.id) if entry.kind == "erasure"]
    assert set(entry.facts["recipients"]) == {active, disabled, past, deaf}
    assert entry.facts["apps"] == ["calendar", "chat", "deaf", "past"]
    asked = {row["installation_id"]: row for row in await house.rows(t.erasure)}
    assert {each: (row["why"], row["generation"]) for each, row in asked.items()} == {
        active: (None, 1),
        disabled: (None, 0),
        past: (None, 0),
        deaf: ("no_hook", 0),
    }
    told = [entry for entry in await house.ledger.given(one.id) if entry.kind.startswith("erasure_")]
    assert sorted((entry.kind, entry.installation) for entry in told) == sorted(
        [("erasure_asked", active), ("erasure_asked", disabled), ("erasure_asked", past), ("erasure_silent", deaf)]
    )
    assert bob.id not in str([(entry.facts, entry.subjects) for entry in told])


async def test_a_second_time_nothing_happens(house: Any) -> None:
    one, bob = house.one, house.one.bob
    await house.forgetting.forget(one.member, bob.id)
    before = await house.dump("organisation")
    await house.forgetting.forget(one.admin, bob.id)
    assert await house.dump("organisation") == before
    with pytest.raises(NotFound):
        await house.people.rename(one.admin, bob.id, "Bob")
    with pytest.raises(HostError, match="Nobody"):
        from assigntask.people import people

        await house.db.read(people.find, one.id, "bob@example.org")


async def test_a_sweep_finishes_what_a_dying_process_left(house: Any) -> None:
    one, bob = house.one, house.one.bob
    house.keys.create(bob.subject_id)
    house.keys.create(one.ada.subject_id)

    class Dying:
        def exists(self, subject_id: str) -> bool:
            return bool(house.keys.exists(subject_id))

        def destroy(self, subject_id: str) -> None:
            raise KeyboardInterrupt

        def destroyed(self) -> list[str]:
            return []

    cut_off = type(house.forgetting)(house.db, house.ledger, Dying(), house.clock)
    with pytest.raises(KeyboardInterrupt):
        await cut_off.forget(one.admin, bob.id)
    assert house.keys.exists(bob.subject_id)
    assert await house.forgetting.sweep() == [bob.id]
    assert not house.keys.exists(bob.subject_id)
    assert house.keys.exists(one.ada.subject_id)
    assert await house.forgetting.sweep() == []


async def test_a_ledger_that_fails_leaves_the_person_as_they_were(house: Any) -> None:
    class Failing:
        def act(self, *_: Any, **__: Any) -> str:
            raise RuntimeError("full")

        def recipients(self, *_: Any) -> list[str]:
            return []

    before = await house.dump()
    failing = type(house.forgetting)(house.db, Failing(), house.keys, house.clock)
    with pytest.raises(RuntimeError):
        await failing.forget(house.one.admin, house.one.bob.id)
    assert await house.dump() == before


async def test_only_the_person_and_admins_may_ask_for_it(house: Any) -> None:
    one = house.one
    app = await house.install(one, "calendar")
    for doer in (one.app(app), one.app(app, one.ada.id), Doer(one.id, None, None)):
        with pytest.raises(NotAllowed):
            await house.forgetting.forget(doer, one.bob.id)
    with pytest.raises(NotAllowed):
        await house.forgetting.forget(one.member, one.ada.id)
    await house.people.leave(one.admin, one.bob.id)
    await house.forgetting.forget(one.member, one.bob.id)  # who has left may still ask


async def test_whoever_is_given_something_while_a_person_is_forgotten_is_asked_or_gets_nothing(house: Any) -> None:
    one, bob = house.one, house.one.bob
    installations = [await house.install(one, f"app-{number}") for number in range(12)]
    await release(house, one, installations[0], "app-0", bob)  # from here on Bob's key is at hand

    async def later(number: int) -> bool:
        await asyncio.sleep(number * 0.002)
        try:
            await release(house, one, installations[number], f"app-{number}", bob)
        except TryLater:
            return False
        return True

    forgotten, *given = await asyncio.gather(
        house.forgetting.forget(one.admin, bob.id), *(later(number) for number in range(1, 12))
    )
    recorded = {installation for installation, yes in zip(installations[1:], given, strict=True) if yes}
    assert recorded <= set(forgotten.recipients)
    with pytest.raises(TryLater):
        await release(house, one, installations[1], "app-1", bob)


async def test_what_apps_said_of_failures_does_not_outlive_a_person_whom_it_may_name(house: Any) -> None:
    one, bob = house.one, house.one.bob
    calendar, other = await house.install(one, "calendar"), await house.install(one, "other")
    await release(house, one, calendar, "calendar", bob)

    def fail(conn: Connection) -> None:
        for installation in (calendar, other):
            ids = {"organisation_id": one.id, "installation_id": installation}
            problems.report(conn, one.id, installation, "k", "no mail for Bob", now=house.now, severity="warning")
            conn.execute(
                sa.insert(t.breaker).values(
                    **ids,
                    hook="h",
                    state="open",
                    failures=1,
                    total=1,
                    last_error="Bob?",
                    opened_at=house.now,
                    changed_at=house.now,
                )
            )

    await house.db.write(fail)
    await house.forgetting.forget(one.admin, bob.id)
    texts = {row["installation_id"]: row["text"] for row in await house.rows(t.problem)}
    errors = {row["installation_id"]: row["last_error"] for row in await house.rows(t.breaker)}
    assert "Bob" not in texts[calendar]
    assert "Bob" in texts[other]
    assert errors == {calendar: None, other: "Bob?"}


async def test_whom_an_older_copy_of_the_database_brings_back_is_forgotten_again(house: Any) -> None:
    """Whom it was that each app knew nobody can tell any more: all are asked that were given anything."""
    one, bob = house.one, house.one.bob
    calendar, chat = await house.install(one, "calendar"), await house.install(one, "chat", state="uninstalled")
    never = await house.install(one, "never")
    await release(house, one, calendar, "calendar", bob)
    await release(house, one, chat, "chat", one.ada)
    await house.forgetting.forget(one.admin, bob.id)

    def restore(conn: Connection) -> None:
        conn.execute(
            sa.update(t.person)
            .where(t.person.c.organisation_id == one.id, t.person.c.id == bob.id)
            .values(name=bob.name, email=bob.email, state="active", forgotten_at=None)
        )
        for table in (t.erasure, t.delivery, t.event):
            conn.execute(sa.delete(table))

    await house.db.write(restore)
    assert await house.forgetting.sweep() == [bob.id]
    [row] = await house.rows(t.person, id=bob.id)
    assert (row["state"], row["email"]) == ("forgotten", None)
    asked = {row["installation_id"]: row["person_id"] for row in await house.rows(t.erasure)}
    assert asked == {calendar: bob.id, chat: bob.id}
    assert len(await house.deliveries(chat, "person_forgotten")) == 1
    assert await house.deliveries(never) == []
    assert await house.forgetting.sweep() == []
