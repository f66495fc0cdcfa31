"""What the first page shows: the board, the organisations, what apps draw, and the directory."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.db import tables as t
from assigntask.people import people
from assigntask.tasks import projects, tasks
from assigntask_sdk.apps import AppBroken, InstalledApp
from assigntask_sdk.blocks import ListBlock, Table, Text, When, Who
from assigntask_sdk.records import Due, PersonId

pytestmark = pytest.mark.timeout(60)

World = Any

START = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


def scribble(*blocks: Any) -> None:
    from scribbling_app import hooks  # type: ignore[import-not-found]

    hooks.panel[:] = blocks


# --- the board --------------------------------------------------------------------------------------------------


async def test_a_card_shows_what_there_is_to_know_about_a_task(world: World) -> None:
    bo = await world.person("Bo Berg")
    labels = await world.platform.db.write(_labels, world.ids)
    kind = await world.platform.db.write(projects.ensure_type, world.ids["Harbour"], "Repair")
    task = await world.task("Oil the crane", type=kind, labels=labels, assignees=[bo], due=Due(dt.date(2026, 3, 20)))
    await world.platform.db.write(_checklist, world.ids["Harbour"], task.id)
    page = await world.page()
    assert page.text[page.text.index("#1") :].split("Doing")[0].split() == [
        "#1",
        "·",
        "Repair",
        "Oil",
        "the",
        "crane",
        "red",
        "urgent",
        "due",
        "20",
        "Mar",
        "checklist",
        "2",
        "of",
        "3",
        "Assigned",
        "to",
        "Bo",
        "Berg",
    ]
    assert ("li", {"class": "label red"}) in page.elements
    assert ("li", {"class": "label grey"}) in page.elements


def _labels(conn: sa.Connection, ids: dict[str, str]) -> list[str]:
    place = (conn, ids["Harbour"], ids["Harbour board"])
    return [projects.add_label(*place, "", colour="red_dark"), projects.add_label(*place, "urgent", colour="plaid")]


def _checklist(conn: sa.Connection, organisation_id: str, task_id: str) -> None:
    mine = {"organisation_id": organisation_id}
    conn.execute(sa.insert(t.checklist).values(**mine, id="c" * 36, task_id=task_id, name="Steps", position=1))
    for place, done in enumerate((True, True, False)):
        item = {"id": str(place) * 36, "checklist_id": "c" * 36, "text": "step", "done": done, "position": place}
        conn.execute(sa.insert(t.checklist_item).values(**mine, **item))


async def test_columns_are_the_statuses_in_order_and_count_their_tasks(world: World) -> None:
    statuses = await world.statuses()
    await world.task("one")
    await world.task("two")
    await world.task("three", status=statuses["Doing"])
    archived = await world.task("gone")
    await world.platform.tasks.archive(world.doer(), archived.id)
    page = await world.page()
    assert "To do tasks: 2 #1 one #2 two Doing tasks: 1 #3 three Done tasks: 0" in page.text
    assert "gone" not in page.text


async def test_times_are_the_viewers_and_what_is_late_says_so(open_world: Any) -> None:
    async with open_world() as world:
        await world.organisation("Harbour", admin="ada", time_zone="Pacific/Auckland")  # 22:00 there, on 2 March
        statuses = await world.statuses()
        await world.task("at noon", due=Due(dt.date(2026, 3, 3), dt.datetime(2026, 3, 2, 23, tzinfo=dt.UTC)))
        await world.task("today", due=Due(dt.date(2026, 3, 2)))
        await world.task("yesterday", due=Due(dt.date(2026, 3, 1)))
        await world.task("an hour ago", due=Due(dt.date(2026, 3, 2), dt.datetime(2026, 3, 2, 8, tzinfo=dt.UTC)))
        await world.task("last year", due=Due(dt.date(2025, 3, 1)), status=statuses["Done"])
        text = (await world.page()).text
        assert "at noon due 3 Mar, 12:00" in text
        assert "today due 2 Mar" in text
        assert "yesterday overdue since 1 Mar" in text
        assert "an hour ago overdue since 2 Mar, 21:00" in text
        assert "last year due 1 Mar 2025" in text
        assert "Times are in Pacific/Auckland" in text


async def test_a_save_that_an_app_did_not_check_says_whose_check_is_missing(open_world: Any) -> None:
    async with open_world(task_saving=0.2, task_badges=0.2, board_panel=0.2) as world:
        await world.organisation("Harbour", admin="ada")
        app = await world.install("hanging_app")
        await world.task("Oil")
        assert f"not checked by {app.usable().name}" in (await world.page()).text


async def test_a_long_board_shows_the_first_of_each_column_and_how_many_more_there_are(world: World) -> None:
    statuses = await world.statuses()
    for number in range(5):
        await world.task(f"late {number}", status=statuses["Done"])
    await world.platform.db.write(_many, world.ids, (await world.task("first")).id, 300)
    text = (await world.page()).text
    assert text.count("copy ") == 194
    assert "To do tasks: 301" in text
    assert "and 106 more Doing" in text
    assert all(f"late {number}" in text for number in range(5))


def _many(conn: sa.Connection, ids: dict[str, str], like: str, count: int) -> None:
    from dataclasses import replace

    from assigntask.db.ids import new_id

    first = tasks.get(conn, ids["Harbour"], like)
    assert first is not None
    copies = [
        replace(
            first, id=new_id(), number=1000 + number, summary=f"copy {number}", position=first.position + number + 1
        )
        for number in range(count)
    ]
    tasks.insert(conn, ids["Harbour"], copies)


# --- organisations and projects ---------------------------------------------------------------------------------


async def test_one_organisation_is_shown_and_the_others_can_be_chosen(world: World) -> None:
    other = await world.organisation("Airfield", admin="bea")
    await world.task("Oil the crane")
    first = await world.page()
    assert "Seen as Bea, admin" in first.text
    assert "Oil the crane" not in first.text
    second = await world.page(f"/?organisation={world.ids['Harbour']}")
    assert "Seen as Ada, admin" in second.text
    assert "Oil the crane" in second.text
    assert second.text == (await world.page("/?organisation=Harbour")).text
    assert ("a", {"href": f"/?organisation={other}"}) in second.elements
    assert ("a", {"href": f"/?organisation={world.ids['Harbour']}", "aria-current": "page"}) in second.elements


async def test_one_organisation_alone_offers_no_choice(world: World) -> None:
    assert 'aria-label="Organisations"' not in (await world.page()).html


async def test_projects_can_be_chosen_and_those_of_others_are_not_there(world: World) -> None:
    harbour = world.ids["Harbour"]
    second = await world.platform.db.write(lambda conn: projects.create(conn, harbour, "Zoo", now=START))
    await world.organisation("Airfield", admin="bea")
    await world.task("Oil the crane")
    page = await world.page(f"/?organisation={harbour}&project={second}")
    assert "Oil the crane" not in page.text
    links = {attributes["href"] for tag, attributes in page.elements if tag == "a"}
    assert f"/?organisation={harbour}&project={world.ids['Harbour board']}" in links
    for query in (
        f"organisation={harbour}&project={world.ids['Airfield board']}",
        f"organisation={harbour}&project=nothing",
    ):
        answer = await world.call(f"/?{query}")
        assert (answer.status, "code: project_unknown" in answer.text) == (404, True)
    answer = await world.call("/?organisation=%3Cscript%3E")
    assert (answer.status, "code: organisation_unknown" in answer.text) == (404, True)
    assert "script" not in answer.html


async def test_an_organisation_without_a_project_still_has_the_directory(world: World) -> None:
    world.offer("drawing_app")
    await world.platform.db.write(lambda conn: conn.execute(sa.update(t.project).values(archived=True)))
    text = (await world.page()).text
    assert "No project yet" in text
    assert "Drawing not installed" in text


async def test_somebody_who_left_is_nobody_to_look_as(world: World) -> None:
    def unit(conn: sa.Connection) -> None:
        people.add(conn, world.ids["Harbour"], name="Zoe", email="zoe@harbour.example", role="admin", now=START)
        people.mark_left(conn, world.ids["Harbour"], world.ids["ada"])

    await world.platform.db.write(unit)
    assert "Seen as Zoe, admin" in (await world.page()).text


# --- what apps draw ---------------------------------------------------------------------------------------------


async def test_panels_and_badges_of_installed_apps_are_shown(world: World) -> None:
    app = world.offer("scribbling_app")
    from scribbling_app import hooks

    await world.task("Oil")
    scribble(Text(["Hello"]))
    hooks.badge[:] = ["squeaks"]
    assert "Hello" not in (await world.page()).text
    await world.platform.installing.install(world.doer(), app.id)
    text = (await world.page()).text
    assert "From installed apps Scribbling Hello" in text
    assert "Oil squeaks" in text


async def test_names_and_times_are_written_by_the_host(world: World) -> None:
    bo, cy = await world.person("Bo Berg"), await world.person("Cy Cole")
    await world.install("scribbling_app")
    await world.task("Oil", assignees=[bo, cy])
    scribble(Text(["nothing yet"]))
    await world.page()
    from scribbling_app import hooks

    known = sorted(hooks.people)
    assert len(known) == 2
    at = When(dt.datetime(2026, 3, 4, 13, 30, tzinfo=dt.UTC))
    scribble(
        Text([Who(known[0]), " and ", Who(known[1]), " at ", at]),
        ListBlock([Who(PersonId("nobody"))]),
        Table(["Who"], [[Who(known[0])]]),
    )
    text = (await world.page()).text
    assert {"Bo Berg and Cy Cole at 4 Mar, 13:30", "Cy Cole and Bo Berg at 4 Mar, 13:30"} & {
        text[text.index("Scribbling") + 11 :].split(" somebody ")[0]
    }
    await world.platform.objections.object(_self(world, bo), "scribbling-app")
    scribble(Text([Who(known[0]), "+", Who(known[1])]))
    text = (await world.page()).text
    assert "Bo Berg" not in text[text.index("From installed apps") :]
    assert "Cy Cole" in text[text.index("From installed apps") :]
    assert "somebody" in text[text.index("From installed apps") :]


def _self(world: World, person_id: str) -> Any:
    from assigntask.people.facts import Doer

    return Doer(world.ids["Harbour"], person_id, "member")


async def test_a_panel_that_fails_shows_its_last_answer_with_its_age(world: World) -> None:
    await world.install("scribbling_app")
    scribble(Text(["Fresh"]))
    assert "This is its answer of" not in (await world.page()).text
    scribble()
    text = (await world.page()).text
    assert "scribbling-app: board_panel failed" in text
    assert "This is its answer of 2 Mar, 09:00. Fresh" in text


# --- the directory ----------------------------------------------------------------------------------------------


async def test_the_directory_says_what_an_app_would_get_and_how_to_see_more(world: World) -> None:
    world.offer("scribbling_app")
    page = await world.page()
    assert "Scribbling not installed by Test Bench (NL), version 1.0.0" in page.text
    assert "read tasks and projects, without the people in them to scribble about tasks" in page.text
    assert "without knowing who it is (can be left out) to scribble about people" in page.text
    assert "who is assigned to which task, as an id that only this app sees" in page.text
    assert "Connects to no other host" in page.text
    assert "30 days after it is uninstalled" in page.text
    assert (
        "assigntask apps install scribbling-app --dry-run \\ --organisation Harbour \\ --as ada@harbour.example"
        in page.text
    )


async def test_the_directory_follows_an_installation_through_its_life(world: World) -> None:
    app = await world.install("scribbling_app", without=["tasks:people"])
    scribble(Text(["Hello"]))
    text = (await world.page()).text
    assert "Scribbling active" in text
    assert "(can be left out) left out" in text
    assert "assigntask apps show scribbling-app \\ --organisation Harbour" in text
    await world.platform.leaving.disable(world.doer(), app.id)
    text = (await world.page()).text
    assert "Scribbling disabled" in text
    assert "From installed apps" not in text
    await world.platform.leaving.uninstall(world.doer(), app.id)
    text = (await world.page()).text
    assert "Scribbling uninstalled" in text
    assert "assigntask apps restore scribbling-app --dry-run" in text


async def test_powers_are_listed_apart(world: World) -> None:
    world.offer("blocking_app")
    assert "It may refuse or amend a change before it is saved" in (await world.page()).text


async def test_commands_can_be_pasted_whatever_the_organisations_name_is(open_world: Any) -> None:
    async with open_world() as world:
        await world.organisation("O'Neill; rm -rf ~", admin="ada")
        world.offer("scribbling_app")
        assert """--organisation 'O'"'"'Neill; rm -rf ~'""" in (await world.page()).text


async def test_a_broken_app_is_listed_with_its_error_and_the_page_goes_on(world: World) -> None:
    error = AppBroken("manifest_invalid", "askew-app", "app.toml, line 3: <b>unknown key</b>")
    world.apps["askew-app"] = InstalledApp("askew-app", "askew", None, "askew", "1", "", False, None, error)
    await world.task("Oil")
    page = await world.page()
    assert "askew-app broken app.toml, line 3: <b>unknown key</b> Code: manifest_invalid" in page.text
    assert "Oil" in page.text


async def test_an_installed_app_whose_code_is_gone_is_still_listed(world: World) -> None:
    app = await world.install("drawing_app")
    del world.apps[app.id]
    text = (await world.page()).text
    assert "drawing-app active, and missing" in text
    assert "Code: app_missing" in text
