"""What a whole host does is measured where it happens."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.installations.directory import Directory
from assigntask.metrics.meter import Meter
from assigntask.oauth.exchange import TokenRequest
from assigntask.people import organisations, people
from assigntask.people.facts import Doer
from assigntask.settings import Settings
from assigntask.tasks import projects
from assigntask_sdk.apps import find_app

APPS = Path(__file__).parent.parent / "apps"


@dataclass
class Noting(Meter):
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    attempts: list[tuple[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    writes: list[float] = field(default_factory=list)

    def called(self, app: str, hook: str, outcome: str, seconds: float) -> None:
        self.calls.append((app, hook, outcome))

    def attempted(self, hook: str, end: str) -> None:
        self.attempts.append((hook, end))

    def gave_token(self, grant_type: str) -> None:
        self.tokens.append(grant_type)

    def wrote(self, seconds: float) -> None:
        self.writes.append(seconds)


@pytest.fixture
def noting() -> Noting:
    return Noting()


@pytest.fixture
def imports() -> Iterator[None]:
    path = list(sys.path)
    yield
    sys.path[:] = path
    for name in [name for name in sys.modules if name.partition(".")[0] == "raising_app"]:
        del sys.modules[name]


@pytest.fixture
async def platform(noting: Noting, imports: None) -> AsyncIterator[Platform]:
    app = find_app(APPS / "raising_app")
    settings = replace(Settings.in_memory(), hook_limits={"task_saving": 10.0})
    async with Platform.open(settings, directory=Directory(lambda: [app]), meter=noting) as opened:
        yield opened


async def test_hooks_deliveries_and_writes_are_measured(platform: Platform, noting: Noting) -> None:
    def furnish(conn: Connection) -> tuple[Doer, str]:
        now = platform.clock()
        here = organisations.create(conn, "Harbour", "UTC", now).id
        ada = people.add(conn, here, name="Ada", email="ada@harbour.example", role="admin", now=now)
        return Doer(here, ada.id, "admin"), projects.create(conn, here, "Docks", now=now)

    doer, project = await platform.db.write(furnish)
    before = len(noting.writes)
    assert before >= 1
    await platform.installing.install(doer, "raising-app")
    task = await platform.tasks.create(doer, project=project, summary="Oil")
    await platform.tasks.edit(doer, task.id, {"summary": "Oil it"}, if_version=task.version)
    assert len(noting.writes) > before
    await platform.drain()
    assert ("task_changed", "later") in noting.attempts
    assert ("raising-app", "task_changed", "hook_raised") in noting.calls
    assert {app for app, _, _ in noting.calls} == {"raising-app"}
    assert (await platform.standing()).waiting >= 1


async def test_a_refused_request_for_a_token_is_no_token_given(platform: Platform, noting: Noting) -> None:
    asked = {"grant_type": "client_credentials", "client_id": "nobody", "client_secret": "cs_x"}
    answer = await platform.oauth.token(TokenRequest(asked, None, None))
    assert (answer.status, noting.tokens) == (401, [])
