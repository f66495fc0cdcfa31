"""What installed apps cost a save, and what it costs to call them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pluggy
from bench.apps import Kind, write_app
from bench.measure import Repeat, compared, interleaved, once_each, tell, timed
from bench.place import Place, furnished, settings_for

from assigntask.actions.hooks import NoHooks
from assigntask.actions.tasks import TaskActions
from assigntask.gate.gate import Slot
from assigntask.gate.released import Released
from assigntask.grants.grant import Actor
from assigntask.hooks.listeners import Listeners
from assigntask.hooks.proxy import Callee
from assigntask.ledger.channel import Channel
from assigntask.settings import Settings
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.hooks import PROJECT, Hooks, hookimpl, specifications

SPEC = Hooks.all["task_saving"]
COUNTS = (1, 10, 50)
KINDS: tuple[Kind, ...] = ("quiet", "guard")
SLICE = 0.003
SECONDS = 16.0
DISPATCH_SECONDS = 3.0


async def run(folder: Path) -> None:
    apps = {kind: [write_app(folder / "apps", kind, number) for number in range(max(COUNTS))] for kind in KINDS}
    async with _host(settings_for(folder / "hooks"), apps) as (bare, none, quiet, guarded):
        await _saves(bare, none, quiet, "none listening")
        await _saves(bare, none, guarded, "all listening")
        await _dispatches(quiet, guarded)
    async with _host(Settings.in_memory(), apps) as (bare, none, quiet, _):
        await _saves(bare, none, quiet, "none listening, in memory")


@asynccontextmanager
async def _host(
    settings: Settings, apps: Mapping[Kind, Sequence[InstalledApp]]
) -> AsyncIterator[tuple[Place, Place, Mapping[int, Place], Mapping[int, Place]]]:
    """Organisations of one host, so that the disk is the same for all: two without apps, then by the number of
    those that don't listen, and of those that do.
    """
    async with furnished(settings, [*apps["quiet"], *apps["guard"]]) as bare:
        none = await bare.another("none")
        found: dict[Kind, dict[int, Place]] = {"quiet": {}, "guard": {}}
        for kind, places in found.items():
            for count in COUNTS:
                places[count] = await bare.another(f"{kind} {count}")
                await places[count].install(apps[kind][:count])
        yield bare, none, found["quiet"], found["guard"]


# --- saves ------------------------------------------------------------------------------------------------------


async def _saves(bare: Place, none: Place, places: Mapping[int, Place], how: str) -> None:
    """Each against the organisation without apps; and that one against actions that know of no hooks at all."""
    sides: dict[str, Repeat] = {
        "no hooks": _saving(bare, TaskActions(bare.platform.db, NoHooks(), bare.clock)),
        "0": _saving(none, none.platform.tasks),
    }
    for count, place in places.items():
        sides[str(count)] = _saving(place, place.platform.tasks)
    found = await interleaved(await once_each(sides, warm=50), seconds=SECONDS)
    if how.startswith("none"):
        name = f"save with 0 apps{how.removeprefix('none listening')}"
        tell(compared(name, found["0"], found["no hooks"]), found["0"], found["no hooks"])
    for count in places:
        name = f"save with {_apps(count)}, {how}"
        tell(compared(name, found[str(count)], found["0"]), found[str(count)], found["0"])


def _apps(count: int) -> str:
    return "1 app" if count == 1 else f"{count} apps"


def _saving(place: Place, actions: TaskActions) -> Repeat:
    """Another summary each time, task after task."""
    numbers = itertools.count()
    versions: dict[str, int] = {}

    async def repeat(count: int) -> None:
        for _ in range(count):
            number = next(numbers)
            task = place.tasks[number % len(place.tasks)]
            stored = await actions.edit(place.doer, task, {"summary": f"Mend crane number {number} at last"})
            if stored.version <= versions.get(task, 1):
                raise AssertionError("nothing was saved")
            versions[task] = stored.version

    return repeat


# --- calls alone ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    callee: Callee
    released: Released
    plain: Mapping[str, Any]


async def _dispatches(quiet: Mapping[int, Place], guarded: Mapping[int, Place]) -> None:
    """Against pluggy that calls as many functions which do nothing, one after the other, without any care."""
    await _dispatched("dispatch to none of 50 apps", _asking_nobody(quiet[50]), 0)
    for count, place in guarded.items():
        calls = await _calls(place)
        await _dispatched(f"dispatch to {_apps(count)}", _calling(place, calls), count)
        await _dispatched(f"ask {_apps(count)}, recorded first", _asking(place), count)


async def _dispatched(name: str, ours: Repeat, impls: int) -> None:
    sides = {
        "ours": await timed(ours, slice_seconds=SLICE),
        "peer": await timed(_bare(impls), slice_seconds=SLICE),
    }
    found = await interleaved(sides, seconds=DISPATCH_SECONDS)
    tell(compared(name, found["ours"], found["peer"]), found["ours"], found["peer"])


async def _calls(place: Place) -> Sequence[Call]:
    """All that a call needs, released already."""
    platform = place.platform
    [facts] = await place.facts(place.tasks[:1])
    calls = []
    for listener in await Listeners(platform.db, platform.grants).of(place.organisation_id, SPEC.name):
        grant = await platform.grants.current(place.organisation_id, listener.installation_id, Actor.viewer(place.doer))
        slots = {"task": Slot(facts), "before": Slot(facts)}
        released = await platform.gate.release(grant, listener.details, slots, channel=Channel.QUESTION)
        callee = Callee(grant, listener.manifest, listener.settings)
        calls.append(Call(callee, released, {"changed": ["summary"], "source": "person"}))
    return calls


def _calling(place: Place, calls: Sequence[Call]) -> Repeat:
    proxies = place.platform.proxies

    async def repeat(count: int) -> None:
        for _ in range(count):
            for call in calls:
                await proxies.call(call.callee, SPEC, call.released, call.plain)

    return repeat


def _asking(place: Place) -> Repeat:
    """As a save does it: grant, gate and ledger, then the call."""

    async def repeat(count: int) -> None:
        [before] = await place.facts(place.tasks[:1])
        after = replace(before, summary="Mend it at last")
        for _ in range(count):
            for guard in await place.platform.questions.guards(place.organisation_id):
                await guard.ask(place.doer, after, before, ["summary"], "person")

    return repeat


def _asking_nobody(place: Place) -> Repeat:
    async def repeat(count: int) -> None:
        for _ in range(count):
            if await place.platform.questions.guards(place.organisation_id):
                raise AssertionError("none of these apps guards")

    return repeat


def _bare(impls: int) -> Repeat:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(specifications())
    for number in range(impls):
        manager.register(_Plugin(), name=f"plugin-{number}")
    call = manager.hook.task_saving
    ask = object()

    async def repeat(count: int) -> None:
        for _ in range(count):
            call(ctx=None, ask=ask)

    return repeat


class _Plugin:
    @hookimpl
    def task_saving(self, ctx: object, ask: object) -> None:
        return None
