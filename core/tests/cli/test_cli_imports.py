"""Boards come in from the terminal: completely, once, and without bringing anybody back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ADMIN = "ada@example.org"


def test_an_import_says_what_came_in_and_what_did_not(terminal: Any, board: Path) -> None:
    done = terminal.json("import", "trello", str(board), "--organisation", "Quay", "--admin", ADMIN)
    assert done["changed"] is True
    assert done["organisation"]["created"] is True
    assert done["admin"]["role"] == "admin"
    assert done["read"]["tasks"] == done["stored"]["tasks"] == len(terminal.json("tasks", "list", "--all"))
    assert all({"what", "how_many", "why", "examples"} == each.keys() for each in done["left_out"])


def test_a_second_import_changes_nothing(terminal: Any, board: Path) -> None:
    command = ("import", "trello", str(board), "--organisation", "Quay", "--admin", ADMIN)
    assert "came in." in terminal.text(*command)
    before = terminal.json("tasks", "list", "--all"), terminal.json("people", "list", "--all")
    assert "Nothing has changed." in terminal.text(*command)
    again = terminal.json(*command)
    assert (again["changed"], again["stored"], again["organisation"]["created"]) == (False, {}, False)
    assert (terminal.json("tasks", "list", "--all"), terminal.json("people", "list", "--all")) == before


def test_nobody_who_was_forgotten_comes_back(terminal: Any, board: Path) -> None:
    command = ("import", "trello", str(board), "--organisation", "Quay", "--admin", ADMIN)
    terminal.json(*command)
    terminal.json("people", "add", "ben@example.org", "--role", "admin")
    terminal.json("people", "forget", ADMIN, "--yes")
    terminal.json("people", "forget", "inesokafor", "--yes")
    before = terminal.json("people", "list", "--all")
    again = terminal.json(*command)
    assert (again["admin"], again["admin_kept_out"], again["changed"]) == (None, "forgotten", False)
    assert terminal.json("people", "list", "--all") == before
    assert "is not brought back" in terminal.text(*command)


def test_an_admin_who_is_a_member_now_stays_one(terminal: Any, board: Path) -> None:
    command = ("import", "trello", str(board), "--organisation", "Quay", "--admin", ADMIN)
    terminal.json(*command)
    terminal.json("people", "add", "ben@example.org", "--role", "admin")
    terminal.json("people", "role", ADMIN, "member")
    assert terminal.json(*command)["changed"] is False
    assert {p["email"]: p["role"] for p in terminal.json("people", "list")}[ADMIN] == "member"


def test_a_board_may_come_through_stdin(terminal: Any, board: Path) -> None:
    arguments = ("import", "trello", "-", "--organisation", "Quay", "--admin", ADMIN)
    assert terminal.json(*arguments, stdin=board.read_text())["stored"]["tasks"] == 35


@pytest.mark.parametrize(
    ("content", "code"),
    [("no JSON", "not_json"), ("[]", "not_a_board"), ('{"id": 1}', "not_a_board"), (None, "file_unreadable")],
)
def test_a_file_that_is_no_board_leaves_nothing_behind(
    make_terminal: Callable[[str], Any], tmp_path: Path, content: str | None, code: str
) -> None:
    terminal = make_terminal(f"sqlite:///{tmp_path / 'new' / 'assigntask.db'}")
    file = tmp_path / "odd.json"
    if content is not None:
        file.write_text(content)
    terminal.fails("import", "trello", str(file), "--organisation", "Quay", "--admin", ADMIN, code=code)
    assert not (tmp_path / "new").exists()


def test_a_new_organisation_needs_an_admin(terminal: Any, board: Path) -> None:
    command = ("import", "trello", str(board), "--organisation", "Quay")
    terminal.fails(*command, code="admin_needed")
    terminal.fails("people", "list", code="organisation_unknown")
    terminal.json(*command, "--admin", ADMIN)
    assert terminal.json(*command)["changed"] is False


def test_wrong_names_are_refused_before_anything_is_made(terminal: Any, board: Path) -> None:
    start = ("import", "trello", str(board), "--organisation")
    terminal.fails(*start, "Quay", "--admin", "no address", code="invalid")
    terminal.fails(*start, "Quay", "--admin", ADMIN, "--time-zone", "Mars/Base", code="invalid")
    terminal.fails(*start, " ", "--admin", ADMIN, code="invalid")
    terminal.fails("people", "list", code="organisation_unknown")


def test_two_organisations_stay_apart(terminal: Any, board: Path) -> None:
    for name, admin in (("Quay", ADMIN), ("Harbour", "ada@harbour.example")):
        terminal.json("import", "trello", str(board), "--organisation", name, "--admin", admin)
    error = terminal.fails("people", "list", code="organisation_needed")
    assert error["organisations"] == ["Harbour", "Quay"]
    quay, harbour = (
        {person["id"] for person in terminal.json("people", "list", "--organisation", name)}
        for name in ("Quay", "Harbour")
    )
    assert len(quay) == len(harbour) > 2
    assert not quay & harbour
    terminal.fails("people", "role", ADMIN, "admin", "--organisation", "Harbour", code="person_unknown")
    meant = terminal.fails("tasks", "list", "--organisation", "Harbor", code="organisation_unknown")
    assert meant["nearest"] == "Harbour"


def test_members_of_an_export_are_given_addresses_afterwards(quick_house: Any) -> None:
    given = quick_house.json("people", "email", "inesokafor", "ines@example.org")
    assert given["name"] == "Ines Okafor"
    quick_house.fails("people", "email", "tomaslindqvist", "INES@example.org", code="person_exists")
    assert json.dumps(quick_house.json("people", "list")).count("ines@example.org") == 1
