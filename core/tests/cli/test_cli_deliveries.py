"""An admin sees what became of an app's notices and how the app does, and has it told once more."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.cli.deliveries import outcome, parse_since, words
from assigntask.db import Database, new_id
from assigntask.db import tables as t
from assigntask.events.history import Line
from assigntask.hooks import health
from assigntask_sdk.deliveries import Delivery, HookBreaker
from assigntask_sdk.errors import Invalid

ADMIN, MEMBER = ("--as", "ada@example.org"), ("--as", "ben@example.org")
NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
NOTICE = {"hook": "task_changed", "state": "waiting", "attempts": 0, "next_at": NOW + dt.timedelta(days=20_000)}


def write(url: str, rows: list[dict[str, Any]], **standing: Any) -> list[str]:
    """Deliveries of the one app, a minute apart; their ids. `standing`: what the installation is set to."""
    ids = [new_id() for _ in rows]

    def unit(conn: Connection) -> None:
        i = t.installation.c
        own = conn.execute(sa.select(i.organisation_id, i.id, i.next_position)).one()
        where = (i.organisation_id == own.organisation_id, i.id == own.id)
        for place, (id, row) in enumerate(zip(ids, rows, strict=True)):  # noqa: A001
            event = {"id": new_id(), "organisation_id": own.organisation_id, "kind": "task.changed"}
            event |= {"record_kind": "task", "record_id": new_id(), "changed": [], "facts": {}}
            conn.execute(sa.insert(t.event).values(**event, at=NOW + dt.timedelta(minutes=place)))
            line = {"organisation_id": own.organisation_id, "installation_id": own.id, "event_id": event["id"]}
            position = own.next_position + place
            conn.execute(sa.insert(t.delivery).values(**{**NOTICE, **row}, **line, id=id, position=position))
        changed = {"next_position": own.next_position + len(rows), **standing}
        conn.execute(sa.update(t.installation).where(*where).values(**changed))

    async def run() -> None:
        async with Database.open(url) as db:
            await db.write(unit)

    asyncio.run(run())
    return ids


@pytest.fixture
def house(quick_house: Any) -> Any:
    quick_house.json("apps", "install", "reporting", *ADMIN)
    return quick_house


LATE = {"state": "waiting", "attempts": 3, "attempted_at": NOW, "took": 412, "status": 503, "last_error": "hook_failed"}
DEAD = {"state": "dead", "attempts": 10, "status": 500, "answer": "so\nsorry\x1b[31m", "done_at": NOW}
DONE = {"state": "delivered", "attempts": 1, "done_at": NOW, "took": 9}


def test_deliveries_are_listed_told_once_more_and_recorded(house: Any) -> None:
    assert house.text("deliveries", "list", "reporting", "--state", "waiting") == "No deliveries.\n"
    done, dead, late = write(house.url, [DONE, DEAD, LATE])
    *listed, installed = house.json("deliveries", "list", "reporting", *ADMIN)
    assert (installed["hook"], installed["state"]) == ("installed", "delivered")
    assert [each["id"] for each in listed] == [late, dead, done]
    assert (listed[0]["attempts"], listed[0]["took"], listed[0]["status"]) == (3, 412, 503)
    assert listed[1]["at"] == "2026-03-02T09:01:00Z"
    text = house.text("deliveries", "list", "reporting", "--state", "dead")
    assert "HTTP 500: so sorry\ufffd[31m" in text
    assert (dead in text, late in text) == (True, False)
    assert [each["id"] for each in house.json("deliveries", "list", "reporting", "--limit", "1")] == [late]

    replay = ("deliveries", "replay", "reporting")
    assert "would be told 3 notices once more" in house.text(*replay, "--since", "2026-03-02", "--dry-run")
    assert house.json(*replay, "--since", "2026-03-02T09:01Z", "--state", "dead", "--dry-run")["replayed"] == 1
    house.fails(*replay, dead, *MEMBER, code="not_allowed")
    assert {each["replayed_at"] for each in house.json("deliveries", "list", "reporting")} == {None}
    assert house.text(*replay, dead, *ADMIN) == "reporting is told 1 notice once more.\n"
    again = {each["id"]: each for each in house.json("deliveries", "list", "reporting")}
    assert again[dead]["replayed_at"] is not None
    assert again[dead]["state"] != "dead"
    [act] = [each for each in house.json("ledger", "show") if each["kind"] == "replay"]
    assert act["actor"].startswith("operator, on behalf of ")
    assert house.json(*replay, "--since", "2026-03-03")["replayed"] == 0
    assert house.text(*replay, "--since", "2026-03-03") == "There is nothing to tell reporting once more.\n"


def test_what_can_not_be_is_refused_and_says_what_to_do(house: Any) -> None:
    [done] = write(house.url, [{**DONE, "hook": "installed"}])
    replay = ("deliveries", "replay", "reporting")
    house.fails(*replay, code="option_conflict")
    house.fails(*replay, done, "--since", "2026-03-02", code="option_conflict")
    house.fails(*replay, done, "--state", "dead", code="option_conflict")
    house.fails(*replay, done, code="invalid")
    house.fails(*replay, new_id(), code="not_found")
    house.fails(*replay, "--since", "soon", code="invalid")
    house.fails("deliveries", "list", "reporting", "--state", "lost", code="invalid")
    house.fails("deliveries", "list", "nothing", code="not_installed")
    house.fails("deliveries", "list", "reporting", *MEMBER, code="not_allowed")
    house.json("apps", "uninstall", "reporting", *ADMIN)
    house.fails(*replay, "--since", "2026-03-02", code="installation_state")


def test_how_an_app_does_is_told_in_figures_and_words(house: Any) -> None:
    assert house.text("apps", "health", "reporting").startswith("It works.\n")
    write(house.url, [DONE, DEAD, LATE], failing_since=NOW)
    [one] = house.json("apps", "health")
    assert one == house.json("apps", "health", "reporting")
    assert (one["app"], one["state"], one["waiting"], one["dead"]) == ("reporting", "active", 1, 1)
    assert one["oldest_waiting"] == "2026-03-02T09:02:00Z"
    assert one["last_success"] > "2026-03-02T09:00:00Z", "it was told that it is installed just now"
    assert "Notices fail since 2026-03-02 09:00 UTC" in house.text("apps", "health")
    write(house.url, [], state="disabled", disabled_why="gone")
    shown = house.text("apps", "health", "reporting")
    assert "the app answered that it is gone for good (HTTP status 410)" in shown
    assert house.json("apps", "health", "reporting")["disabled_why"] == "gone"
    house.fails("apps", "health", "nothing", code="not_installed")


WELL, ILL = Line(0, 0, None, NOW), Line(3, 2, NOW, None)
OPEN = HookBreaker("task_changed", "open", 5, 9, "hook_failed", NOW)
CLOSED = HookBreaker("job", "closed", 1, 1, "hook_failed", None)


@pytest.mark.parametrize(
    ("state", "why", "failing", "line", "broken", "says"),
    [
        ("active", None, None, WELL, [CLOSED], "It works."),
        ("active", None, None, ILL, [], "2 were given up: replay"),
        ("active", None, NOW, WELL, [], "Notices fail since 2026-03-02 09:00 UTC"),
        ("active", None, None, WELL, [OPEN, CLOSED], "Left alone for a while after failures: task_changed."),
        ("disabled", None, None, ILL, [], "until an admin enables it"),
        ("disabled", "failing", NOW, ILL, [OPEN], "nothing had arrived for days"),
        ("disabled", "gone", NOW, ILL, [], "410"),
        ("disabled", "of_a_later_version", None, WELL, [], "(of_a_later_version)"),
        ("requested", None, None, WELL, [], "installs or declines"),
        ("declined", None, None, WELL, [], "declined"),
        ("uninstalled", None, None, WELL, [], "restore"),
        ("wiped", None, None, WELL, [], "Install it afresh"),
    ],
)
def test_every_state_says_what_is_the_matter_and_what_to_do(
    state: str, why: str | None, failing: Any, line: Line, broken: list[HookBreaker], says: str
) -> None:
    assert says in health.words(state, why, failing, line, broken)


def test_a_moment_without_a_zone_is_in_the_organisations() -> None:
    assert parse_since("2026-07-02", "Europe/Madrid") == dt.datetime(2026, 7, 1, 22, tzinfo=dt.UTC)
    assert parse_since("2026-07-02T00:30", "Europe/Madrid") == dt.datetime(2026, 7, 1, 22, 30, tzinfo=dt.UTC)
    assert parse_since("2026-07-01T22:30Z", "Europe/Madrid") == dt.datetime(2026, 7, 1, 22, 30, tzinfo=dt.UTC)
    for text in ("", "soon", "2026-02-30", "2026-07-02T99:00", "0001-01-01T00:00+14:00"):
        with pytest.raises(Invalid) as refused:
            parse_since(text, "UTC")
        assert refused.value.fields.keys() == {"since"}


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({}, ""),
        ({"error": "not_shared"}, "not_shared"),
        ({"status": 500, "error": "hook_failed", "answer": " It\nis  late "}, "HTTP 500, hook_failed: It is late"),
        ({"answer": "No"}, "No"),
    ],
)
def test_what_came_of_a_try_is_told_as_far_as_it_is_known(known: dict[str, Any], says: str) -> None:
    assert outcome(Delivery("d", "task_changed", "waiting", 1, NOW, 2, **known)) == says


def test_what_a_disabled_app_is_to_be_told_waits() -> None:
    assert words("due-guard", "disabled", 2, dry_run=False).endswith("they wait until it is enabled.")
    assert "nothing was changed" in words("due-guard", "active", 1, dry_run=True)
