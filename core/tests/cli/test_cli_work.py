"""`assigntask work`, and `assigntask serve` that leaves the work to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = str(Path(sys.executable).parent / "assigntask")
ELSEWHERE = "postgresql://nobody@127.0.0.1:9/none"


def test_on_sqlite_there_is_no_work_for_another_process(quick_house: Any) -> None:
    quick_house.fails("work", code="work_needs_postgresql")
    quick_house.fails("serve", "--no-work", code="work_needed")


def test_whoever_calls_remote_apps_has_to_say_where_the_host_is(quick_house: Any) -> None:
    error = quick_house.fails("work", "--database", ELSEWHERE, code="address_needed")
    assert "ASSIGNTASK_URL" in error["message"]


@pytest.mark.parametrize("arguments", [["work", "--concurrency", "0"], ["work", "--concurrency", "many"]])
def test_a_number_of_lines_that_is_none_is_refused(quick_house: Any, arguments: list[str]) -> None:
    assert quick_house(*arguments).status == 2


def test_both_start_beside_each_other_and_stop_in_order(
    make_terminal: Callable[[str], Any], postgresql_url: str
) -> None:
    terminal = make_terminal(postgresql_url)
    environ = {**os.environ, **terminal.environ, "ASSIGNTASK_URL": "http://127.0.0.1:9", "PYTHONUNBUFFERED": "1"}
    commands = (["work", "--concurrency", "7"], ["serve", "--port", "0", "--no-work"])
    started = [
        subprocess.Popen([PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)
        for words in commands
    ]
    try:
        said = []
        for process in started:
            assert process.stdout is not None
            said.append(process.stdout.readline())
        assert said[0] == "Working for http://127.0.0.1:9, 7 installations at once. Stop with Ctrl-C.\n"
        assert said[1].startswith("Serving at http://127.0.0.1:")
        for process in started:
            process.send_signal(signal.SIGTERM)
        ended = [process.communicate(timeout=60) for process in started]
        assert [(process.returncode, err) for process, (_, err) in zip(started, ended, strict=True)] == [(0, "")] * 2
    finally:
        for process in started:
            process.kill()
            process.communicate()
