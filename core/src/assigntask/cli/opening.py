"""Opens the host for one command, runs the command in it, and prints what it answers."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python
from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.cli.failures import ReaderGone, describe, tell
from assigntask.cli.logs import quieten_logs
from assigntask.cli.page import Page
from assigntask.db.ids import is_id
from assigntask.errors import HostError
from assigntask.metrics.meter import SILENT, Meter
from assigntask.people import doers, organisations, people
from assigntask.people.facts import Doer, OrganisationFacts
from assigntask.settings import LOOPBACK_NETWORKS, Settings

SETTLE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """`data` is the JSON document, `show` writes the same for people. `failure`: found after all that."""

    data: Any
    show: Callable[[Page], None]
    failure: HostError | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """What every command is called with."""

    as_json: bool
    database: str | None
    data: str | None = None
    dev: bool = False  # apps on this machine may be asked, over http too

    def settings(self) -> Settings:
        """A folder that is named on the command line goes before a database that only the environment names."""
        folder = Path(self.data) if self.data is not None else None
        database = self.database
        if database is None and folder is not None:
            database = f"sqlite:///{folder / 'assigntask.db'}"
        settings = Settings.of(database=database, data=folder)
        if self.dev:
            allowed = dict.fromkeys((*settings.outgoing_allow, *LOOPBACK_NETWORKS))
            settings = replace(settings, outgoing_allow=tuple(allowed))
        return settings


@dataclass(frozen=True, slots=True)
class Here:
    """The organisation that a command is about, and who does it."""

    platform: Platform
    organisation: OrganisationFacts
    doer: Doer

    @property
    def id(self) -> str:
        return self.organisation.id


Work = Callable[[Platform], Awaitable[Answer]]


def run(call: Call, work: Work, *, creates: bool = False, settles: bool = True) -> None:
    """`creates`: where there is no database yet, one is made. `settles`: it may change something.

    Raises what the work raises.
    """
    quieten_logs()
    settings = call.settings()
    if not creates:
        require_database(settings.database)
    answer = asyncio.run(_run(settings, work, settles=settles, as_json=call.as_json))
    show(answer, as_json=call.as_json)
    if answer.failure is not None:
        raise answer.failure


def show(answer: Answer, *, as_json: bool) -> None:
    """Raises ReaderGone."""
    try:
        if as_json:
            print(dumped(answer.data))  # noqa: T201
        else:
            answer.show(Page())
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise ReaderGone from error


def dumped(data: Any) -> str:
    utf = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "").startswith("utf")
    return json.dumps(to_jsonable_python(data), indent=2, ensure_ascii=not utf)


@asynccontextmanager
async def opened(settings: Settings, meter: Meter = SILENT) -> AsyncIterator[Platform]:
    async with Platform.open(settings, meter=meter) as platform:
        yield platform


async def _run(settings: Settings, work: Work, *, settles: bool, as_json: bool) -> Answer:
    async with opened(settings) as platform:
        try:
            return await work(platform)
        finally:
            if settles:
                await _settle(platform, as_json=as_json)


async def _settle(platform: Platform, *, as_json: bool) -> None:
    """What the work did is done: trouble with what follows from it is a warning."""
    try:
        await platform.settle(SETTLE_SECONDS)
    except Exception as error:
        tell(describe(error), as_json=as_json, kind="warning")


def require_database(url: str) -> None:
    """A mistyped address must not make an empty database. Raises HostError `database_missing`."""
    path = url.removeprefix("sqlite:///") if url.startswith("sqlite:///") else None
    if path is not None and not Path(path).exists():
        raise HostError(
            "database_missing",
            f"There is no database at {path}. Name it with --database or ASSIGNTASK_DATABASE, or make one with "
            "`assigntask import trello FILE --organisation NAME --admin EMAIL` or `assigntask run`.",
        )


def find_organisation(conn: Connection, text: str | None) -> OrganisationFacts:
    """By name or id; None: the only one. Raises HostError `organisation_unknown`, `organisation_needed`."""
    if text is not None:
        return organisations.get(conn, text) if is_id(text) else organisations.by_name(conn, text)
    known = organisations.listed(conn)
    if len(known) == 1:
        return known[0]
    if not known:
        raise HostError(
            "organisation_unknown",
            "There is no organisation yet. Make one with "
            "`assigntask import trello FILE --organisation NAME --admin EMAIL`.",
        )
    names = [one.name for one in known]
    raise HostError(
        "organisation_needed",
        f"This host has {len(known)} organisations. Name one with --organisation: {', '.join(names)}.",
        organisations=names,
    )


def find_doer(conn: Connection, organisation_id: str, person: str | None) -> Doer:
    """The operator, on behalf of `person` where one is given. Raises HostError `person_unknown`, `person_inactive`."""
    if person is None:
        return doers.operator_of(organisation_id)
    found = people.find(conn, organisation_id, person)
    return doers.doer(conn, organisation_id, found.id, operator=True)


async def here(platform: Platform, organisation: str | None, acting: str | None) -> Here:
    def look(conn: Connection) -> tuple[OrganisationFacts, Doer]:
        found = find_organisation(conn, organisation)
        return found, find_doer(conn, found.id, acting)

    return Here(platform, *await platform.db.read(look))
