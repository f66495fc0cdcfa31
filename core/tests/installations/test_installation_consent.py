"""What somebody sees before they agree, that looking changes nothing, and what contacts are told."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.db.ids import new_id
from assigntask.installations.samples import LONGEST
from assigntask.people import contacts, people
from assigntask.tasks import comments, projects, tasks
from assigntask.tasks.facts import CommentFacts, TaskFacts
from assigntask_sdk.details import DETAILS, SCOPES
from assigntask_sdk.errors import Invalid
from assigntask_sdk.records import Due

READS = {scope: "to show it" for scope, known in SCOPES.items() if not known.power}


async def add_tasks(house: Any, *, project: str = "Ships", creator: str = "Cem", how_many: int = 4) -> list[str]:
    def run(conn: Connection) -> list[str]:
        organisation_id = house.ids["Harbour"]
        project_id = house.ids[f"Harbour {project}"]
        first = tasks.allocate_numbers(conn, organisation_id, how_many)
        status = projects.get(conn, organisation_id, project_id).statuses[0]
        person = house.people[f"Harbour {creator}"]
        made = [
            TaskFacts(
                id=new_id(),
                version=1,
                number=first + step,
                project=project_id,
                summary=f"Paint hull {step} " + "red " * 60,
                description=f"Ask <@{person.id}>",
                type=None,
                status=status,
                labels=(),
                start=None,
                due=Due(house.now.date()),
                created=house.now,
                updated=house.now,
                done=None,
                archived=False,
                checklists=(),
                assignees=(person.id,),
                creator=person.id,
                position=float(step),
                unchecked_by=(),
            )
            for step in range(how_many)
        ]
        tasks.insert(conn, organisation_id, made)
        comments.insert(
            conn,
            organisation_id,
            [
                CommentFacts(new_id(), 1, task.id, project_id, f"Seen, <@{person.id}>", house.now, None, person.id)
                for task in made
            ],
        )
        return [task.id for task in made]

    return await house.db.write(run)  # type: ignore[no-any-return]


async def object_to(house: Any, name: str, app_id: str = "due-guard") -> None:
    row = {"id": new_id(), "organisation_id": house.ids["Harbour"], "app_id": app_id, "made_at": house.now}
    person_id = house.people[f"Harbour {name}"].id
    await house.write(lambda conn: conn.execute(sa.insert(t.objection).values(person_id=person_id, **row)))


async def look(house: Any, **options: Any) -> Any:
    return await house.installing.install(house.doer(), "due-guard", dry_run=True, **options)


async def test_a_dry_run_changes_nothing(house: Any, due_guard: Any) -> None:
    await add_tasks(house)
    before = await house.dump()
    await look(house, without=["people:name"], projects=["Ships"], technical_contact="ben")
    assert await house.dump() == before
    await house.installing.install(house.doer(), "due-guard")
    house.offer(due_guard("2.0.0", retention_days=90), content="second")
    before = await house.dump()
    await house.upgrading.upgrade(house.doer(), "due-guard", dry_run=True)
    assert await house.dump() == before
    await house.leaving.uninstall(house.doer(), "due-guard")
    before = await house.dump()
    await house.leaving.restore(house.doer(), "due-guard", dry_run=True)
    assert await house.dump() == before


async def test_it_names_all_that_the_app_would_get(house: Any) -> None:
    await add_tasks(house)
    seen = await look(house)
    assert [(line.scope, line.required, line.granted) for line in seen.scopes] == [
        ("people:name", False, True),
        ("tasks:read", True, True),
    ]
    assert [line.scope for line in seen.powers] == ["tasks:guard"]
    assert seen.scopes[1].reason == "to look at due dates"
    assert {line.detail for line in seen.details} == {
        name for name, detail in DETAILS.items() if detail.scope in ("tasks:read", "people:name")
    }
    assert {line.hook: line.details for line in seen.hooks}["task_changed"] == ("person.name", "task.due")
    assert seen.channels == ("api", "install", "notice", "question")
    assert (seen.assurance, seen.retention_days, seen.projects) == ("trusted", 30, None)
    assert "what the host passed" in seen.assurance_words
    assert json.loads(json.dumps(seen.to_json())) == seen.to_json()


async def test_it_shows_real_values_and_counts(house: Any) -> None:
    await add_tasks(house)
    seen = {line.detail: line for line in (await look(house)).details}
    due = seen["task.due"]
    assert (due.records, due.people, len(due.samples)) == (4, 0, 3)
    assert due.samples[0]["day"] == house.now.date().isoformat()
    assert seen["task.summary"].people is None  # free text may name anyone
    assert all(len(text) <= LONGEST for text in seen["task.summary"].samples)
    assert seen["task.description"].samples == ("Ask @someone",) * 3
    assert (seen["person.name"].people, seen["person.name"].samples) == (4, ("Ada", "Ben", "Cem"))


async def test_every_detail_of_the_catalogue_can_be_shown(house: Any, due_guard: Any) -> None:
    await add_tasks(house)
    house.offer(due_guard(scopes={"required": READS}, hooks={}))
    seen = {line.detail: line for line in (await look(house, projects=["Ships"])).details}
    assert set(seen) == set(DETAILS)
    assert (seen["task.assignees"].people, seen["task.assignees"].samples) == (1, ())  # an id only the app would see
    assert (seen["task.creator"].people, seen["comment.author"].people) == (1, 1)
    assert seen["task.departments"].samples == ({"Docks": 1},) * 3
    assert seen["comment.text"].samples == ("Seen, @someone",) * 3
    assert seen["organisation.name"].samples == ("Harbour",)
    assert seen["project.statuses"].records == 1
    assert seen["person.email"].samples[0] == "ada@harbour.example"


async def test_it_counts_only_within_reach(house: Any, due_guard: Any) -> None:
    await add_tasks(house)
    await add_tasks(house, project="Cranes", creator="Dot", how_many=2)
    house.offer(due_guard(scopes={"required": READS}, hooks={}))
    seen = {line.detail: line for line in (await look(house, projects=["Cranes"])).details}
    assert (seen["task.due"].records, seen["comment.text"].records, seen["project.name"].records) == (2, 2, 1)
    assert seen["project.name"].samples == ("Cranes",)


async def test_people_who_objected_are_left_out(house: Any, due_guard: Any) -> None:
    await add_tasks(house)
    await object_to(house, "Cem")
    house.offer(due_guard(scopes={"required": READS}, hooks={}))
    preview = await look(house)
    seen = {line.detail: line for line in preview.details}
    assert preview.people_left_out == 1
    assert (seen["person.name"].people, seen["task.assignees"].people, seen["comment.author"].people) == (3, 0, 0)
    assert "Cem" not in json.dumps(preview.to_json())
    assert seen["comment.text"].records == 0
    assert seen["task.departments"].samples == ()


async def test_the_words_agreed_to_are_the_ones_that_were_shown(house: Any) -> None:
    shown = await look(house, without=["people:name"], projects=["Ships"])
    other = await look(house, projects=["Ships"])
    installed = await house.installing.install(house.doer(), "due-guard", without=["people:name"], projects=["Ships"])
    assert installed.notice_digest == shown.notice_digest != other.notice_digest
    entries = await house.ledger.given(house.ids["Harbour"])
    facts = next(entry.facts for entry in entries if entry.kind == "install")
    assert facts["notice"] == shown.notice_digest
    assert facts["manifest"] == shown.manifest_digest
    assert (facts["granted"], facts["declined"]) == (["tasks:guard", "tasks:read"], ["people:name"])
    assert facts["projects"] == [house.ids["Harbour Ships"]]


async def disclosed(house: Any) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    entries = await house.ledger.given(house.ids["Harbour"])
    names = {person.id: person.name for person in house.people.values()}
    return sorted(
        (str(entry.channel), entry.details, tuple(names[one] for one in entry.subjects))
        for entry in entries
        if entry.kind == "release"
    )


class TestContacts:
    async def test_what_the_app_gets_about_them_is_recorded_by_the_install(self, house: Any) -> None:
        seen = await look(house, technical_contact="BEN@harbour.example")
        assert [(line.contact, line.name, line.left_out) for line in seen.contacts] == [
            ("installer", "Ada", None),
            ("technical", "Ben", None),
        ]
        assert seen.contacts[1].values == {"person.email": "ben@harbour.example", "person.name": "Ben"}
        installed = await house.installing.install(house.doer(), "due-guard", technical_contact="ben")
        assert installed.contacts == {
            "installer": house.people["Harbour Ada"].id,
            "technical": house.people["Harbour Ben"].id,
        }
        assert await disclosed(house) == [
            ("install", ("person.email",), ("Ada",)),
            ("install", ("person.email", "person.name"), ("Ben",)),
        ]
        assert await house.queue(installed.id) == [("installed", "waiting")]
        assert await house.ledger.seal() > 0
        assert (await house.ledger.verify(house.ids["Harbour"])).fault is None

    async def test_whoever_is_named_by_somebody_else_is_told(self, house: Any) -> None:
        installed = await house.installing.install(house.doer(), "due-guard", technical_contact="ben")
        assert await house.facts_of("contact.named") == [
            {"app_id": "due-guard", "installation_id": installed.id, "contact": "technical"}
        ]

    async def test_the_organisations_own_contact_is_taken_where_nobody_is_named(self, house: Any) -> None:
        dot = house.people["Harbour Dot"].id
        await house.write(contacts.put, house.ids["Harbour"], "technical", dot)
        assert (await house.installing.install(house.doer(), "due-guard")).contacts["technical"] == dot

    async def test_one_who_objected_or_is_restricted_is_left_out(self, house: Any) -> None:
        await object_to(house, "Ben")
        row = {"id": new_id(), "organisation_id": house.ids["Harbour"], "made_at": house.now}
        ada = house.people["Harbour Ada"].id
        await house.write(lambda conn: conn.execute(sa.insert(t.restriction).values(person_id=ada, **row)))
        seen = await look(house, technical_contact="ben")
        assert [(line.contact, line.left_out, line.values) for line in seen.contacts] == [
            ("installer", "restricted", {}),
            ("technical", "objected", {}),
        ]
        installed = await house.installing.install(house.doer(), "due-guard", technical_contact="ben")
        assert (installed.contacts, await disclosed(house), await house.facts_of("contact.named")) == ({}, [], [])

    async def test_nobody_named_is_shown_as_that(self, house: Any) -> None:
        assert (await look(house)).contacts[1].left_out == "nobody named"

    async def test_somebody_who_left_can_not_be_named(self, house: Any) -> None:
        await house.write(people.mark_left, house.ids["Harbour"], house.people["Harbour Dot"].id)
        with pytest.raises(Invalid, match="no longer active"):
            await house.installing.install(house.doer(), "due-guard", technical_contact="dot")


async def test_where_people_would_be_sent_is_said_before_anybody_agrees(house: Any, due_guard: Any) -> None:
    without = await look(house)
    assert without.sends_people_to == ()
    back = {"redirect_uris": ["https://guard.example/back", "http://127.0.0.1/back"], "auth_method": "none"}
    house.offer(due_guard(oauth=back))
    shown = await look(house)
    assert shown.sends_people_to == ("http://127.0.0.1", "https://guard.example")
    assert shown.notice_digest != without.notice_digest
