"""Places of one release that are opened differently: each takes its own details, and one entry has them all."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from assigntask.db import new_id
from assigntask.gate.gate import Gate, Slot
from assigntask.ledger.channel import Channel
from assigntask.tasks.facts import CommentFacts
from assigntask_sdk.details import SCOPES

if TYPE_CHECKING:
    from core.tests.conftest import World

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


async def test_a_place_takes_no_more_than_its_own_needs(world: World, gate: Gate, ledger: Any) -> None:
    await world.organisation()
    ada = await world.person(name="Ada")
    grant = await world.grant(await world.install(SCOPES))
    text = f"ask <@{ada.id}>"
    first, second = (CommentFacts(new_id(), 1, new_id(), "p", text, NOW, None, ada.id) for _ in range(2))
    texts, names = frozenset({"comment.text"}), frozenset({"comment.text", "person.name", "viewer.change"})
    slots = {
        "text": Slot(first, needs=texts),
        "hidden": Slot(ada, detail="viewer.change", needs=texts),
        "named": Slot(second, needs=names),
        "by": Slot(ada, detail="viewer.change", needs=names),
    }
    released = await gate.release(grant, texts | names, slots, channel=Channel.API)
    known = grant.pairwise(ada.id)
    assert released.values["text"].text == f"ask @{known}"
    assert released.values["named"].text == "ask @Ada"
    assert released.values["hidden"] is None
    assert released.values["by"].name == "Ada"
    [entry] = [one for one in await ledger.given(world.organisation_id) if one.kind == "release"]
    assert set(entry.details) == names
    assert {record[1] for record in entry.records} >= {first.id, second.id}


async def test_a_place_gets_nothing_that_the_release_did_not_ask_for(world: World, gate: Gate) -> None:
    await world.organisation()
    ada = await world.person(name="Ada")
    grant = await world.grant(await world.install(SCOPES))
    slot = Slot(ada, needs=frozenset({"person.name", "person.email"}))
    released = await gate.release(grant, frozenset({"person.name"}), {"who": slot}, channel=Channel.API)
    assert set(released.values["who"]) == {"id", "version", "withheld", "name"}
