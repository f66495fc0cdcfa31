"""What can't be done is said once, on stderr, with a stable code, and the exit status tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ADMIN, MEMBER = "ada@example.org", "ben@example.org"

REFUSED: list[tuple[str, list[str]]] = [
    ("person_unknown", ["people", "role", "nobody", "admin"]),
    ("last_admin", ["people", "role", ADMIN, "member"]),
    ("last_admin", ["people", "forget", ADMIN, "--yes"]),
    ("person_exists", ["people", "add", ADMIN]),
    ("not_the_contact", ["people", "contact", MEMBER, "billing", "--remove"]),
    ("not_allowed", ["people", "add", "cem@example.org", "--as", MEMBER]),
    ("person_unknown", ["tasks", "list", "--as", "nobody"]),
    ("not_found", ["tasks", "show", "999999"]),
    ("not_found", ["tasks", "show", "abc"]),
    ("invalid", ["tasks", "list", "--status", "Doin"]),
    ("project_unknown", ["tasks", "list", "--project", "Nope"]),
    ("invalid", ["tasks", "add", "Paint", "--due", "tomorrow"]),
    ("invalid", ["tasks", "add", "Paint", "--due", "2026-06-01T25:00"]),
    ("invalid", ["tasks", "add", "Paint", "--assign", "nobody"]),
    ("invalid", ["tasks", "add", "  "]),
    ("invalid", ["tasks", "edit", "1"]),
    ("conflict", ["tasks", "edit", "1", "--summary", "Paint", "--if-version", "999"]),
    ("invalid", ["tasks", "comment", "1", " "]),
    ("app_unknown", ["apps", "show", "reportin"]),
    ("app_unknown", ["apps", "install", "reportin", "--as", ADMIN]),
    ("invalid", ["apps", "install", "reporting", "--as", ADMIN, "--without", "tasks:read"]),
    ("invalid", ["apps", "install", "reporting", "--as", ADMIN, "--project", "Nope"]),
    ("not_allowed", ["apps", "install", "reporting", "--as", MEMBER]),
    ("not_installed", ["apps", "disable", "reporting", "--as", ADMIN]),
    ("not_installed", ["apps", "settings", "reporting", "--as", ADMIN]),
    ("no_report", ["apps", "report", "reporting", "--as", ADMIN]),
    ("days_swapped", ["apps", "report", "reporting", "--as", ADMIN, "--since", "2026-02-01", "--until", "2026-01-01"]),
    ("invalid", ["apps", "policy", "perhaps"]),
    ("app_unknown", ["object", "reporting", "--as", ADMIN]),
    ("not_allowed", ["restrict", ADMIN, "--as", MEMBER]),
    ("detail_unknown", ["why", "reporting", ADMIN, "person.emial"]),
    ("app_unknown", ["why", "reportin", ADMIN, "person.email"]),
    ("ledger_empty", ["ledger", "checkpoint"]),
    ("checkpoint_unreadable", ["ledger", "verify", "--since", "no-such-file"]),
    ("checkpoint_unreadable", ["ledger", "verify", "--since", "no\nnote\n"]),
    ("key_fixed", ["keys", "rotate", "pairwise"]),
    ("organisation_unknown", ["people", "list", "--organisation", "Nope"]),
]

MISUSED = [
    ["people", "role", ADMIN, "boss"],
    ["people", "department", MEMBER],
    ["people", "add"],
    ["tasks", "edit", "1", "--due", "2026-06-01", "--no-due"],
    ["tasks", "show", "1", "--colour"],
    ["apps", "install", "reporting"],
    ["ledger", "show", "--limit", "0"],
    ["keys", "rotate", "cookies"],
    ["frobnicate"],
]


def test_what_is_refused_has_its_code_and_changes_nothing(quick_house: Any) -> None:
    house = quick_house

    def everything() -> tuple[Any, ...]:
        people, tasks = house.json("people", "list", "--all"), house.json("tasks", "list", "--all")
        return people, tasks, house.json("ledger", "show"), house.json("apps", "policy")

    before = everything()
    for code, words in REFUSED:
        house.fails(*words, code=code)
    assert everything() == before


@pytest.mark.parametrize("words", MISUSED, ids=" ".join)
def test_a_command_that_is_called_wrongly_ends_with_2(quick_house: Any, words: list[str]) -> None:
    error = quick_house.fails(*words, code="usage", status=2)
    assert "--help" in error["message"]


def test_installing_twice_is_refused(quick_house: Any) -> None:
    house = quick_house
    house.json("apps", "install", "reporting", "--as", ADMIN)
    house.fails("apps", "install", "reporting", "--as", ADMIN, code="already_installed")
    house.fails("apps", "enable", "reporting", "--as", ADMIN, code="installation_state")


def test_a_mistyped_address_makes_no_database(make_terminal: Callable[[str], Any], tmp_path: Path) -> None:
    terminal = make_terminal(f"sqlite:///{tmp_path / 'typo.db'}")
    error = terminal.fails("people", "list", code="database_missing")
    assert "assigntask import" in error["message"]
    terminal.fails("serve", "--port", "0", code="database_missing")
    assert not (tmp_path / "typo.db").exists()
    terminal.fails("people", "list", "--database", "mysql://db/x", code="database_url_invalid")


def test_lost_keys_are_not_made_anew(quick_house: Any) -> None:
    for key in (quick_house.folder / "keys").glob("pairwise-*.key"):
        key.unlink()
    quick_house.fails("people", "list", code="key_missing")


def test_a_file_that_is_no_database_is_named_so(make_terminal: Callable[[str], Any], tmp_path: Path) -> None:
    (tmp_path / "odd.db").write_text("this is no database, and longer than a header of one has to be" * 20)
    make_terminal(f"sqlite:///{tmp_path / 'odd.db'}").fails("people", "list", code="database_damaged")


def test_an_error_that_nobody_expected_says_what_to_do(quick_house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a secret value")

    monkeypatch.setattr("assigntask.people.people.listed", broken)
    error = quick_house.fails("people", "list", code="unexpected")
    assert "ASSIGNTASK_DEBUG=1" in error["message"]
    assert "secret" not in error["message"]
    monkeypatch.setenv("ASSIGNTASK_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        quick_house("people", "list")


def test_what_follows_a_finished_change_can_only_warn(quick_house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    quick_house.json("apps", "install", "reporting", "--as", ADMIN)

    async def damaged(*_: object) -> int:
        raise OSError("disk")

    monkeypatch.setattr("assigntask.app.Platform.settle", damaged)
    result = quick_house("people", "add", "cem@example.org")
    assert result.status == 0
    assert "was added" in result.out
    assert result.err.startswith("warning[unexpected]: ")


def test_calling_a_group_with_nothing_shows_its_help(quick_house: Any) -> None:
    result = quick_house("people")
    assert (result.status, result.err) == (2, "")
    assert "forget" in result.out
    assert quick_house("people", "--json").error["code"] == "usage"
