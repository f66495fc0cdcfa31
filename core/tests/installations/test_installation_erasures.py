"""What a vendor is asked to erase when its app leaves, is wiped, or comes back."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa

from assigntask.actions.forgetting import Forgetting
from assigntask.db import tables as t
from assigntask.erasures import report
from assigntask.hooks import lines, settling
from assigntask.hooks.settling import Settlement

from .test_installation_leaving import give

LEASE = dt.timedelta(minutes=1)


async def uninstalled(house: Any) -> Any:
    installed = await house.installing.install(house.doer(), "due-guard")
    await give(house, installed, "Cem", "Dot")
    house.later(minutes=1)
    return await house.leaving.uninstall(house.doer(), "due-guard")


async def told(house: Any, installation: Any, end: settling.End) -> str | None:
    """The hook of what was told, with this end."""
    whose = (installation.organisation_id, installation.id)
    delivery = await house.db.write(lines.claim, *whose, house.now, LEASE)
    if delivery is None:
        return None
    how = Settlement(delivery, end, house.now, why="given_up", app_id=installation.app_id)
    assert await house.db.write(settling.settle, house.ledger, how)
    return str(delivery.hook)


async def asked(house: Any) -> list[tuple[str | None, str, str | None]]:
    """Of whom, how it stands, and why; the oldest first."""
    names = {each.id: name.removeprefix("Harbour ") for name, each in house.people.items()}
    found = await house.db.read(report.listed, house.ids["Harbour"])
    return [(names.get(each.person_id or ""), each.state, each.why) for each in found]


async def steps(house: Any) -> list[str]:
    return [one.kind for one in await house.ledger.given(house.ids["Harbour"]) if one.kind.startswith("erasure_")]


async def test_an_uninstall_asks_for_all_that_the_app_was_given(house: Any) -> None:
    gone = await uninstalled(house)
    assert await asked(house) == [(None, "asked", None)]
    assert await told(house, gone, "delivered") == "uninstalling"
    assert await asked(house) == [(None, "answered", None)]
    house.later(days=30)
    assert len(await house.leaving.sweep()) == 1  # and it is not asked again what it has answered
    assert await told(house, gone, "delivered") is None
    assert await steps(house) == ["erasure_asked", "erasure_answered"]


async def test_an_app_that_can_not_be_told_is_silent_from_the_start(house: Any, due_guard: Any) -> None:
    house.offer(due_guard(hooks={"task_changed": ["task.due"]}))
    await uninstalled(house)
    assert await asked(house) == [(None, "silent", "no_hook")]
    house.later(days=30)
    assert len(await house.leaving.sweep()) == 1
    assert await asked(house) == [(None, "silent", "no_hook")]
    assert await steps(house) == ["erasure_silent"]


async def test_who_was_silent_at_the_uninstall_is_asked_again_at_the_wipe(house: Any) -> None:
    gone = await uninstalled(house)
    assert await told(house, gone, "dead") == "uninstalling"
    assert await asked(house) == [(None, "silent", "given_up")]
    house.later(days=30)
    assert len(await house.leaving.sweep()) == 1
    assert await asked(house) == [(None, "asked", None)]
    assert await told(house, gone, "delivered") == "uninstalling"
    assert await steps(house) == ["erasure_asked", "erasure_silent", "erasure_asked", "erasure_answered"]
    assert [dt.datetime.fromisoformat(one["wiped_at"]) for one in await house.facts_of("installation.wiped")] == [
        house.now
    ]


async def test_a_wiped_app_is_asked_to_forget_people_too(house: Any) -> None:
    forgetting = Forgetting(house.db, house.ledger, house.keys, lambda: house.now)
    gone = await uninstalled(house)
    await told(house, gone, "delivered")
    house.later(days=30)
    await house.leaving.sweep()
    await forgetting.forget(house.doer(), house.people["Harbour Cem"].id)
    assert await asked(house) == [(None, "answered", None), ("Cem", "asked", None)]
    assert await told(house, gone, "delivered") == "person_forgotten"
    assert await asked(house) == [(None, "answered", None), ("Cem", "answered", None)]


async def test_a_wipe_leaves_what_was_not_answered_in_the_line(house: Any) -> None:
    forgetting = Forgetting(house.db, house.ledger, house.keys, lambda: house.now)
    gone = await uninstalled(house)
    await forgetting.forget(house.doer(), house.people["Harbour Cem"].id)
    house.later(days=33)
    assert len(await house.leaving.sweep()) == 1
    waiting = [hook for hook, state in await house.queue(gone.id) if state == "waiting"]
    assert waiting == ["uninstalling", "person_forgotten"]


async def test_a_return_takes_back_the_goodbye_and_asks_again_for_people(house: Any) -> None:
    forgetting = Forgetting(house.db, house.ledger, house.keys, lambda: house.now)
    gone = await uninstalled(house)
    for name, end in (("Cem", "delivered"), ("Dot", "dead")):
        await forgetting.forget(house.doer(), house.people[f"Harbour {name}"].id)
        while await told(house, gone, end):  # type: ignore[arg-type]
            pass
    house.later(minutes=1)
    assert await asked(house) == [(None, "answered", None), ("Cem", "answered", None), ("Dot", "silent", "given_up")]
    await house.leaving.restore(house.doer(), "due-guard")
    assert await asked(house) == [(None, "answered", None), ("Cem", "answered", None), ("Dot", "asked", None)]
    house.later(minutes=1)
    await house.leaving.uninstall(house.doer(), "due-guard")
    house.later(minutes=1)
    await house.leaving.restore(house.doer(), "due-guard")
    assert (None, "silent", "restored") in await asked(house)


async def test_what_was_not_answered_is_asked_of_a_restored_app_when_the_delivery_is_gone(house: Any) -> None:
    """Deliveries are kept for a while, and erasures for good."""
    forgetting = Forgetting(house.db, house.ledger, house.keys, lambda: house.now)
    gone = await uninstalled(house)
    await forgetting.forget(house.doer(), house.people["Harbour Cem"].id)
    while await told(house, gone, "dead"):
        pass
    await house.write(lambda conn: conn.execute(sa.delete(t.delivery)))
    await house.leaving.restore(house.doer(), "due-guard")
    assert [hook for hook, state in await house.queue(gone.id) if state == "waiting"] == ["person_forgotten"]
    [facts] = await house.facts_of("replayed.person_forgotten")
    assert (facts["person_id"], facts["credential"]) == (house.people["Harbour Cem"].id, gone.credential)
