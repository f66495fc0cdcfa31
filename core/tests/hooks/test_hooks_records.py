"""Notices about attachments, projects and people: what is told, to whom, and of whom and what nothing is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assigntask.actions.checklists import ChecklistActions
from assigntask.actions.people import PeopleActions
from assigntask.actions.projects import ProjectActions
from assigntask.context.storage import InstallationStore
from assigntask.people.facts import Doer

pytestmark = pytest.mark.timeout(60)

MANIFEST = """
sdk = 1
id = "noting-app"
name = "Noting"
version = "1.0.0"

[vendor]
name = "Test Bench"
contact = "bench@bench.example"
privacy = "https://bench.example/privacy"
country = "NL"

[scopes.optional]
"tasks:read" = "to hear of tasks and projects"
"attachments:read" = "to hear of attachments"
"attachments:people" = "to hear of attachments"
"people:name" = "to hear of people"
"people:work" = "to hear of people"
"people:email" = "to hear of people"
"viewer:change" = "to hear who it was"

[hooks]
task_changed = ["task.checklists"]
attachment_added = ["attachment.name", "attachment.task", "attachment.author", "task.summary", "viewer.change"]
attachment_removed = {removed}
project_changed = ["project.name", "project.archived", "project.statuses", "viewer.change"]
person_changed = ["person.name", "person.email", "person.active", "person.job_title"]
"""

HOOKS = """
from pydantic import TypeAdapter
from assigntask_sdk import Put, hook


async def note(ctx, ask):
    count = 0
    async for _ in ctx.storage.scan("heard/"):
        count += 1
    body = TypeAdapter(type(ask)).dump_python(ask, mode="json")
    await ctx.storage.commit(Put(f"heard/{count:06}", [type(ask).__name__, body]))


for name in ("task_changed", "attachment_added", "attachment_removed", "project_changed", "person_changed"):
    exec(f"@hook.{name}\\nasync def {name}(ctx, ask):\\n    await note(ctx, ask)\\n")
"""


class Heard:
    """A world with the noting app in it, and what the app wrote down."""

    def __init__(self, world: Any, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.people = PeopleActions(world.db, world.clock)
        self.projects = ProjectActions(world.db, world.clock)

    async def install(
        self, removed: Sequence[str] = ("attachment.task", "viewer.change"), *, by: str = "ada", **options: Any
    ) -> None:
        package = self.folder / "noting_app"
        package.mkdir()
        named = ", ".join(f'"{name}"' for name in removed)
        (package / "app.toml").write_text(MANIFEST.replace("{removed}", f"[{named}]"))
        (package / "hooks.py").write_text(HOOKS)
        (package / "__init__.py").touch()
        app = self.world.offer("noting_app", self.folder)
        installed = await self.world.installing.install(self.world.doer(by), app.id, **options)
        self.world.ids["noting_app"] = installed.id

    async def told(self) -> list[tuple[str, Any]]:
        """All that was told until now, less ids of deliveries and moments."""
        where = {"organisation_id": self.world.ids["here"], "installation_id": self.world.ids["noting_app"]}
        await self.world.notices.drain(*where.values())
        store = InstallationStore(self.world.db, self.world.sealing, **where)
        notes: list[Any] = [entry.value async for _, entry in store.scan("heard/")]
        return [(kind, {name: said for name, said in ask.items() if name not in ("id", "at")}) for kind, ask in notes]

    async def known_as(self, name: str) -> str:
        return str((await self.world.grant("noting_app")).pairwise(self.world.ids[name]))

    async def queued(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = await self.world.lines("noting_app")
        return found


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is told is decided above the database: one of them is enough."""
    return sqlite_url


@pytest.fixture
def heard(world: Any, tmp_path: Path) -> Heard:
    return Heard(world, tmp_path)


async def test_an_attachment_is_told_with_its_task_and_gone_it_is_an_id(heard: Heard) -> None:
    await heard.install()
    world = heard.world
    task = await world.task("Oil it")
    link = await world.actions.attach(world.doer("ben"), task.id, "Plan", "https://plans.example/1")
    ben, ada = await heard.known_as("ben"), await heard.known_as("ada")
    added, *rest = await heard.told()
    assert rest == []
    assert added[0] == "AttachmentAdded"
    assert added[1]["attachment"] == {
        "id": link.id, "version": 1, "name": "Plan", "task": task.id,
        "author": added[1]["attachment"]["author"],
    }  # fmt: skip
    assert (added[1]["attachment"]["author"]["id"], added[1]["by"]["id"]) == (ben, ben)
    assert added[1]["task"] == {"id": task.id, "version": 1, "summary": "Oil it"}
    await world.actions.detach(world.doer(), link.id)
    _, (kind, removed) = await heard.told()
    assert kind == "AttachmentRemoved"
    assert removed["attachment"] == {"id": link.id, "version": 1, "task": task.id}
    assert removed["by"]["id"] == ada


async def test_what_was_removed_before_it_was_told_is_told_as_removed_alone(heard: Heard) -> None:
    await heard.install()
    world = heard.world
    task = await world.task("Oil it")
    link = await world.actions.attach(world.doer("ben"), task.id, "Plan", "https://plans.example/1")
    await world.actions.detach(world.doer("ben"), link.id)
    assert [kind for kind, _ in await heard.told()] == ["AttachmentRemoved"]
    assert await heard.queued() == [("attachment_added", "skipped"), ("attachment_removed", "delivered")]


@pytest.mark.parametrize("case", ["out of reach", "without the scope", "by somebody who objected", "its own"])
async def test_of_some_attachments_not_even_the_id_is_told(heard: Heard, case: str) -> None:
    reach = ["far"] if case == "out of reach" else ()
    without = ["attachments:read", "attachments:people"] if case == "without the scope" else ()
    await heard.install(projects=reach, without=without)
    world = heard.world
    task = await world.task("Oil it")
    by = world.doer("ben")
    if case == "its own":
        by = Doer(world.ids["here"], None, None, installation_id=world.ids["noting_app"])
    link = await world.actions.attach(by, task.id, "Plan", "https://plans.example/1")
    kept = await world.actions.attach(by, task.id, "Kept", "https://plans.example/2")
    if case == "by somebody who objected":
        await world.objections.object(world.doer("ben"), "noting-app")
    await world.actions.detach(by if case == "its own" else world.doer(), link.id)
    assert await heard.told() == []
    assert {state for hook, state in await heard.queued()} <= {"skipped"}
    given = repr([entry.to_json() for entry in await world.ledger.given(world.ids["here"]) if entry.kind == "release"])
    assert link.id not in given
    assert kept.id not in given


async def test_without_the_detail_a_removal_does_not_say_of_which_task(heard: Heard) -> None:
    await heard.install(removed=["attachment.name"])
    world = heard.world
    task = await world.task("Oil it")
    link = await world.actions.attach(world.doer("ben"), task.id, "Plan", "https://plans.example/1")
    await world.actions.detach(world.doer("ben"), link.id)
    assert await heard.told() == [("AttachmentRemoved", {"attachment": {"id": link.id, "version": 1}, "by": None})]
    assert (await world.ledger.verify(world.ids["here"])).fault is None


async def test_a_page_of_events_gives_a_removal_no_more_than_the_notice(heard: Heard) -> None:
    await heard.install(removed=["attachment.name", "attachment.task"])
    world = heard.world
    task = await world.task("Oil it")
    await world.actions.attach(world.doer("ben"), task.id, "Kept", "https://plans.example/2")
    link = await world.actions.attach(world.doer("ben"), task.id, "Plan", "https://plans.example/1")
    await world.actions.detach(world.doer("ben"), link.id)
    ctx = world.contexts.make(await world.grant("noting_app"), deadline=world.clock(), settings={})
    page = await ctx.events.list()
    assert [event.hook for event in page.items] == ["attachment_added", "attachment_removed"]
    assert set(page.items[0].ask.attachment) == {"id", "version", "name", "task", "author"}
    assert set(page.items[1].ask.attachment) == {"id", "version", "task"}
    narrow = world.contexts.make(
        await world.grant("noting_app"), deadline=world.clock(), settings={}, scopes=frozenset({"tasks:read"})
    )
    assert (await narrow.events.list()).items == ()


async def test_a_checklist_is_a_change_of_its_task(heard: Heard) -> None:
    await heard.install()
    world = heard.world
    task = await world.task("Oil it")
    steps = ChecklistActions(world.db, world.questions, world.clock)
    checklist = await steps.add(world.doer("ben"), task.id, "Steps", ["one"], key="k")
    item = (await world.read(task)).checklists[0].items[0]
    await steps.set_done(world.doer("ben"), item.id, True)
    told = await heard.told()
    assert [(kind, ask["changed"]) for kind, ask in told] == [("TaskChanged", ["checklists"])] * 2
    assert told[-1][1]["task"]["checklists"][0]["id"] == checklist
    assert told[-1][1]["task"]["checklists"][0]["items"][0]["done"] is True


async def test_a_project_is_told_when_it_is_made_changed_and_archived(heard: Heard) -> None:
    await heard.install()
    ada = heard.world.doer()
    made = await heard.projects.create(ada, "Docks")
    assert [status["name"] for status in (await heard.told())[0][1]["project"]["statuses"]] == [
        "To do",
        "Doing",
        "Done",
    ]
    await heard.projects.edit(ada, made.id, name="The docks", description="Not asked for")
    await heard.projects.edit(ada, made.id, description="Nor this")
    await heard.projects.add_status(ada, made.id, "Waiting")
    await heard.projects.edit(ada, made.id, archived=True)
    told = [ask for _, ask in await heard.told()]
    assert [ask["changed"] for ask in told] == [
        ["name", "archived", "statuses"], ["name"], ["statuses"], ["archived"],
    ]  # fmt: skip
    assert {ask["project"]["id"] for ask in told} == {made.id}
    assert {ask["by"]["id"] for ask in told} == {await heard.known_as("ada")}
    assert (told[-1]["project"]["name"], told[-1]["project"]["archived"]) == ("The docks", True)


async def test_a_project_out_of_reach_is_not_told(heard: Heard) -> None:
    await heard.install(projects=["far"])
    world = heard.world
    await heard.projects.edit(world.doer(), world.ids["near"], name="Nearer")
    await heard.projects.edit(world.doer(), world.ids["far"], name="Farther")
    assert [ask["project"]["name"] for _, ask in await heard.told()] == ["Farther"]


async def test_people_are_told_as_far_as_the_app_may_know_them(heard: Heard) -> None:
    await heard.install()
    world, ada = heard.world, heard.world.doer()
    dee = await heard.people.add(ada, name="Dee", email="dee@harbour.example", department="Docks")
    await heard.people.rename(ada, dee.id, "Deirdre")
    await heard.people.department(ada, dee.id, "Office")  # not asked for
    await heard.people.leave(ada, dee.id)
    told = await heard.told()
    world.ids["dee"] = dee.id
    who = await heard.known_as("dee")
    assert [(kind, ask["change"], ask["changed"]) for kind, ask in told] == [
        ("PersonChanged", "joined", ["name", "email", "active"]),
        ("PersonChanged", "changed", ["name"]),
        ("PersonChanged", "left", ["active"]),
    ]
    assert told[-1][1]["person"] == {
        "id": who, "version": 4, "withheld": False, "name": "Deirdre", "email": "dee@harbour.example",
        "job_title": None, "active": False,
    }  # fmt: skip
    assert "person.email" in frozenset().union(*await world.released("noting_app", ["notice"]))


async def test_without_the_scopes_neither_who_joined_nor_that_they_left_is_told(heard: Heard) -> None:
    await heard.install(without=["people:work", "people:email"])
    ada = heard.world.doer()
    dee = await heard.people.add(ada, name="Dee", email="dee@harbour.example")
    await heard.people.email(ada, dee.id, "d@harbour.example")
    await heard.people.leave(ada, dee.id)
    told = await heard.told()
    assert [(ask["change"], ask["changed"]) for _, ask in told] == [("joined", ["name"])]
    assert set(told[0][1]["person"]) == {"id", "version", "withheld", "name"}
    assert await heard.queued() == [("person_changed", "delivered")]


@pytest.mark.parametrize("case", ["objected", "restricted", "forgotten", "installed for one alone"])
async def test_of_who_is_withheld_nothing_is_told(heard: Heard, case: str) -> None:
    world, ada = heard.world, heard.world.doer()
    ben = world.ids["ben"]
    if case == "installed for one alone":
        await heard.people.policy(ada, members_may_install="self")
        await heard.install(without=["people:email"], by="cem")
    else:
        await heard.install()
    await heard.people.rename(ada, ben, "Benedict")
    if case == "objected":
        await world.objections.object(world.doer("ben"), "noting-app")
    if case == "restricted":
        await world.objections.restrict(ada, ben)
    if case == "forgotten":
        await world.forgetting.forget(ada, ben)
    else:
        await heard.people.job_title(ada, ben, "Diver")
    assert await heard.told() == []
    assert {state for _, state in await heard.queued()} == {"skipped"}
    assert await world.released("noting_app", ["notice"]) == []


async def test_who_is_withheld_joins_and_leaves_unseen_while_others_are_told(heard: Heard) -> None:
    await heard.install()
    world, ada = heard.world, heard.world.doer()
    await world.objections.object(world.doer("ben"), "noting-app")
    await heard.people.rename(ada, world.ids["ben"], "Benedict")
    await heard.people.rename(ada, world.ids["cem"], "Cemal")
    assert [ask["person"]["name"] for _, ask in await heard.told()] == ["Cemal"]
    await world.objections.withdraw(world.doer("ben"), "noting-app")
    await heard.people.rename(ada, world.ids["ben"], "Ben")
    assert (await heard.told())[-1][1]["person"]["id"] == await heard.known_as("ben")
