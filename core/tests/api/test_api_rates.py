"""How often an installation may call."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assigntask.api import rates
from assigntask.api.problems import Problem
from assigntask.api.rates import Rates, decide
from assigntask.settings import Limits


@given(st.lists(st.floats(0, 30), max_size=200), st.integers(1, 20))
def test_no_window_ever_holds_more_than_twice_the_quota_and_a_quiet_caller_is_never_refused(
    pauses: list[float], requests: int
) -> None:
    now = due = 0.0
    allowed = []
    for pause in pauses:
        now += pause
        due, standing = decide(due, now, requests, 10.0)
        if standing.allowed:
            allowed.append(now)
        else:
            assert 0 < standing.wait <= 10.0 / requests + 1e-6
            assert len([each for each in allowed if each > now - 10.0]) >= requests
        assert 0 <= standing.left < requests or requests == 1
    for each in allowed:
        assert len([other for other in allowed if each <= other < each + 10.0]) <= 2 * requests


async def test_the_headers_tell_how_it_stands_and_a_429_when_to_come_again(make_world: Any) -> None:
    limits = Limits(requests=3, window=dt.timedelta(seconds=30))
    async with make_world(limits=limits) as world:
        token = await world.token()
        answers = [await world.call("GET", "/installation", token) for _ in range(4)]
        assert [each.status for each in answers] == [200, 200, 200, 429]
        assert [each.headers["ratelimit"] for each in answers] == [
            '"default";r=2;t=10', '"default";r=1;t=20', '"default";r=0;t=30', '"default";r=0;t=30',
        ]  # fmt: skip
        assert {each.headers["ratelimit-policy"] for each in answers} == {'"default";q=3;w=30'}
        assert answers[3].headers["retry-after"] == "10"
        assert (answers[3].json["code"], answers[3].json["after"]) == ("rate_limited", 10)
        assert (await world.call("GET", "/installation", await world.token("south"))).status == 200
        assert (await world.call("GET", "/installation", await world.token(person="ben"))).status == 429
        world.clock.advance(seconds=10)
        assert (await world.call("GET", "/nonsense", token)).status == 404
        assert (await world.call("GET", "/installation?no=1", token)).status == 400  # it counts, too
        assert (await world.call("GET", "/installation", token)).status == 429


def test_a_bounded_number_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "REMEMBERED", 2)
    made = Rates(1, 60.0, lambda: 5.0)
    for name in ("a", "b", "c"):
        made.take(name)
    with pytest.raises(Problem):
        made.take("c")
    made.take("a")  # forgotten: it has its quota again
    assert len(made._due) == 2
