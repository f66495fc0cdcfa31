"""The small decisions of the terminal, without a host."""

from __future__ import annotations

import datetime as dt
import io
import shlex

import pytest
from sqlalchemy.exc import IntegrityError

from assigntask.cli.app_facts import unused
from assigntask.cli.app_pages import in_words
from assigntask.cli.app_reports import to_csv
from assigntask.cli.app_settings import parse
from assigntask.cli.failures import describe, visible
from assigntask.cli.page import Page
from assigntask.cli.running import Seen, things_to_try
from assigntask.cli.sockets import is_loopback
from assigntask.cli.task_words import parse_due
from assigntask.db.errors import DatabaseBusy
from assigntask.errors import HostError
from assigntask.ledger.errors import LedgerError
from assigntask.people.facts import OrganisationFacts
from assigntask_sdk.apps import AppBroken
from assigntask_sdk.blocks import Chart, Link, Series, Table, Who
from assigntask_sdk.errors import Invalid
from assigntask_sdk.manifest import Setting
from assigntask_sdk.records import Due, PersonId


def test_a_moment_without_a_zone_is_in_the_organisations() -> None:
    at = dt.datetime(2026, 7, 1, 22, 30, tzinfo=dt.UTC)
    assert parse_due("2026-07-02T00:30", "Europe/Madrid") == Due(dt.date(2026, 7, 2), at)
    assert parse_due("2026-07-01T22:30Z", "Europe/Madrid") == Due(dt.date(2026, 7, 1), at)
    assert parse_due("2026-07-02", "Europe/Madrid") == Due(dt.date(2026, 7, 2))


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-02-30", "2026-07-02T99:00", "0001-01-01T00:00+14:00"])
def test_what_is_no_day_is_refused_by_field(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_due(text, "UTC")
    assert refused.value.fields.keys() == {"due"}


def test_csv_names_people_and_holds_no_formula() -> None:
    tables = [
        Table(
            ["Who", "What"],
            [[Who(PersonId("p1")), '=HYPERLINK("x")'], ["-5", Link("Board", "https://example.org")]],
            "One",
        ),
        Chart("bar", [Series("Done", [("W1", 2.0)])], "Two tasks"),
    ]
    assert to_csv(tables, {"p1": "Ines, O."}).split("\r\n") == [
        "One",
        "Who,What",
        '"Ines, O.","\'=HYPERLINK(""x"")"',
        "-5,Board https://example.org",
        "",
        "Two tasks",
        "Series,Point,Value",
        "Done,W1,2",
        "",
    ]


def test_settings_are_read_by_their_type() -> None:
    known = {
        "weeks": Setting(type="number", label="Weeks", default=8),
        "quiet": Setting(type="check", label="Quiet", default=False),
        "word": Setting(type="text", label="Word", default=""),
    }
    assert parse(known, ["weeks=4", "quiet=yes", "word=a=b", "other=1"]) == {
        "weeks": 4,
        "quiet": True,
        "word": "a=b",
        "other": "1",
    }
    with pytest.raises(Invalid) as refused:
        parse(known, ["weeks=many", "quiet=perhaps", "word"])
    assert refused.value.fields.keys() == {"weeks", "quiet", "word"}


def test_powers_are_never_unused() -> None:
    scopes, details = unused(frozenset({"tasks:guard", "people:email", "people:name"}), {"person.name"})
    assert scopes == ("people:email",)
    assert details == ("person.email", "person.user_name")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (HostError("last_admin", "Make another."), "last_admin", "Make another."),
        (Invalid({"due": "no day"}), "invalid", "due: no day"),
        (DatabaseBusy("Try again."), "database_busy", "Try again."),
        (LedgerError("key_missing", "Put it back."), "key_missing", "Put it back."),
        (AppBroken("app_no_package", "due-guard", "install it again"), "app_no_package", "install it again"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_every_error_of_ours_keeps_its_code_and_words(error: Exception, code: str, message: str) -> None:
    failure = describe(error)
    assert (failure.code, failure.message, failure.status) == (code, message, 1)


def test_no_error_of_others_shows_what_it_holds() -> None:
    failure = describe(IntegrityError("INSERT INTO person", {"email": "ada@example.org"}, Exception("secret")))
    assert failure.code == "unexpected"
    assert "ada@" not in failure.message
    assert "secret" not in failure.message


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"id": "s1", "name": "Doing"}, "Doing"),
        ({"day": "2026-05-01", "at": None}, "2026-05-01"),
        ([{"id": "l", "name": "A"}, {"id": "m", "name": "B"}], "A, B"),
        ([{"id": "c", "name": "List", "items": [{"text": "first", "done": True}]}], "List: first"),
        ({"Docks": 2}, "Docks 2"),
        (False, "no"),
    ],
)
def test_real_values_are_shown_as_people_know_them(value: object, words: str) -> None:
    assert in_words(value) == words


def test_text_of_others_steers_no_terminal_and_is_no_markup() -> None:
    out = io.StringIO()
    page = Page(out)
    page.table(("A",), [["\x1b[31mred\x1b[0m [bold]x[/bold] :smile:"]])
    page.line("\x9b31m\r")
    assert out.getvalue() == "A\n�[31mred�[0m [bold]x[/bold] :smile:\n�31m�\n"
    assert visible("line\n\ttab") == "line\n\ttab"


def test_in_a_pipe_a_row_is_a_line_however_long_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    out = io.StringIO()
    Page(out).table(("One", "Two"), [["x" * 300, "y"], ["z", ""]])
    assert [len(line) for line in out.getvalue().splitlines()] == [305, 303, 1]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_addresses_may_be_served_at(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", ""])  # noqa: S104 - to be refused
def test_other_addresses_may_not(host: str) -> None:
    assert not is_loopback(host)


def test_what_to_try_can_be_pasted_as_it_stands() -> None:
    organisation = OrganisationFacts("o1", 1, "Ada's & Sons", "UTC")
    tries = things_to_try("assigntask", "sqlite:///my data/a.db", Seen(organisation, False, None, None))
    for _, command in tries:
        words = shlex.split(command)
        assert words[words.index("--organisation") + 1] == "Ada's & Sons"
        assert words[-2:] == ["--database", "sqlite:///my data/a.db"]
