"""What it costs that a record passes the gate, against making the same record without one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.apps import SCOPES, write_app
from bench.bare import Builder
from bench.measure import Repeat, compared, interleaved, tell, timed
from bench.place import Place, furnished, settings_for

from assigntask.gate.gate import Slot
from assigntask.grants.grant import Actor, Grant
from assigntask.ledger.channel import Channel
from assigntask.people import people
from assigntask.tasks import tasks
from assigntask.tasks.facts import TaskFacts
from assigntask_sdk.details import details_of
from assigntask_sdk.records import TaskId

NEEDS = details_of(SCOPES["reader"])
SLICE = 0.003
SECONDS = 3.0
HUNDRED = 100


@dataclass(frozen=True, slots=True)
class Reading:
    """An app that may see everything of tasks, and the people in them by name and e-mail address."""

    place: Place
    grant: Grant
    builder: Builder
    facts: Sequence[TaskFacts]

    async def release(self, facts: TaskFacts | Sequence[TaskFacts]) -> Any:
        released = await self.place.platform.gate.release(self.grant, NEEDS, {"it": Slot(facts)}, channel=Channel.API)
        return released.values["it"]

    def read(self, ids: Sequence[str]) -> list[TaskFacts]:
        """The rows, by the quickest way there is: here and now, in this thread."""
        found = self.place.platform.db.read_inline(tasks.load, self.place.organisation_id, ids)
        return [found[each] for each in ids]


async def run(folder: Path) -> None:
    app = write_app(folder / "apps", "reader")
    async with furnished(settings_for(folder / "gate"), [app]) as place:
        [installation_id] = await place.install([app])
        reading = await _reading(place, await place.grant(installation_id))
        await _check(reading)
        await _one(reading)
        await _hundred(reading)
        await _as_apps_read(reading)


async def _reading(place: Place, grant: Grant) -> Reading:
    db, here = place.platform.db, place.organisation_id
    known = await db.read(people.load, here, await db.read(people.everyone, here))
    sizes = await db.read(people.department_sizes, here)
    builder = Builder(known, {each: grant.pairwise(each) for each in known}, sizes)
    return Reading(place, grant, builder, await place.facts(place.tasks[:HUNDRED]))


async def _check(reading: Reading) -> None:
    """Both sides have to make the same records, or there is nothing to compare."""
    facts = reading.facts
    if await reading.release(facts[0]) != reading.builder.one(facts[0]):
        raise AssertionError("the gate and the bare builder make different records of one task")
    if await reading.release(facts) != reading.builder.several(facts):
        raise AssertionError("the gate and the bare builder make different records of several tasks")


async def _one(reading: Reading) -> None:
    ids, facts, builder = [reading.facts[0].id], reading.facts[0], reading.builder

    async def released_in_hand() -> None:
        await reading.release(facts)

    async def released() -> None:
        await reading.release(reading.read(ids)[0])

    def built() -> None:
        builder.one(reading.read(ids)[0])

    await _compare("release one", released, built)
    await _compare("release one", released_in_hand, lambda: builder.one(facts), where=", row in hand")
    await _first(reading, "release one first", released, built)
    await _first(reading, "release one first, row in hand", released_in_hand, lambda: builder.one(facts))


async def _hundred(reading: Reading) -> None:
    facts, builder = reading.facts, reading.builder
    ids = [each.id for each in facts]

    async def released_in_hand() -> None:
        await reading.release(facts)

    async def released() -> None:
        await reading.release(reading.read(ids))

    def built() -> None:
        builder.several(reading.read(ids))

    await _compare("release hundred", released, built)
    await _compare("release hundred", released_in_hand, lambda: builder.several(facts), where=", row in hand")
    await _first(reading, "release hundred first", released, built)
    await _first(reading, "release hundred first, row in hand", released_in_hand, lambda: builder.several(facts))


async def _as_apps_read(reading: Reading) -> None:
    """The whole way of `ctx.tasks.get`, which loads the grant anew and reads in a reader's thread."""
    place, facts = reading.place, reading.facts[0]
    fields = sorted(name for name in NEEDS if not name.startswith("project."))
    manifest = place.platform.directory.get(reading.grant.app_id).usable()
    ctx = place.platform.contexts.make(reading.grant, deadline=place.clock(), settings={}, manifest=manifest)

    async def checked() -> None:
        grants = place.platform.grants
        grant = await grants.current(reading.grant.organisation_id, reading.grant.installation_id, Actor.installation())
        await place.platform.gate.release(grant, NEEDS, {"it": Slot(facts)}, channel=Channel.API)

    async def through_ctx() -> None:
        await ctx.tasks.get(TaskId(facts.id), fields=fields)

    async def built() -> None:
        reading.builder.one((await place.facts([facts.id]))[0])

    await _compare("release one", checked, lambda: reading.builder.one(facts), where=", grant loaded, row in hand")
    await _measured("ctx.tasks.get repeat", _repeat(through_ctx), _repeat(built))


async def _compare(
    name: str, ours: Callable[[], Awaitable[None]], peer: Callable[[], object], *, where: str = ""
) -> None:
    await ours()  # recorded now, so that all that follow are repeats
    await _measured(f"{name} repeat{where}", _repeat(ours), _repeat_plain(peer))


async def _first(reading: Reading, name: str, ours: Callable[[], Awaitable[None]], peer: Callable[[], object]) -> None:
    async def each_on_a_new_day(count: int) -> None:
        for _ in range(count):
            reading.place.clock.next()
            await ours()

    await _measured(name, each_on_a_new_day, _repeat_plain(peer))


async def _measured(name: str, ours: Repeat, peer: Repeat) -> None:
    sides = {"ours": await timed(ours, slice_seconds=SLICE), "peer": await timed(peer, slice_seconds=SLICE)}
    found = await interleaved(sides, seconds=SECONDS)
    tell(compared(name, found["ours"], found["peer"]), found["ours"], found["peer"])


def _repeat(once: Callable[[], Awaitable[None]]) -> Repeat:
    async def repeat(count: int) -> None:
        for _ in range(count):
            await once()

    return repeat


def _repeat_plain(once: Callable[[], object]) -> Repeat:
    async def repeat(count: int) -> None:
        for _ in range(count):
            once()

    return repeat
