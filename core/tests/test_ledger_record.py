"""What an entry says: canonical bytes without a personal value, and who can read more out of it."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from assigntask.db import Database, new_id
from assigntask.errors import HostError
from assigntask.gate.gate import Gate, Slot
from assigntask.ledger import rows
from assigntask.ledger.channel import Channel
from assigntask.ledger.entry import (
    Act,
    Disclosure,
    Recipient,
    RecordSeen,
    Row,
    Subject,
    Value,
    act_row,
    commitment,
    disclosure_row,
    moment,
    value_place,
)
from assigntask.ledger.ledger import Ledger
from assigntask.ledger.subjects import SubjectKeys, unseal
from assigntask.people.facts import Doer
from assigntask_sdk.details import DETAILS
from assigntask_sdk.errors import TryLater

if TYPE_CHECKING:
    from core.tests.conftest import World

AT = dt.datetime(2026, 3, 2, 9, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
PERSON = sorted(name for name in DETAILS if name.startswith("person."))
EMAIL = frozenset({"person.email"})

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
secrets = words.map(lambda text: f"Zq{text}")  # so that it is nowhere by chance
subjects = st.builds(Subject, st.uuids().map(str), st.integers(0, 3))


@st.composite
def disclosures(draw: st.DrawFn) -> Disclosure:
    people = draw(st.lists(subjects, max_size=4, unique_by=lambda subject: subject.subject_id))
    about = st.sampled_from(people) if people else st.nothing()
    of_people = st.builds(RecordSeen, kind=st.just("person"), id=secrets, version=st.integers(1, 2**40), subject=about)
    of_tasks = st.builds(RecordSeen, kind=st.just("task"), id=st.uuids().map(str), version=st.integers(1, 2**40))
    values = st.lists(
        st.builds(Value, about, st.sampled_from(PERSON), secrets),
        unique_by=lambda value: (value.subject, value.detail),
        max_size=6,
    )
    return Disclosure(
        organisation_id=new_id(),
        recipient=Recipient(new_id(), draw(words), draw(words), draw(st.integers(1, 2**40)), "trusted"),
        channel=draw(st.sampled_from(Channel)),
        actor=draw(st.sampled_from(["viewer", "installation", "person"])),
        actor_subject=draw(st.none() | about) if people else None,
        details=draw(st.frozensets(st.sampled_from(sorted(DETAILS)))),
        records=draw(st.lists(of_people | of_tasks if people else of_tasks, max_size=6)),
        subjects=people,
        values=draw(values) if people else [],
    )


def keys_of(disclosure: Disclosure) -> dict[str, bytes]:
    return {subject.subject_id: subject.subject_id.encode()[:32] for subject in disclosure.subjects}


def scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from (each for item in value.items() for part in item for each in scalars(part))
    elif isinstance(value, list):
        yield from (each for part in value for each in scalars(part))
    else:
        yield value


def check_canonical(row: Row) -> dict[str, Any]:
    body = json.loads(row.leaf)
    assert rfc8785.dumps(body).decode() == row.leaf
    assert {type(each) for each in scalars(body)} <= {str, int}
    assert (body["id"], body["at"], body["organisation"]) == (row.id, moment(AT), row.organisation_id)
    assert body["at"] == "2026-03-02T07:30:00.000000Z"
    assert body["subjects"] == sorted(row.subjects)
    return dict(body)


@given(disclosures())
def test_a_release_is_canonical_and_holds_no_personal_value(disclosure: Disclosure) -> None:
    row = disclosure_row(disclosure, id=new_id(), at=AT, keys=keys_of(disclosure))
    body = check_canonical(row)
    secret = {value.text for value in disclosure.values} | {seen.id for seen in disclosure.records if seen.subject}
    secret |= {subject.subject_id for subject in disclosure.subjects}
    for text in secret:
        assert text not in row.leaf
        assert json.dumps(text)[1:-1] not in row.leaf
    assert len(body["records"]) == len(disclosure.records)
    assert (body["kind"], body["direction"], body["channel"]) == ("release", "out", disclosure.channel.value)
    assert body["details"] == sorted(disclosure.details)


@given(disclosures())
def test_who_has_the_key_can_open_each_value_and_hold_it_against_the_entry(disclosure: Disclosure) -> None:
    entry_id, keys = new_id(), keys_of(disclosure)
    row = disclosure_row(disclosure, id=entry_id, at=AT, keys=keys)
    body = json.loads(row.leaf)
    opened = {}
    for ref, detail, sealed in row.values:
        for key in keys.values():
            try:
                data = unseal(key, sealed, associated=value_place(entry_id, ref, detail))
            except HostError:
                continue
            with pytest.raises(HostError):
                unseal(key, sealed, associated=value_place(new_id(), ref, detail))
            assert commitment(data[:32], data[32:].decode()) == body["commitments"][f"{ref} {detail}"]
            opened[ref, detail] = data[32:].decode()
    assert sorted(opened.values()) == sorted(value.text for value in disclosure.values)
    assert len(body["commitments"]) == len(disclosure.values)


@given(disclosures())
def test_the_same_value_twice_can_not_be_told_to_be_the_same(disclosure: Disclosure) -> None:
    made = [disclosure_row(disclosure, id=new_id(), at=AT, keys=keys_of(disclosure)) for _ in range(2)]
    first, second = (set(json.loads(row.leaf)["commitments"].values()) for row in made)
    assert not first & second


@given(disclosures(), st.uuids().map(str))
def test_installations_and_generations_name_the_same_subject_differently(
    disclosure: Disclosure, installation: str
) -> None:
    to = replace(disclosure.recipient, installation_id=installation)
    later = [replace(subject, generation=subject.generation + 4) for subject in disclosure.subjects]
    variants = (
        disclosure,
        replace(disclosure, recipient=to, values=[], records=[]),
        replace(disclosure, subjects=later, values=[], records=[]),
    )
    keys = keys_of(disclosure)
    refs = [disclosure_row(each, id=new_id(), at=AT, keys=keys).subjects for each in variants]
    assert len({ref for each in refs for ref in each}) == 3 * len(disclosure.subjects)


fact_names = st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=20)
facts = st.dictionaries(fact_names, words | st.integers(-(2**50), 2**50) | st.booleans() | st.lists(words, max_size=3))


@given(facts, st.lists(subjects, max_size=3), st.none() | subjects, st.booleans())
def test_an_act_is_canonical_and_names_subjects_by_reference(
    facts: dict[str, Any], about: list[Subject], by: Subject | None, operator: bool
) -> None:
    act = Act(new_id(), "objection", facts, app_id="log", by=by, operator=operator, subjects=about)
    named = [*about, *([by] if by else [])]
    keys = {subject.subject_id: subject.subject_id.encode()[:32] for subject in named}
    row = act_row(act, id=new_id(), at=AT, keys=keys)
    body = check_canonical(row)
    for subject in named:
        assert subject.subject_id not in row.leaf
    assert body["by"] == ("operator" if operator else "person" if by else "host")


# In the database


async def test_an_act_is_recorded_with_what_it_is_about_or_not_at_all(
    world: World, ledger: Ledger, database: Database
) -> None:
    admin, person = await world.person(role="admin"), await world.person()
    doer = Doer(world.organisation_id, admin.id, "admin", operator=True)

    def act(conn: Connection, fails: bool) -> None:
        ledger.act(conn, world.organisation_id, "restriction", doer=doer, facts={"until": "lifted"}, subjects=[person])
        if fails:
            raise HostError("stopped", "The unit was given up.")

    with pytest.raises(HostError):
        await database.write(act, True)
    assert await ledger.given(world.organisation_id) == []
    await database.write(act, False)
    (entry,) = await ledger.given(world.organisation_id)
    assert (entry.kind, entry.actor, entry.subjects) == (
        "restriction",
        f"operator, on behalf of {admin.id}",
        (person.id,),
    )
    assert entry.facts == {"until": "lifted"}
    assert entry.to_json()["direction"] is None
    assert await ledger.given(world.organisation_id, person=person) == [entry]


async def give(world: World, gate: Gate, installation: str, *people: Any) -> None:
    slots = {"people": Slot(people)}
    await gate.release(await world.grant(installation), EMAIL, slots, channel=Channel.API)


async def test_what_was_given_about_somebody_is_found_over_all_installations_and_ids(
    world: World, gate: Gate, ledger: Ledger, database: Database
) -> None:
    person, other = await world.person(), await world.person()
    first, second = await world.install(["people:email"]), await world.install(["people:email"])
    app = await world.app_of(second)
    await give(world, gate, first, person, other)
    await give(world, gate, first, other)
    await give(world, gate, second, person)
    await world.generation(person.id, app, 1)
    await give(world, gate, second, person)
    mine = await ledger.given(world.organisation_id, person=person)
    assert [entry.installation for entry in mine] == [first, second, second]
    assert [entry.subjects for entry in mine] == [tuple(sorted((person.id, other.id))), (person.id,), (person.id,)]
    assert len(await ledger.given(world.organisation_id, person=person, app_id=app)) == 2
    assert len(await ledger.given(world.organisation_id, app_id=app)) == 2
    assert len(await ledger.given(world.organisation_id, limit=1)) == 1
    recipients = await database.read(ledger.recipients, world.organisation_id, person)
    assert recipients == sorted((first, second))
    assert await database.read(ledger.recipients, world.organisation_id, other) == [first]


async def test_the_entries_of_a_forgotten_person_can_not_be_traced(
    world: World, gate: Gate, ledger: Ledger, subject_keys: SubjectKeys, database: Database
) -> None:
    person, installation = await world.person(), await world.install(["people:email"])
    await give(world, gate, installation, person)
    (before,) = await database.read(rows.find, world.organisation_id)
    (value,) = await database.read(rows.values_of, world.organisation_id, [before.id])
    await world.forgets(person.id)
    subject_keys.destroy(person.subject_id)
    (entry,) = await ledger.given(world.organisation_id)
    assert entry.subjects == tuple(before.body()["subjects"])
    assert person.id not in json.dumps(entry.to_json())
    assert await ledger.given(world.organisation_id, person=person) == []
    assert await database.read(ledger.recipients, world.organisation_id, person) == []
    with pytest.raises(HostError) as gone:
        subject_keys.open(person.subject_id, value[3], associated=value_place(*value[:3]))
    assert gone.value.code == "subject_key_gone"


async def test_what_a_unit_releases_is_recorded_in_the_unit(
    world: World, ledger: Ledger, database: Database, subject_keys: SubjectKeys
) -> None:
    person, installation = await world.person(), await world.install(["people:email"])
    subject = Subject(person.subject_id)
    disclosure = Disclosure(
        world.organisation_id,
        Recipient(installation, "log", "Quay", 1, "trusted"),
        Channel.INSTALL,
        "person",
        None,
        EMAIL,
        [RecordSeen("person", person.id, 1, subject)],
        [subject],
        [Value(subject, "person.email", "a@example.org")],
    )
    entry_id = await database.write(ledger.disclose, disclosure)
    (entry,) = await ledger.given(world.organisation_id, person=person)
    assert (entry.id, entry.channel, entry.records) == (entry_id, "install", (("person", person.id, 1),))
    subject_keys.destroy(person.subject_id)
    with pytest.raises(TryLater):
        await database.write(ledger.disclose, disclosure)
    assert len(await ledger.given(world.organisation_id)) == 1


async def test_one_release_that_can_not_be_written_does_not_stop_the_next(
    world: World, gate: Gate, ledger: Ledger
) -> None:
    person, installation = await world.person(), await world.install(["people:email"])
    grant = await world.grant(installation)
    waiting = asyncio.create_task(gate.release(grant, EMAIL, {"person": Slot(person)}, channel=Channel.API))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(10):
        released = await gate.release(grant, EMAIL, {"person": Slot(person)}, channel=Channel.API)
    assert released.entry_id in {entry.id for entry in await ledger.given(world.organisation_id)}
