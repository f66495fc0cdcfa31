"""What an app must not learn, show or break by the way in which it is asked and told."""

from __future__ import annotations

import datetime as dt
import importlib
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.db import tables as t
from assigntask.errors import HostError
from assigntask.hooks.breakers import listed
from assigntask.hooks.errors import describe
from assigntask.people import organisations
from assigntask_sdk.errors import Vetoed

pytestmark = pytest.mark.timeout(60)

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
TODAY = NOW.date()

MANIFEST = """
sdk = 1
id = "nasty-app"
name = "Nasty"
version = "1.0.0"

[vendor]
name = "Test Bench"
contact = "bench@bench.example"
privacy = "https://bench.example/privacy"
country = "NL"

[scopes.required]
"tasks:read" = "to look at summaries"
"tasks:guard" = "to be asked before a task is saved"

[hooks]
task_saving = ["task.summary"]
"""

NASTY = """
from assigntask_sdk import Ctx, TryLater, hook
from assigntask_sdk.hooks import Guard, TaskSaving


class Mute(Exception):
    def __str__(self) -> str:
        raise SystemExit("no words")


class Unwritable(TryLater):
    def to_json(self) -> dict[str, object]:
        raise LookupError("not to be written down")


class Pretender(TryLater):
    code = "host_error"

    def to_json(self) -> dict[str, object]:
        return {"code": {1, 2}}


@hook.task_saving
async def saving(ctx: Ctx, ask: TaskSaving) -> Guard:
    raise {"mute": Mute, "unwritable": Unwritable, "pretender": Pretender}[ask.task.summary]()
"""


async def change(world: Any, name: str, **values: Any) -> None:
    def unit(conn: sa.Connection) -> None:
        here = t.installation.c.organisation_id == world.ids["here"]
        conn.execute(sa.update(t.installation).where(here, t.installation.c.id == world.ids[name]).values(**values))
        organisations.raise_epoch(conn, world.ids["here"])

    await world.db.write(unit)


async def test_each_draft_that_a_guard_sees_is_in_the_record_although_none_was_saved(world: Any) -> None:
    await world.install("guarding_app")
    task = await world.task("saved")
    before = len(await world.released("guarding_app", ["question"]))
    for number in (1, 2, 3):
        with pytest.raises(Vetoed):
            await world.edit(task, summary=f"never saved {number}", due=None)
        assert len(await world.released("guarding_app", ["question"])) == before + number
    assert (await world.read(task)).version == task.version


async def test_an_app_that_may_not_read_comments_is_not_told_that_somebody_wrote_one(world: Any) -> None:
    await world.install("listening_app")
    await world.notices.drain(world.ids["here"], world.ids["listening_app"])
    task = await world.task("quiet")
    await change(world, "listening_app", scopes=["tasks:read"])
    await world.actions.comment(world.doer("ben"), task.id, "between ourselves")
    await world.notices.drain(world.ids["here"], world.ids["listening_app"])
    assert (await world.lines())[-1] == ("comment_added", "skipped")
    assert "comment_added" not in [kind for kind, _ in await world.heard()]


async def test_what_one_person_installed_for_themselves_shows_nothing_on_other_peoples_pages(world: Any) -> None:
    await world.install("drawing_app")
    await change(world, "drawing_app", only_person_id=world.ids["ben"])
    task, project, questions = await world.task("card"), await world.project(), world.questions
    assert list((await questions.badges(world.doer("ben"), [task], TODAY)).by_task) == [task.id]
    assert len(await questions.board_panel(world.doer("ben"), project, TODAY)) == 1
    app = importlib.import_module("drawing_app.hooks")
    asked = len(app.calls)
    for name in ("ada", "cem"):
        shown = await questions.badges(world.doer(name), [task], TODAY)
        assert (dict(shown.by_task), list(shown.failed)) == ({}, [])
        assert list(await questions.board_panel(world.doer(name), project, TODAY)) == []
        assert list(await questions.task_panel(world.doer(name), task, [], TODAY)) == []
        with pytest.raises(HostError) as refused:
            await questions.report(world.doer(name), "drawing-app", TODAY, TODAY, TODAY)
        assert refused.value.code == "no_report"
    assert len(app.calls) == asked, "other people's pages are not its business"


@pytest.mark.parametrize("how", ["mute", "unwritable", "pretender"])
async def test_an_exception_whose_own_code_fails_stays_with_its_app(world: Any, tmp_path: Path, how: str) -> None:
    folder = tmp_path / "nasty_app"
    folder.mkdir()
    for name, text in (("__init__.py", ""), ("app.toml", MANIFEST), ("hooks.py", NASTY)):
        (folder / name).write_text(text)
    world.offer("nasty_app", tmp_path)
    world.ids["nasty_app"] = (await world.installing.install(world.doer(), "nasty-app")).id
    task = await world.task(how)
    assert task.unchecked_by == ("nasty-app",)
    state = (await world.db.read(listed, world.ids["here"], world.ids["nasty_app"]))["task_saving"]
    assert (state.failures, state.last_error.partition(":")[0]) == (1, "hook_raised")


def test_an_exception_without_words_is_called_by_its_kind() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert describe(Mute()) == "Mute"
