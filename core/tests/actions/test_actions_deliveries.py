"""Who may look at an app's deliveries and have them told once more, and what that changes, on either database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from assigntask.actions.deliveries import POWER, DeliveryActions, Since
from assigntask.db import tables as t
from assigntask.errors import HostError, NotAllowed
from assigntask.events import deliveries, history
from assigntask.events.events import Event, record
from assigntask.events.history import Wanted
from assigntask.installations.life import STATES
from assigntask.people.doers import operator_of
from assigntask.people.facts import Doer
from assigntask_sdk.errors import Invalid, NotFound

LEASE = dt.timedelta(seconds=30)
ENDED = {"delivered": None, "skipped": "not_shared", "dead": "hook_failed"}
BEGAN = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


class Line:
    """One installation's deliveries, made minute by minute; `ids` in their order."""

    def __init__(self, house: Any) -> None:
        self.house = house
        self.acts = DeliveryActions(house.db, house.ledger, house.clock)
        self.app = ""
        self.ids: list[str] = []

    async def fill(self, *hooks: str) -> None:
        house = self.house
        self.app = await house.install(house.one, "mailer", {})
        for hook in hooks:
            house.now += dt.timedelta(minutes=1)
            told = Event(kind="x", record_kind="task", record_id="t", at=house.now)
            await house.db.write(record, house.one.id, told, hook=hook, recipients=[self.app])
        self.ids = [row["id"] for row in await house.deliveries(self.app)]
        house.now += dt.timedelta(hours=1)

    async def set(self, place: int, **values: Any) -> None:
        where = (t.delivery.c.organisation_id == self.house.one.id, t.delivery.c.id == self.ids[place])
        await self.house.db.write(lambda conn: conn.execute(sa.update(t.delivery).where(*where).values(**values)))

    async def end(self, place: int, state: str) -> None:
        last = {"attempts": 4, "took": 12, "status": 500, "answer": "It is late", "attempted_at": self.house.now}
        await self.set(place, state=state, done_at=self.house.now, last_error=ENDED[state], **last)

    async def standing(self, **values: Any) -> None:
        own, app = self.house.one.id, self.app
        where = (t.installation.c.organisation_id == own, t.installation.c.id == app)
        await self.house.db.write(lambda conn: conn.execute(sa.update(t.installation).where(*where).values(**values)))

    async def told_next(self) -> str | None:
        """The id of what is at the head of the line, which is then told."""
        house = self.house
        taken = await house.db.write(deliveries.claim, house.one.id, self.app, house.now, LEASE)
        if taken is None:
            return None
        assert await house.db.write(deliveries.done, taken, house.now)
        return str(taken.id)

    async def states(self) -> list[str]:
        return [row["state"] for row in await self.house.deliveries(self.app)]

    def since(self, minute: int, *states: Any) -> Since:
        at = BEGAN + dt.timedelta(minutes=minute)
        return Since(at, states or history.STATES)


@pytest.fixture
async def line(house: Any) -> Line:
    made = Line(house)
    await made.fill("task_changed", "comment_added", "task_changed", "task_changed")
    return made


def doers(line: Line) -> Mapping[str, tuple[Doer, bool, bool]]:
    """Who it is, whether they may look, and whether they may have it told once more."""
    one, other = line.house.one, line.house.other
    app = line.app
    return {
        "an admin": (one.admin, True, True),
        "a member": (one.member, False, False),
        "somebody who says that they are an admin": (Doer(one.id, one.bob.id, "admin"), False, False),
        "nobody": (Doer(one.id, None, None), False, False),
        "the operator": (operator_of(one.id), True, True),
        "the operator for an admin": (Doer(one.id, one.ada.id, "admin", operator=True), True, True),
        "the operator for a member": (Doer(one.id, one.bob.id, "member", operator=True), False, False),
        "the app": (Doer(one.id, None, None, installation_id=app), True, True),
        "another app": (Doer(one.id, None, None, installation_id="other"), False, False),
        "an admin through the app": (Doer(one.id, one.ada.id, "admin", installation_id=app), True, True),
        "an admin through another app": (Doer(one.id, one.ada.id, "admin", installation_id="other"), False, False),
        "a member through the app": (Doer(one.id, one.bob.id, "member", installation_id=app), False, False),
        "an admin of another organisation": (other.admin, False, False),
        "one who poses as an admin here": (Doer(one.id, other.ada.id, "admin"), False, False),
    }


async def test_who_may_look_and_who_may_have_it_told_once_more(line: Line) -> None:
    await line.standing(scopes=[POWER])
    for who, (doer, may_look, may_tell) in doers(line).items():
        await line.end(0, "delivered")
        before = await line.states()
        for may, ask in (
            (may_look, lambda doer=doer: line.acts.list(doer, line.app)),
            (may_look, lambda doer=doer: line.acts.get(doer, line.app, line.ids[0])),
            (may_tell, lambda doer=doer: line.acts.replay(doer, line.app, line.ids[0], dry_run=True)),
            (may_tell, lambda doer=doer: line.acts.replay_since(doer, line.app, line.since(0), dry_run=True)),
        ):
            try:
                assert await ask(), who
                allowed = True
            except (NotAllowed, NotFound):
                allowed = False
            assert allowed == may, who
        assert await line.states() == before


async def test_without_the_power_neither_the_app_nor_an_admin_through_it_tells_once_more(line: Line) -> None:
    await line.end(0, "delivered")
    for who in ("the app", "an admin through the app"):
        with pytest.raises(NotAllowed) as refused:
            await line.acts.replay(doers(line)[who][0], line.app, line.ids[0])
        assert refused.value.facts == {"needs": POWER}
    assert await line.house.rows(t.ledger_entry) == []


async def test_who_installed_it_for_themselves_alone_manages_it(line: Line) -> None:
    await line.end(0, "dead")
    await line.standing(only_person_id=line.house.one.bob.id)
    assert await line.acts.replay(line.house.one.member, line.app, line.ids[0]) == 1


async def test_what_ended_is_told_again_first_as_if_it_had_not_been_tried(line: Line) -> None:
    for number, state in enumerate(ENDED, 1):
        await line.end(0, state)
        assert await line.acts.replay(line.house.one.admin, line.app, line.ids[0]) == 1
        [row, *_] = await line.house.deliveries(line.app)
        assert (row["state"], row["attempts"], row["position"]) == ("waiting", 0, 1)
        assert (row["next_at"], row["replayed_at"], row["done_at"]) == (line.house.now, line.house.now, None)
        assert (row["answer"], row["last_error"], row["leased_until"]) == (None, None, None)
        assert len(acts := await line.house.ledger.given(line.house.one.id)) == number
        assert (acts[-1].kind, acts[-1].actor) == ("replay", f"person {line.house.one.ada.id}")
        assert (acts[-1].app, acts[-1].installation) == ("mailer", line.app)
        assert acts[-1].facts == {"deliveries": 1, "delivery": line.ids[0]}
    assert [await line.told_next() for _ in range(5)] == [*line.ids, None]


async def test_all_since_a_moment_are_told_in_their_old_order_and_before_what_is_newer(line: Line) -> None:
    for place, state in enumerate(("delivered", "dead", "skipped")):
        await line.end(place, state)
    admin = line.house.one.admin
    assert await line.acts.replay_since(admin, line.app, line.since(2), dry_run=True) == 2
    heard: list[Any] = []
    line.house.db.listen(heard.extend)
    assert await line.states() == ["delivered", "dead", "skipped", "waiting"]
    assert await line.acts.replay_since(admin, line.app, line.since(2)) == 2
    assert heard == [("queued", line.house.one.id, line.app)], "whoever tells is told that something waits"
    assert [await line.told_next() for _ in range(4)] == [*line.ids[1:], None]
    [act] = await line.house.ledger.given(line.house.one.id)
    assert (act.facts["deliveries"], act.facts["since"]) == (2, "2026-03-02T09:02:00+00:00")


async def test_only_those_in_the_named_states_are_told_again(line: Line) -> None:
    for place, state in enumerate(("delivered", "dead", "skipped")):
        await line.end(place, state)
    assert await line.acts.replay_since(line.house.one.admin, line.app, line.since(0, "dead")) == 1
    assert await line.states() == ["delivered", "waiting", "skipped", "waiting"]
    with pytest.raises(Invalid):
        await line.acts.replay_since(line.house.one.admin, line.app, Since(line.house.now, ()))


async def test_what_waits_for_its_next_try_is_tried_now_and_what_is_being_told_is_left_alone(line: Line) -> None:
    later, admin = line.house.now + dt.timedelta(hours=9), line.house.one.admin
    await line.set(0, attempts=5, next_at=later)
    await line.set(1, next_at=later, leased_until=line.house.now + LEASE)
    assert await line.acts.replay_since(admin, line.app, line.since(0)) == 1
    assert [row["next_at"] for row in await line.house.deliveries(line.app)][:2] == [line.house.now, later]
    assert await line.acts.replay(admin, line.app, line.ids[0]) == 0, "it is about to be told"
    assert await line.acts.replay(admin, line.app, line.ids[1]) == 0
    assert len(await line.house.ledger.given(line.house.one.id)) == 1


async def test_steps_of_an_apps_life_and_its_own_work_are_not_told_twice(house: Any) -> None:
    line, once = Line(house), [*sorted(history.ONCE), deliveries.CREDENTIALS]
    assert {"installed", "upgraded", "uninstalling", "job", "scheduled", "credentials"} == set(once)
    await line.fill(*once, "task_changed")
    for place in range(len(line.ids)):
        await line.end(place, "delivered")
    for place, hook in enumerate(once):
        with pytest.raises(Invalid) as refused:
            await line.acts.replay(house.one.admin, line.app, line.ids[place])
        assert hook in refused.value.fields["id"]
    assert await line.acts.replay_since(house.one.admin, line.app, line.since(0)) == 1
    assert await line.states() == ["delivered"] * len(once) + ["waiting"]


async def test_an_app_that_is_gone_is_told_nothing_once_more(line: Line) -> None:
    admin = line.house.one.admin
    for state in STATES:
        await line.end(0, "dead")
        await line.standing(state=state)
        if state in ("active", "disabled"):
            assert await line.acts.replay(admin, line.app, line.ids[0]) == 1
            continue
        for which in (line.acts.replay(admin, line.app, line.ids[0]),
                      line.acts.replay_since(admin, line.app, line.since(0))):  # fmt: skip
            with pytest.raises(HostError) as refused:
                await which
            assert refused.value.code == "installation_state"
        assert (await line.acts.list(admin, line.app, Wanted(state="dead")))[0].id == line.ids[0]


async def test_what_is_looked_for_is_found_the_newest_first(line: Line) -> None:
    await line.end(2, "dead")
    admin = line.house.one.admin

    async def found(**wanted: Any) -> list[int]:
        return [each.position for each in await line.acts.list(admin, line.app, Wanted(**wanted))]

    assert await found() == [4, 3, 2, 1]
    assert await found(limit=2) == [4, 3]
    assert await found(before=3) == [2, 1]
    assert await found(state="dead") == [3]
    assert await found(state="waiting", since=BEGAN + dt.timedelta(minutes=2)) == [4, 2]
    [dead] = await line.acts.list(admin, line.app, Wanted(state="dead"))
    assert (dead.at, dead.next_at, dead.done_at) == (BEGAN + dt.timedelta(minutes=3), None, line.house.now)
    assert (dead.attempts, dead.took, dead.status, dead.answer, dead.error) == (4, 12, 500, "It is late", "hook_failed")


async def test_how_a_line_stands_leaves_the_apps_own_work_out(house: Any) -> None:
    line = Line(house)
    await line.fill("job", "task_changed", "task_changed", "task_changed", "scheduled")
    await line.end(1, "delivered")
    await line.end(2, "dead")
    before, house.now = house.now, house.now + dt.timedelta(minutes=1)
    stands = await house.db.read(history.line, house.one.id, line.app)
    assert stands == history.Line(1, 1, BEGAN + dt.timedelta(minutes=4), before)
    nothing = await house.install(house.one, "idle")
    assert await house.db.read(history.line, house.one.id, nothing) == history.Line(0, 0, None, None)
