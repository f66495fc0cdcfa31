"""Every app of the repository lives the same life in the host's process and as a service of its own.

Same input, same result, same entries in the ledger. Apps are found by their folder; one that can't be alike by nature
is named here, with the reason.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from assigntask_sdk.apps import AppBroken
from assigntask_sdk.new import write_app

from .both_ways import Clock, as_a_service, in_process, limits, manifests
from .both_ways_story import Account, Extra, Story

pytestmark = pytest.mark.timeout(120)

NEW = "late-bell"
EXTRAS: Mapping[str, Extra] = {
    "guarding_app": Extra(("amend", "later", "unknown label", "release everybody")),
    "listening_app": Extra(("conflict", "later", "break")),
    "blocking_app": Extra(brief=True),
    "exiting_app": Extra(brief=True),
    "hanging_app": Extra(brief=True),
    "huge_app": Extra(brief=True),
    "kill_app": Extra(brief=True),
    # Its process has the time of day, and signatures hold for five minutes.
    "spinning_app": Extra(brief=True, pace=0.5),
    "wrong_type_app": Extra(brief=True),
    "working_app": Extra(("count 3", "stumble 2", "break 1")),
}
"""What else these are told, by package."""

CANNOT_BE_SERVED: Mapping[str, str] = {
    "broken_import_app": "code that can't be imported starts no service, so nothing reaches a host",
}
NEVER_ANSWERS = {"blocking_app", "hanging_app", "spinning_app"}
HOLDS_ITS_THREAD: Mapping[str, str] = {
    "blocking_app": "the host sees its own thread being held, stops that and opens the breaker at once; of a service "
    "it sees only that no answer comes, which opens the breaker when it has happened several times",
    "spinning_app": "as above; its service is a process of its own, which can be ended",
}
IN_A_PROCESS = {"spinning_app"}


def packages() -> dict[str, Path]:
    """By name; the app that `assigntask-sdk new` writes is made by the test."""
    found = {file.parent.name: file.parent for file in manifests()}
    assert len(found) == len(manifests()), "two apps have a package of the same name"
    return found


@pytest.fixture
def package(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    name: str = request.param
    if name == NEW:
        write_app(NEW, tmp_path / "written")
        return tmp_path / "written" / "src" / "late_bell"
    return packages()[name]


SERVED = sorted({*packages(), NEW} - {*CANNOT_BE_SERVED})


@pytest.mark.parametrize("package", SERVED, indirect=True)
async def test_an_app_is_the_same_in_both_ways_of_running(package: Path, tmp_path: Path) -> None:
    start = dt.datetime.now(dt.UTC).replace(microsecond=0)
    inside = await told(package, tmp_path / "in", start, service=False)
    outside = await told(package, tmp_path / "out", start, service=True)
    if package.name in HOLDS_ITS_THREAD:
        both = inside.compared_while_held(), outside.compared_while_held()
    else:
        both = inside.compared(), outside.compared()
        assert inside.heard  # a story in which nothing was asked would prove nothing
    assert not list(differences(*both))
    assert (inside.assurances, outside.assurances) == ({"trusted"}, {"enforced"})


async def test_code_that_cannot_be_imported_is_said_to_be_broken_in_both_ways(tmp_path: Path) -> None:
    for name in CANNOT_BE_SERVED:
        package, start = packages()[name], dt.datetime.now(dt.UTC)
        inside = await told(package, tmp_path / "in" / name, start, service=False)
        failed = [said["failed"]["code"] for step, (said,) in panels_of(inside) if step.startswith("board")]
        assert set(failed) == {"app_broken"}
        assert inside.heard == []
        with pytest.raises(AppBroken) as broken:
            await told(package, tmp_path / "out" / name, start, service=True)
        assert broken.value.code == "app_import_failed"


def panels_of(account: Account) -> list[tuple[str, Any]]:
    return [(step, said) for step, said in account.steps if step.startswith(("board", "task for")) and said]


async def test_a_new_app_is_served_by_the_command_as_it_was_written(tmp_path: Path) -> None:
    write_app(NEW, tmp_path / "written")
    package, clock = tmp_path / "written" / "src" / "late_bell", Clock(dt.datetime.now(dt.UTC))
    async with as_a_service(package, tmp_path / "out", clock, limits(hasty=False), process=True) as way:
        account = await Story(way, Extra(brief=True, pace=0.5)).told()
    vetoed = [said for step, said in account.steps if step == "create No date"]
    assert [said["error"]["field"] for said in vetoed] == ["due"]
    badges = [said for step, said in account.steps if step == "badges for Ada"]
    assert "overdue 9 d" in str(badges)
    assert account.assurances == {"enforced"}


async def told(package: Path, folder: Path, start: dt.datetime, *, service: bool) -> Account:
    clock, patience = Clock(start), limits(hasty=package.name in NEVER_ANSWERS)
    way = (
        as_a_service(package, folder, clock, patience, process=package.name in IN_A_PROCESS)
        if service
        else in_process(package, folder, clock, patience)
    )
    async with prepared(package.name), way as opened:
        return await Story(opened, EXTRAS.get(package.name, Extra())).told()


@asynccontextmanager
async def prepared(package: str) -> AsyncIterator[None]:
    """What an app of the bench waits for, before its import ends."""

    async def go_on() -> None:
        while True:
            module = sys.modules.get(f"{package}.hooks")
            with suppress(AttributeError):
                module.go_on.set()  # type: ignore[union-attr]
            await asyncio.sleep(0.01)

    helper = asyncio.create_task(go_on()) if package == "starting_app" else None
    try:
        yield
    finally:
        if helper is not None:
            helper.cancel()


def differences(inside: Any, outside: Any, place: str = "") -> Iterator[str]:
    """Where two accounts differ, each with both sides."""
    if isinstance(inside, dict) and isinstance(outside, dict):
        for name in [*inside, *(name for name in outside if name not in inside)]:
            yield from differences(inside.get(name, "nothing"), outside.get(name, "nothing"), f"{place}.{name}")
    elif isinstance(inside, list) and isinstance(outside, list) and len(inside) == len(outside):
        for number, (one, other) in enumerate(zip(inside, outside, strict=True)):
            yield from differences(one, other, f"{place}[{number}]")
    elif inside != outside:
        yield f"{place}: in process {inside!r}, as a service {outside!r}"
