"""One call: what it takes, what it refuses to take, and an uninstall in the middle."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from assigntask.gate.gate import Slot
from assigntask.hooks.errors import CallFailed
from assigntask.hooks.lines import claim
from assigntask.hooks.notices import LEASE
from assigntask.hooks.proxy import Callee
from assigntask.ledger.channel import Channel
from assigntask_sdk.hooks import Hooks
from assigntask_sdk.records import Person, Task

pytestmark = pytest.mark.timeout(60)

SAVING = Hooks.all["task_saving"]
PLAIN = {"changed": ["summary"], "source": "person"}


async def callee(world: Any, name: str) -> Callee:
    grant = await world.grant(name)
    return Callee(grant, world.apps[grant.app_id].manifest, {})


async def released(world: Any, name: str, summary: str) -> Any:
    grant = await world.grant(name)
    task = await world.task(summary)
    slots = {"task": Slot(task), "before": Slot(None)}
    return await world.gate.release(grant, frozenset({"task.summary", "task.due"}), slots, channel=Channel.QUESTION)


async def test_an_app_is_called_with_what_passed_the_gate_and_nothing_else(world: Any) -> None:
    await world.install("guarding_app")
    answer = await world.proxies.call(
        await callee(world, "guarding_app"), SAVING, await released(world, "guarding_app", "fine"), PLAIN
    )
    assert answer is None


async def test_records_that_did_not_pass_the_gate_are_refused(world: Any) -> None:
    await world.install("guarding_app")
    to = await callee(world, "guarding_app")
    forged: Any = {"task": Task({"id": "x", "version": 1, "summary": "secret"}), "before": None}
    with pytest.raises(TypeError, match=r"Gate\.release"):
        await world.proxies.call(to, SAVING, forged, PLAIN)
    good = await released(world, "guarding_app", "fine")
    for smuggled in (forged, {"changed": [Person({"id": "p", "version": 1, "email": "ada@harbour.example"})]}):
        with pytest.raises(TypeError, match=r"Gate\.release"):
            await world.proxies.call(to, SAVING, good, {**PLAIN, **smuggled})


async def test_what_was_released_for_one_app_is_not_sent_to_another(world: Any) -> None:
    await world.install("guarding_app")
    await world.install("raising_app")
    other = await released(world, "raising_app", "fine")
    with pytest.raises(ValueError, match="another installation"):
        await world.proxies.call(await callee(world, "guarding_app"), SAVING, other, PLAIN)


async def test_a_hook_that_was_not_accepted_is_not_called_even_if_the_code_has_it(world: Any) -> None:
    await world.install("guarding_app")
    grant = await world.grant("guarding_app")
    accepted = world.apps["guarding-app"].manifest.model_copy(update={"hooks": {}})
    with pytest.raises(CallFailed) as raised:
        await world.proxies.ready(grant, accepted, SAVING)
    assert raised.value.code == "app_broken"


async def test_a_hook_that_the_code_lost_says_what_to_do(world: Any) -> None:
    await world.install("guarding_app")
    grant = await world.grant("guarding_app")
    accepted = world.apps["guarding-app"].manifest.model_copy(update={"hooks": {"task_badges": ()}})
    with pytest.raises(CallFailed, match="upgrade the app"):
        await world.proxies.ready(grant, accepted, Hooks.all["task_badges"])


async def test_uninstalling_in_the_middle_of_a_hook_ends_what_the_app_can_do(world: Any) -> None:
    await world.install("listening_app")
    await world.task("wait")
    drain = asyncio.create_task(world.notices.drain(world.ids["here"], world.ids["listening_app"]))
    while (app := sys.modules.get("listening_app.hooks")) is None:
        await asyncio.sleep(0.005)
    assert await asyncio.to_thread(app.reached.wait, 10)
    await world.leaving.uninstall(world.doer(), "listening-app")
    app.go_on.set()
    assert await drain == 2  # `installed` before, the goodbye after
    assert [kind for kind, _ in await world.heard()] == ["installed", "uninstalling"]
    assert await world.lines() == [
        ("installed", "delivered"),
        ("task_changed", "skipped"),
        ("uninstalling", "delivered"),
    ]


async def test_the_goodbye_does_not_overtake_what_is_being_told(world: Any) -> None:
    """Another drain, as in another process, finds nothing to tell meanwhile."""
    await world.install("listening_app")
    whose = (world.ids["here"], world.ids["listening_app"])
    await world.task("wait")
    drain = asyncio.create_task(world.notices.drain(*whose))
    while (app := sys.modules.get("listening_app.hooks")) is None:
        await asyncio.sleep(0.005)
    assert await asyncio.to_thread(app.reached.wait, 10)
    await world.leaving.uninstall(world.doer(), "listening-app")
    assert await world.notices.drain(*whose) == 0
    assert (await world.lines())[1:] == [("task_changed", "waiting"), ("uninstalling", "waiting")]
    app.go_on.set()
    await drain
    assert (await world.lines())[1:] == [("task_changed", "skipped"), ("uninstalling", "delivered")]


async def test_what_nobody_ended_telling_is_skipped_before_the_goodbye(world: Any) -> None:
    await world.install("listening_app")
    whose = (world.ids["here"], world.ids["listening_app"])
    await world.notices.drain(*whose)
    await world.task("one")
    assert await world.db.write(claim, *whose, world.clock(), LEASE) is not None  # and whoever did it has died
    await world.leaving.uninstall(world.doer(), "listening-app")
    assert await world.notices.drain(*whose) == 0
    world.later(seconds=LEASE.total_seconds())
    assert await world.notices.drain(*whose) == 1
    assert (await world.lines())[1:] == [("task_changed", "skipped"), ("uninstalling", "delivered")]
