"""Log lines: one kind for all that is logged, with ids, and no secret or personal value whatever is thrown at them."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog
from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.cli import logs
from assigntask.cli.redacting import WITHHELD, redact, shown
from assigntask.cli.serving import until_stopped
from assigntask.context.log import AppLog
from assigntask.db.ids import is_id, new_id
from assigntask.errors import HostError
from assigntask.installations.directory import Directory
from assigntask.metrics.meter import Meter
from assigntask.people import organisations, people
from assigntask.people.facts import Doer
from assigntask.settings import Settings
from assigntask.tasks import projects
from assigntask.web.observed import Observed
from assigntask_sdk.apps import find_app

APPS = Path(__file__).parent.parent / "apps"
TOKEN = "at_" + ("Qx7-_z" * 8)[:43]
SECRET = "whsec_" + "A1b2" * 11 + "="
HOSTILE = {
    "who": "Zoë O'Connor-Łącka",
    "mail": "zoe@harbour.example",
    "phone": "+44 20 7946 0958",
    "token": TOKEN,
    "secret": SECRET,
    "text": "caulk the hull before noon",
}


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Logging as a server sets it up, with JSON; what came of it."""
    target = io.StringIO()
    monkeypatch.setattr("sys.stderr", target)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    logs.quieten_logs(serving=True, environ={"ASSIGNTASK_LOG": "json"})
    yield lambda: [json.loads(line) for line in target.getvalue().splitlines()]
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def leaks(lines: list[dict[str, Any]]) -> list[str]:
    text = json.dumps(lines, ensure_ascii=False)
    return [value for value in (*HOSTILE.values(), "O'Connor", "7946", "harbour.example") if value in text]


# --- the rule ---------------------------------------------------------------------------------------------------------

ID = "01931c2a-7b3c-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("installation", ID, ID),
        ("delivery", "01931111-1111-7111-8111-111111111111", "01931111-1111-7111-8111-111111111111"),
        ("hook", "task_changed", "task_changed"),
        ("route", "/api/v1/tasks/{id}", "/api/v1/tasks/{id}"),
        ("milliseconds", 12.5, 12.5),
        ("status", 503, 503),
        ("code", None, None),
        ("details", frozenset({"task.due", "task.summary"}), ["task.due", "task.summary"]),
        ("frames", ["tasks.py:12 edit", "unit.py:3 <lambda>"], ["tasks.py:12 edit", "unit.py:3 <lambda>"]),
        ("said", "sync done", "sync done"),
        ("facts", {"count": 3, "name": "Ada", "note": "Ada called"}, {"count": 3, "name": WITHHELD, "note": WITHHELD}),
        ("said", "Ada Lovelace was synced", WITHHELD),
        ("said", "sync of ada@example.org", WITHHELD),
        ("person_name", "Ada", WITHHELD),
        ("name", "Ada", WITHHELD),
        ("clientSecret", "hunter2", WITHHELD),
        ("access_token", TOKEN, WITHHELD),
        ("Authorization", "Basic YTpi", WITHHELD),
        ("why", "ada@example.org", WITHHELD),
        ("why", "an answer that nobody expected", WITHHELD),
        ("code", TOKEN, WITHHELD),
        ("error", SECRET, WITHHELD),
        ("error", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.", WITHHELD),
        ("host", "postgresql://ruth:hunter2@db.example/x", f"postgresql://{WITHHELD}/x"),
        ("host", "+442079460958", WITHHELD),
        ("host", "q" * 43, WITHHELD),
        ("error", ValueError("Ada"), WITHHELD),
        ("raw", b"Ada", WITHHELD),
        ("rows", [{"summary": "Ada", "id": ID}], [{"summary": WITHHELD, "id": ID}]),
        ("count", 1 << 80, WITHHELD),
    ],
)
def test_what_a_line_keeps_of_a_value(key: str, value: Any, kept: Any) -> None:
    assert shown(key, value) == kept


def test_a_line_is_bounded() -> None:
    found = redact(None, "", {"event": "x" * 40, **{f"k{number}": "y-" * 500 for number in range(100)}})
    assert len(found) <= 30
    assert all(len(value) <= 300 for value in found.values())


def test_a_value_with_a_line_break_makes_no_second_line() -> None:
    for form in ("lines", "json"):
        line: Any = {"event": "x", "why": "a\nlevel='error' event='forged'", "frames": ["a.py:1 f\nforged"]}
        for processor in logs.processors(form):
            line = processor(None, "info", line)
        assert "\n" not in line


def test_an_unknown_form_of_lines_is_refused() -> None:
    with pytest.raises(HostError) as refused:
        logs.quieten_logs(environ={"ASSIGNTASK_LOG": "xml"})
    assert refused.value.code == "setting_invalid"


# --- what libraries log -----------------------------------------------------------------------------------------------


def test_what_a_library_logs_is_a_line_with_its_place_and_without_its_words(written: Any) -> None:
    library = logging.getLogger("some.library")
    try:
        raise LookupError(f"no such person: {HOSTILE['who']}")
    except LookupError:
        library.exception("while looking for %s", HOSTILE["mail"])
    library.warning(f"{HOSTILE['token']} is old")
    library.info("nobody needs this")
    first, second = written()
    assert (first["event"], first["level"], first["logger"]) == ("library", "error", "some.library")
    assert first["where"].startswith("test_cli_logs.py:")
    assert first["error"] == "LookupError"
    assert first["frames"][-1].endswith("test_what_a_library_logs_is_a_line_with_its_place_and_without_its_words")
    assert second["level"] == "warning"
    assert leaks(written()) == []


async def test_a_task_that_nobody_waits_for_is_written_down_by_kind_alone(written: Any) -> None:
    asyncio.get_running_loop().call_exception_handler(
        {"message": f"Task of {HOSTILE['who']}", "exception": ValueError(HOSTILE["mail"]), "task": HOSTILE}
    )
    (line,) = written()
    assert (line["logger"], line["error"]) == ("asyncio", "ValueError")
    assert leaks([line]) == []


# --- a whole host -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def harbour() -> AsyncIterator[tuple[Platform, Doer, str]]:
    """A host with one admin, whose facts are hostile, a project, and an app whose every hook fails with its ask."""
    app = find_app(APPS / "raising_app")
    settings = replace(Settings.in_memory(), url="", hook_limits={"task_saving": 10.0})
    async with Platform.open(settings, directory=Directory(lambda: [app])) as platform:

        def furnish(conn: Connection) -> tuple[Doer, str]:
            now = platform.clock()
            here = organisations.create(conn, "Harbour", "UTC", now).id
            zoe = people.add(conn, here, name=HOSTILE["who"], email=HOSTILE["mail"], role="admin", now=now)
            return Doer(here, zoe.id, "admin"), projects.create(conn, here, "Docks", now=now)

        doer, project = await platform.db.write(furnish)
        await platform.installing.install(doer, app.id)
        yield platform, doer, project


async def test_a_failing_hook_is_written_down_with_its_delivery_and_without_a_value(written: Any) -> None:
    async with harbour() as (platform, doer, project):
        text = " ".join(HOSTILE.values())
        task = await platform.tasks.create(doer, project=project, summary=text, changes={"assignees": [doer.person_id]})  # type: ignore[typeddict-item, list-item]
        await platform.tasks.edit(doer, task.id, {"summary": f"{text}!"}, if_version=task.version)
        await platform.drain()
    failed = [line for line in written() if line["event"] == "notice_failed"]
    assert failed, written()
    for line in failed:
        assert (line["hook"], line["code"], line["attempt"]) == ("task_changed", "hook_raised", 1)
        assert is_id(line["delivery"])
        assert is_id(line["installation"])
    assert leaks(written()) == []


async def test_an_apps_own_lines_say_which_delivery_they_are_of(written: Any) -> None:
    delivery = new_id()
    with structlog.contextvars.bound_contextvars(delivery=delivery, attempt=2, installation="of the host"):
        kept = AppLog("raising-app", ID)
    structlog.contextvars.clear_contextvars()  # as in the apps' own loop
    kept.info("sync done", count=3, email=HOSTILE["mail"], note=HOSTILE["text"])
    kept.warning(f"could not reach {HOSTILE['who']}")
    first, second = written()
    assert (first["delivery"], first["attempt"], first["installation"]) == (delivery, 2, ID)
    assert (first["app"], first["said"], first["facts"]["count"]) == ("raising-app", "sync done", 3)
    assert second["said"] == WITHHELD
    assert leaks(written()) == []


@asynccontextmanager
async def served(site: Any) -> AsyncIterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with until_stopped(site) as server:
            serving = asyncio.create_task(server.serve(sockets=[taken]))
            while not server.started:
                await asyncio.sleep(0)
            yield f"http://127.0.0.1:{taken.getsockname()[1]}"
            server.should_exit = True
            await serving


async def test_a_request_that_breaks_the_host_is_written_down_with_the_id_that_its_answer_has(written: Any) -> None:
    async with harbour() as (platform, *_):
        for table in ("organisation", "oauth_access_token"):
            rename = f"ALTER TABLE {table} RENAME TO lost_{table}"
            await platform.db.write(lambda conn, sql=rename: conn.exec_driver_sql(sql))
        headers = {
            "authorization": f"Bearer {TOKEN}",
            "cookie": f"assigntask={SECRET}",
            "x-request-id": HOSTILE["mail"],
        }
        async with served(platform.site()) as url, httpx2.AsyncClient(trust_env=False) as client:
            page = await client.get(f"{url}/?organisation={HOSTILE['mail']}&token={TOKEN}", headers=headers)
            api = await client.get(f"{url}/api/v1/tasks", headers=headers)
    assert (page.status_code, api.status_code) == (500, 500)
    lines = written()
    of_page = [line for line in lines if line.get("request") == page.headers["x-request-id"]]
    of_api = [line for line in lines if line.get("request") == api.headers["x-request-id"]]
    assert [(line["event"], line["error"]) for line in of_api] == [("host_error", "OperationalError")]
    assert [(line["event"], line["logger"]) for line in of_page] == [("library", "uvicorn.error")]
    assert leaks(lines) == []


async def test_a_failure_below_everything_has_the_id_too(written: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError(*HOSTILE.values())

    async with served(Observed(app, Meter())) as url, httpx2.AsyncClient(trust_env=False) as client:
        assert (await client.get(url)).status_code == 500
    (line,) = written()
    assert (line["logger"], line["error"], is_id(line["request"])) == ("uvicorn.error", "RuntimeError", True)
    assert leaks([line]) == []
