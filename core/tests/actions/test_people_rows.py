"""People, departments, organisations and contacts as rows."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from assigntask.db import tables as t
from assigntask.errors import HostError
from assigntask.people import contacts, departments, doers, organisations, people
from assigntask.people.facts import PersonFacts
from assigntask.people.rights import rights_of
from assigntask.people.text import checked, checked_user_name, email_key, storable
from assigntask_sdk.details import SCOPES
from assigntask_sdk.errors import Invalid, NotFound

NOW = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)


async def code(attempt: Any) -> str:
    with pytest.raises((HostError, Invalid, NotFound)) as refused:
        await attempt
    return refused.value.code


async def test_an_address_is_one_persons_in_any_case(house: Any) -> None:
    add = house.people.add
    assert await code(add(house.one.admin, name="B", email="BOB@Example.ORG")) == "person_exists"
    assert await code(add(house.one.admin, name="B", user_name="bob")) == "person_exists"
    once = await asyncio.gather(
        *(add(house.one.admin, name="C", email=email) for email in ("cy@example.org", "Cy@example.org")),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in once) == ["HostError", "PersonFacts"]
    assert (await add(house.other.admin, name="C", email="cy@example.org")).email == "cy@example.org"


async def test_an_address_can_be_given_later_and_is_not_taken_from_anybody(house: Any) -> None:
    one = house.one
    cy = await house.people.add(one.admin, name="Cy")
    before = await house.dump()
    assert await code(house.people.email(one.admin, cy.id, "ADA@example.org")) == "person_exists"
    assert await code(house.people.email(one.admin, cy.id, "nowhere")) == "invalid"
    assert await house.dump() == before
    assert (await house.people.email(one.admin, cy.id, "Cy@example.org")).version == 2
    assert (await house.db.read(people.find, one.id, "cy@EXAMPLE.org")).id == cy.id


async def test_people_are_found_by_address_user_name_and_id(house: Any) -> None:
    bob = house.one.bob
    for text in (bob.id, "BOB@example.org", " bob@example.org ", "bob", "@bob"):
        assert (await house.db.read(people.find, house.one.id, text)).id == bob.id
    for text in ("", "boz", house.other.bob.id, "%"):
        assert await code(house.db.read(people.find, house.one.id, text)) == "person_unknown"


async def test_every_change_makes_a_new_version_and_ends_the_epoch(house: Any) -> None:
    one = house.one
    changes: list[Callable[[], Awaitable[PersonFacts]]] = [
        lambda: house.people.role(one.admin, one.bob.id, "admin"),
        lambda: house.people.department(one.admin, one.bob.id, "Service"),
        lambda: house.people.job_title(one.admin, one.bob.id, "Mechanic"),
        lambda: house.people.rename(one.member, one.bob.id, "Robert"),
        lambda: house.people.leave(one.admin, one.bob.id),
    ]
    for number, change in enumerate(changes, 2):
        [before] = await house.rows(t.organisation, id=one.id)
        person = await change()
        [after] = await house.rows(t.organisation, id=one.id)
        assert person.version == number
        assert after["epoch"] > before["epoch"]
    assert (person.name, person.department, person.job_title, person.state) == ("Robert", "Service", "Mechanic", "left")
    kinds = [row["kind"] for row in await house.rows(t.event)]
    assert kinds == ["person.changed"] * 3 + ["person.renamed", "person.left"]


async def test_what_somebody_is_already_changes_nothing(house: Any) -> None:
    before = await house.dump()
    await house.people.role(house.one.admin, house.one.bob.id, "member")
    await house.people.department(house.one.admin, house.one.bob.id, "Sales")
    assert await house.dump() == before


async def test_an_organisation_keeps_an_admin_whatever_happens_at_once(house: Any) -> None:
    one = house.one
    for attempt in (
        house.people.role(one.admin, one.ada.id, "member"),
        house.people.leave(one.admin, one.ada.id),
        house.forgetting.forget(one.admin, one.ada.id),
    ):
        assert await code(attempt) == "last_admin"
    await house.people.role(one.admin, one.bob.id, "admin")
    outcomes = await asyncio.gather(
        house.people.leave(doers.operator_of(one.id), one.ada.id),
        house.people.leave(doers.operator_of(one.id), one.bob.id),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["HostError", "PersonFacts"]


async def test_departments_count_their_active_people(house: Any) -> None:
    one = house.one
    await house.people.add(one.admin, name="Cy", department="Sales")
    dee = await house.people.add(one.admin, name="Dee", department="Workshop")
    await house.people.leave(one.admin, dee.id)
    assert await house.db.read(people.department_sizes, one.id) == {"Sales": 2, "Workshop": 0}
    made = await asyncio.gather(*(house.db.write(departments.ensure, one.id, "New") for _ in range(4)))
    assert len(set(made)) == 1
    assert await house.db.read(people.department_sizes, house.other.id) == {"Sales": 1}


async def test_lists_of_people_stay_within_the_organisation(house: Any) -> None:
    one = house.one
    everybody = {one.ada.id, one.bob.id}
    assert {person.id for person in await house.db.read(people.listed, one.id)} == everybody
    assert set(await house.db.read(people.everyone, one.id)) == everybody
    asked = [one.ada.id, house.other.ada.id, "nobody"]
    assert set(await house.db.read(people.load, one.id, asked)) == {one.ada.id}
    assert await house.db.read(people.active, one.id, asked) == {one.ada.id}
    assert await house.db.read(people.by_user_names, one.id, ["ada", "nobody"]) == {"ada": one.ada.id}


async def test_a_contact_is_an_active_person_and_ends_with_them(house: Any) -> None:
    one = house.one
    assert await house.db.read(contacts.get, one.id, "technical") is None
    await house.people.contact(one.admin, "technical", one.bob.id)
    await house.people.contact(one.admin, "billing", one.bob.id)
    assert await house.db.read(contacts.get, one.id, "technical") == one.bob.id
    assert await house.db.read(contacts.get, house.other.id, "technical") is None
    await house.people.contact(one.admin, "technical", one.ada.id)
    await house.people.leave(one.admin, one.bob.id)
    assert await house.db.read(contacts.get, one.id, "billing") is None
    assert await house.db.read(contacts.get, one.id, "technical") == one.ada.id
    assert await code(house.people.contact(one.admin, "billing", one.bob.id)) == "invalid"
    assert await code(house.people.contact(one.admin, "legal", one.ada.id)) == "invalid"


async def test_a_doer_is_somebody_who_is_active_here(house: Any) -> None:
    one = house.one
    doer = await house.db.read(doers.doer, one.id, one.bob.id, operator=True)
    assert (doer.role, doer.operator, doers.is_admin(doer)) == ("member", True, False)
    await house.people.leave(one.admin, one.bob.id)
    assert await code(house.db.read(doers.doer, one.id, one.bob.id)) == "person_inactive"
    assert await code(house.db.read(doers.doer, one.id, house.other.ada.id)) == "not_found"


async def test_an_organisation_is_found_by_name_or_the_nearest_is_named(house: Any) -> None:
    assert (await house.db.read(organisations.by_name, " One ")).id == house.one.id
    with pytest.raises(HostError, match="'Other'") as unknown:
        await house.db.read(organisations.by_name, "Othr")
    assert unknown.value.code == "organisation_unknown"
    assert await code(house.db.write(organisations.create, "One", "UTC", NOW)) == "organisation_exists"
    assert await code(house.db.write(organisations.create, "Three", "Moon/Base", NOW)) == "invalid"
    assert await code(house.db.write(organisations.create, "Three", "../etc/passwd", NOW)) == "invalid"


async def test_a_policy_is_what_was_decided_over_what_holds_anyway(house: Any) -> None:
    assert await house.db.read(organisations.policy, house.one.id) == {"members_may_install": "request"}
    assert (await house.people.policy(house.one.admin, members_may_install="self"))["members_may_install"] == "self"
    assert await house.db.read(organisations.policy, house.other.id) == {"members_may_install": "request"}
    assert await code(house.people.policy(house.one.admin, members_may_install="perhaps")) == "invalid"
    assert await code(house.people.policy(house.one.admin, dress="blue")) == "invalid"
    assert await code(house.people.policy(house.one.member, members_may_install="no")) == "not_allowed"


def test_an_admin_has_every_right_and_a_member_those_that_are_not_an_admins() -> None:
    assert rights_of("admin") == frozenset(SCOPES)
    lacking = rights_of("admin") - rights_of("member")
    assert lacking == {"people:email", "tasks:guard", "deliveries:manage"}


def test_addresses_differ_neither_by_case_nor_by_how_accents_are_composed() -> None:
    assert email_key("Ren\u00e9@example.org") == email_key("RENE\u0301@example.org")
    assert email_key("STRASSE@example.org") == email_key("straße@example.org")


@pytest.mark.parametrize("text", ["", " ", "a\x00b", "\ud800", "x" * 11])
def test_text_that_cannot_be_kept_is_refused_and_named(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked("name", text, limit=10)
    assert list(refused.value.fields) == ["name"]


def test_imported_text_loses_only_what_no_database_takes() -> None:
    assert storable("a\x00b\ud800c\ndé") == "a\ufffdb\ufffdc\ndé"


@pytest.mark.parametrize("text", ["a b", "a@b", "a/b", "<a>"])
def test_a_user_name_has_an_end(text: str) -> None:
    with pytest.raises(Invalid):
        checked_user_name(text)


async def test_a_text_may_name_more_people_than_a_statement_takes(house: Any) -> None:
    bob = house.one.bob
    many = [f"nobody{number}" for number in range(70_000)]
    assert list(await house.db.read(people.load, house.one.id, [*many, bob.id])) == [bob.id]
    assert await house.db.read(people.by_user_names, house.one.id, [*many, "bob"]) == {"bob": bob.id}
