"""The whole life of the first real app, from the terminal alone, and a record that tells when it was touched."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import Database
from assigntask.db import tables as t

ADMIN, MEMBER = "ada@example.org", "ben@example.org"
AS = ("--as", ADMIN)


def change(url: str, what: Callable[[Connection], object]) -> None:
    async def run() -> None:
        async with Database.open(url) as db:
            await db.write(what)

    asyncio.run(run())


def test_reporting_is_looked_at_installed_recorded_objected_to_uninstalled_and_restored(house: Any) -> None:
    before = house.json("ledger", "show")
    preview = house.json("apps", "install", "reporting", *AS, "--dry-run")
    [contact] = preview["contacts"]
    assert contact["values"] == {"person.email": ADMIN}
    assert house.json("ledger", "show") == before
    assert house.json("apps", "show", "reporting")["installation"] is None

    installed = house.json("apps", "install", "reporting", *AS)
    given = house.json("ledger", "show", "--app", "reporting")
    release = next(entry for entry in given if entry["kind"] == "release")
    assert (release["app"], release["channel"], release["details"]) == ("reporting", "install", ["person.email"])
    assert release["assurance"] == "trusted"
    assert all(entry["index"] is not None for entry in given)  # sealed when the command has ended

    assert house.json("object", "reporting", *AS)["changed"] is True
    assert house.json("why", "reporting", ADMIN, "person.email")["rule"] == "objection"
    assert house.json("apps", "uninstall", "reporting", *AS)["state"] == "uninstalled"
    house.fails("apps", "report", "reporting", *AS, code="no_report")
    again = house.json("apps", "restore", "reporting", *AS)
    assert again["id"] == installed["id"]
    # Who objected is told to nobody, also not as the one who restored it.
    assert again["contacts"] == {}
    told = [entry["kind"] for entry in house.json("ledger", "show", "--app", "reporting")]
    acts = [kind for kind in told if kind not in ("release", "delivery")]
    assert acts == ["install", "objection", "uninstall", "erasure_silent", "restore"]
    assert house.json("ledger", "verify")["fault"] is None


def test_verify_names_the_first_entry_that_was_changed(house: Any) -> None:
    house.json("apps", "install", "reporting", *AS)
    [first, second, *_] = house.json("ledger", "show")
    entry = t.ledger_entry
    wrong = sa.func.replace(entry.c.leaf, "person.email", "person.emaim")
    change(house.url, lambda conn: conn.execute(sa.update(entry).where(entry.c.id == second["id"]).values(leaf=wrong)))
    told = house("ledger", "verify", "--json")
    assert told.status == 1
    assert told.json["ok"] is False
    assert told.json["fault"]["entry"] == second["index"] == first["index"] + 1
    plain = house("ledger", "verify")
    assert plain.status == 1
    assert f"error[{told.json['fault']['code']}]" in plain.err
    assert second["id"] in plain.err


def test_verify_finds_an_older_copy_that_was_put_back(
    make_terminal: Callable[[str], Any], settle: Callable[[Any], Any], sqlite_url: str, tmp_path: Path
) -> None:
    house = settle(make_terminal(sqlite_url))
    house.json("apps", "install", "reporting", *AS)
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    shutil.copyfile(file, tmp_path / "older.db")
    house.json("object", "reporting", *AS)
    kept = house.json("ledger", "checkpoint")["note"]
    for leftover in (f"{file}-wal", f"{file}-shm"):
        Path(leftover).unlink(missing_ok=True)
    shutil.copyfile(tmp_path / "older.db", file)
    assert house.json("ledger", "verify")["ok"] is True  # by itself an older copy is sound
    told = house("ledger", "verify", "--since", kept, "--json")
    assert (told.status, told.json["fault"]["code"]) == (1, "ledger_older_copy")


def test_a_guard_refuses_by_name_and_reason(house: Any, due_guard: str) -> None:
    house.json("apps", "install", due_guard, *AS)
    before = house.json("tasks", "list", "--all")
    error = house.fails("tasks", "add", "Without a date", *AS, code="vetoed")
    assert error["app"]
    assert error["reason"] in error["message"]
    assert house.json("tasks", "list", "--all") == before
    assert house.json("tasks", "add", "With a date", "--due", "2026-06-01", *AS)["summary"] == "With a date"


def test_scopes_that_were_never_used_are_named(house: Any) -> None:
    house.json("apps", "install", "reporting", *AS)
    unused = house.json("apps", "show", "reporting")["installation"]["unused_scopes"]
    assert unused == ["tasks:departments", "tasks:people", "tasks:read"]
    house.json("apps", "report", "reporting", *AS, "--since", "2026-01-05", "--until", "2026-03-01")
    shown = house.json("apps", "show", "reporting")["installation"]
    assert shown["unused_scopes"] == []
    assert "task.due" in shown["unused_details"]


def test_an_app_can_be_kept_to_one_project_and_told_of_other_contacts(house: Any) -> None:
    project = house.json("tasks", "list")[0]["project"]
    installed = house.json(
        "apps", "install", "reporting", *AS, "--project", project, "--technical-contact", MEMBER,
        "--billing-contact", MEMBER,
    )  # fmt: skip
    assert len(installed["projects"]) == 1
    assert installed["contacts"].keys() == {"installer"}  # it asks for no other


@pytest.mark.parametrize("command", ["install", "upgrade", "disable", "enable", "uninstall", "restore"])
def test_acts_on_apps_need_an_admin(quick_house: Any, command: str) -> None:
    if command != "install":
        quick_house.json("apps", "install", "reporting", *AS)
    if command == "restore":
        quick_house.json("apps", "uninstall", "reporting", *AS)
    quick_house.fails("apps", command, "reporting", "--as", MEMBER, code="not_allowed")
