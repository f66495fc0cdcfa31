"""A host that is killed at random moments: what an app was given is recorded, what was promised is kept.

`make kill` does it two hundred times. ASSIGNTASK_KILLS says how often, ASSIGNTASK_KILL_SEED repeats a run as far
as chance can be repeated: processes are never scheduled twice alike.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
KILLS = int(os.environ.get("ASSIGNTASK_KILLS", "20"))
SECONDS_A_KILL = 15  # generous: the judge reads everything each time

pytestmark = pytest.mark.kill


def run(folder: Path, *given: str, seconds: float) -> list[dict[str, Any]]:
    """What `python -m kill` tells, line by line."""
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "kill", *given, "--folder", str(folder)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    complaints = [(each.get("kill"), complaint) for each in told for complaint in each.get("complaints", ())]
    assert not complaints, f"{len(complaints)} complaints, of which {complaints[:5]}\n{done.stderr[-4000:]}"
    assert done.returncode == 0, done.stderr[-4000:]
    return told


@pytest.mark.timeout(120 + KILLS * SECONDS_A_KILL)
def test_no_detail_without_its_entry_no_half_installation_and_no_lost_event_over_kills(
    database_url: str, tmp_path: Path
) -> None:
    seed = os.environ.get("ASSIGNTASK_KILL_SEED", str(secrets.randbelow(1 << 32)))
    print(f"ASSIGNTASK_KILL_SEED={seed}")
    options = ["--database", database_url, "--kills", str(KILLS), "--seed", seed]
    told = run(tmp_path, "series", *options, seconds=100 + KILLS * SECONDS_A_KILL)
    assert [each["kill"] for each in told] == list(range(1, KILLS + 1))
    counts = told[-1]["counts"]  # over all processes: none of it may stand still
    assert all(counts[name] for name in ("received", "saved", "acts", "delivered", "entries")), counts


@pytest.mark.timeout(240 + KILLS * SECONDS_A_KILL)
def test_every_committed_event_reaches_every_app_in_order_over_kills_of_producers_drains_and_receivers(
    database_url: str, tmp_path: Path
) -> None:
    seed = os.environ.get("ASSIGNTASK_KILL_SEED", str(secrets.randbelow(1 << 32)))
    print(f"ASSIGNTASK_KILL_SEED={seed}")
    options = ["--database", database_url, "--kills", str(KILLS), "--seed", seed]
    [told] = run(tmp_path, "fleet", *options, seconds=200 + KILLS * SECONDS_A_KILL)
    assert sum(told["killed"].values()) == KILLS
    assert all(told["counts"][name] for name in ("saved", "undone", "arrived", "delivered")), told["counts"]


@pytest.fixture(scope="module")
def doubts(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return run(tmp_path_factory.mktemp("doubt"), "doubt", seconds=300)


@pytest.mark.timeout(320)
def test_the_judge_has_nothing_to_say_of_a_host_that_nobody_killed(doubts: list[dict[str, Any]]) -> None:
    assert doubts[0]["damage"] is None
    assert doubts[0]["complaints"] == []


@pytest.mark.timeout(320)
def test_the_judge_finds_every_damage(doubts: list[dict[str, Any]]) -> None:
    found = {each["damage"]: each["codes"] for each in doubts[1:]}
    due = {each["damage"]: each["due"] for each in doubts[1:]}
    assert len(found) >= 20
    assert {damage: codes for damage, codes in found.items() if due[damage] not in codes} == {}
