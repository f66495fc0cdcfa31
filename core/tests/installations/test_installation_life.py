"""The life of an installation, from request to wipe, and that no sequence of acts leaves the table of states."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from assigntask.db import Database
from assigntask.db import tables as t
from assigntask.errors import HostError
from assigntask.installations import life, subscriptions
from assigntask.installations.installations import change, insert
from assigntask_sdk.errors import Conflict


def test_only_the_steps_of_the_table_are_taken() -> None:
    taken = {}
    for state in (None, *life.STATES):
        for act in life.ACTS:
            try:
                taken[state, act] = life.next_state(state, act)
            except HostError as error:
                assert error.code == "installation_state"
                assert error.facts["possible"] == list(life.possible(state))
                assert all(possible in error.message for possible in error.facts["possible"])
    assert taken == dict(life.TABLE)


def test_every_state_can_be_reached_and_the_ends_are_ends() -> None:
    reached = {after for (_, _), after in life.TABLE.items()}
    assert reached == set(life.STATES)
    assert {state for state in life.STATES if not life.possible(state)} == {"declined", "wiped"}


async def test_from_request_to_wipe(house: Any) -> None:
    requested = await house.installing.request(house.doer("Cem"), "due-guard")
    assert (requested.state, requested.scopes) == ("requested", frozenset())
    assert await house.rows(t.subscription) == []

    house.later(hours=1)
    installed = await house.installing.install(house.doer(), "due-guard", projects=["ships"])
    assert (installed.id, installed.state) == (requested.id, "active")
    assert installed.requested_by == house.people["Harbour Cem"].id
    assert installed.installed_by == house.people["Harbour Ada"].id
    assert installed.projects == {house.ids["Harbour Ships"]}
    assert sorted(await house.rows(t.subscription, "hook")) == sorted(house.apps[0].manifest.hooks)

    assert (await house.leaving.disable(house.doer(), "due-guard")).state == "disabled"
    assert await house.rows(t.subscription) == []
    assert (await house.leaving.enable(house.doer("Ben"), "due-guard")).state == "active"
    assert len(await house.rows(t.subscription)) == len(house.apps[0].manifest.hooks)

    gone = await house.leaving.uninstall(house.doer(), "due-guard")
    assert (gone.state, gone.wipe_at) == ("uninstalled", house.now + dt.timedelta(days=30))
    assert await house.rows(t.subscription) == []
    restored = await house.leaving.restore(house.doer(), "due-guard")
    assert (restored.id, restored.state, restored.wipe_at) == (installed.id, "disabled", None)
    assert restored.projects == installed.projects
    assert restored.credential != installed.credential

    await house.leaving.uninstall(house.doer(), "due-guard")
    house.later(days=34)
    assert [wiped.installation_id for wiped in await house.leaving.sweep()] == [installed.id]
    assert await house.leaving.sweep() == []
    assert await house.rows(t.installation, "state") == ["wiped"]

    acts = [entry.kind for entry in await house.ledger.given(house.ids["Harbour"]) if entry.kind != "release"]
    asked = ["uninstall", "erasure_asked"]
    withdrawn = ["restore", "erasure_silent"]
    assert acts == ["request", "install", "disable", "enable", *asked, *withdrawn, *asked, "wipe"]


async def test_a_declined_request_can_be_made_again(house: Any) -> None:
    await house.installing.request(house.doer("Cem"), "due-guard")
    declined = await house.installing.decline(house.doer(), "due-guard")
    assert declined.state == "declined"
    with pytest.raises(HostError) as caught:
        await house.installing.decline(house.doer(), "due-guard")
    assert caught.value.code == "installation_state"
    again = await house.installing.request(house.doer("Dot"), "due-guard")
    assert again.id != declined.id


async def test_installing_twice_is_refused(house: Any) -> None:
    await house.installing.install(house.doer(), "due-guard")
    before = await house.dump()
    for act in (house.installing.install, house.installing.request):
        with pytest.raises(HostError) as caught:
            await act(house.doer("Ben"), "due-guard")
        assert caught.value.code == "already_installed"
    assert await house.dump() == before


async def test_of_many_installs_at_once_one_is_done(house: Any) -> None:
    tries = [house.installing.install(house.doer(name), "due-guard") for name in ("Ada", "Ben") for _ in range(6)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    failed = [answer for answer in answers if isinstance(answer, BaseException)]
    assert [error.code for error in failed if isinstance(error, HostError)] == ["already_installed"] * 11
    assert len(await house.rows(t.installation)) == 1
    assert len(await house.rows(t.app_version)) == 1


async def test_of_a_disable_and_an_uninstall_at_once_neither_is_half_done(house: Any) -> None:
    await house.installing.install(house.doer(), "due-guard")
    await asyncio.gather(
        house.leaving.disable(house.doer(), "due-guard"),
        house.leaving.uninstall(house.doer("Ben"), "due-guard"),
        return_exceptions=True,
    )
    assert await house.rows(t.installation, "state") == ["uninstalled"]
    assert await house.rows(t.subscription) == []


async def test_every_act_raises_the_epoch(house: Any) -> None:
    async def epoch() -> int:
        return int((await house.rows(t.organisation, "epoch"))[0])

    seen = await epoch()
    for act in (house.installing.install, house.leaving.disable, house.leaving.enable, house.leaving.uninstall,
                house.leaving.restore):  # fmt: skip
        await act(house.doer(), "due-guard")
        assert await epoch() > seen
        seen = await epoch()


class Acts:
    """Any act at any moment, by an admin. What the table forbids is refused, and then nothing changed."""

    def __init__(self, house: Any, manifest: Callable[..., Any]) -> None:
        self.house, self.manifest, self.minor = house, manifest, 0
        house.offer(manifest("1.0.0"))

    async def act(self, name: str) -> None:
        house, doer = self.house, self.house.doer()
        if name == "wait":
            house.later(days=34)
            await house.leaving.sweep()
            return
        if name == "upgrade":
            self.minor += 1
            house.offer(self.manifest(f"1.{self.minor}.0"), content=str(self.minor))
        acts = {
            "request": house.installing.request,
            "install": house.installing.install,
            "decline": house.installing.decline,
            "disable": house.leaving.disable,
            "enable": house.leaving.enable,
            "upgrade": house.upgrading.upgrade,
            "uninstall": house.leaving.uninstall,
            "restore": house.leaving.restore,
        }
        before = await self.states()
        house.later(seconds=1)
        try:
            await acts[name](doer, "due-guard")
        except HostError:
            assert await self.states() == before
            return
        after = await self.states()
        stepped = {(before.get(key), state) for key, state in after.items() if before.get(key) != state}
        allowed = {(start, end) for (start, act), end in life.TABLE.items() if act == name}
        assert stepped <= allowed, f"{name}: {stepped}"

    async def states(self) -> dict[str, str]:
        return dict(await self.house.rows(t.installation, "id", "state"))

    async def check(self) -> None:
        """Of the live ones there is at most one, and whoever listens is active."""
        rows = await self.house.rows(t.installation, "id", "state")
        assert sum(state in life.LIVE for _, state in rows) <= 1
        listening = set(await self.house.rows(t.subscription, "installation_id"))
        assert listening == {installation_id for installation_id, state in rows if state == "active"}


NAMES = ("request", "install", "decline", "disable", "enable", "upgrade", "uninstall", "restore", "wait")


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_random_life_stays_in_the_table(house: Any, due_guard: Callable[..., Any], seed: int) -> None:
    acts, chance = Acts(house, due_guard), random.Random(seed)
    for _ in range(60):
        await acts.act(chance.choice(NAMES))
        await acts.check()


def test_no_sequence_of_acts_leaves_the_table(due_guard: Callable[..., Any], opening: Callable[..., Any]) -> None:
    class Life(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.folder = tempfile.TemporaryDirectory()
            self.runner = asyncio.Runner()
            self.runner.run(self.open())

        async def open(self) -> None:
            self.db = Database.open("sqlite://")
            await self.db.write(t.metadata.create_all)
            self.house = opening(self.db, Path(self.folder.name))
            await self.house.fill()
            self.acts = Acts(self.house, due_guard)

        @rule(name=st.sampled_from(NAMES))
        def act(self, name: str) -> None:
            self.runner.run(self.acts.act(name))

        @invariant()
        def in_the_table(self) -> None:
            self.runner.run(self.acts.check())

        def teardown(self) -> None:
            self.house.keys.close()
            self.runner.run(self.db.close())
            self.runner.close()
            self.folder.cleanup()

    limits = settings(
        max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    run_state_machine_as_test(Life, settings=limits)


async def test_subscriptions_hold_what_hooks_want_and_the_grant_opens(house: Any) -> None:
    installed = await house.installing.install(house.doer(), "due-guard", without=["people:name", "tasks:guard"])
    rows = dict(await house.rows(t.subscription, "hook", "details"))
    assert rows["task_changed"] == ["task.due"]
    assert rows["task_badges"] == ["task.due", "task.summary"]
    assert "task_saving" not in rows  # nobody gave it the power to refuse
    assert installed.declined == {"people:name", "tasks:guard"}
    assert subscriptions.listens(house.apps[0].manifest, installed)["task_changed"] == {"task.due"}


async def test_a_change_from_a_state_that_is_no_longer_so_is_a_conflict(house: Any) -> None:
    read = await house.installing.install(house.doer(), "due-guard")
    await house.leaving.disable(house.doer(), "due-guard")
    with pytest.raises(Conflict):
        await house.db.write(change, read, changed_at=house.now)


async def test_two_live_installations_can_not_be_stored(house: Any) -> None:
    installed = await house.installing.install(house.doer(), "due-guard")
    row = (await house.rows(t.installation))[0]
    values = dict(zip(t.installation.c.keys(), row, strict=True))
    values = {name: value for name, value in values.items() if name not in ("id", "organisation_id")}
    with pytest.raises(HostError) as caught:
        await house.db.write(insert, installed.organisation_id, "another", **values)
    assert caught.value.code == "already_installed"
    assert len(await house.rows(t.installation)) == 1
