"""What holds of both engines: the embedded loop, and procrastinate on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from assigntask.hooks.running import Running
from assigntask.jobs.engine import DRAIN, SEAL, Due, Engine, Line, Wakeup
from assigntask.jobs.loop import Loop
from assigntask.jobs.procrastinate import Lines, Pace, Procrastinate, cron
from assigntask.jobs.work_tables import conninfo_of, schema_name

NEVER = 3600.0
"""Seconds: whatever runs within a test was woken, or due at the start."""


class Board:
    """Lines with so many notices in each, as our tables would have them, for any number of engines."""

    def __init__(self, **waiting: int) -> None:
        self.waiting = {line_of(name): count for name, count in waiting.items()}
        self.told: list[str] = []
        self.taken: set[Line] = set()
        self.hidden = False  # whoever looks for what is due finds nothing
        self.seals = 0
        self.changed = asyncio.Condition()
        self.hold: asyncio.Event | None = None
        self.failing: Exception | None = None

    async def due(self, named: Collection[Line] | None) -> Due:
        if self.hidden and named is None:
            return Due()
        waiting = [line for line, count in self.waiting.items() if count and line not in self.taken]
        return Due(anybody=waiting if named is None else list(named))

    async def drain(self, line: Line, by: str = "") -> bool:
        """One at a time, so that there may always be more."""
        self._fail()
        if not self.waiting.get(line) or line in self.taken:
            return False
        self.taken.add(line)
        try:
            if self.hold is not None:
                await self.note(f"{line[1]} begun")
                await self.hold.wait()
            self.waiting[line] -= 1
        finally:
            self.taken.discard(line)
        await self.note(line[1] + by)
        return True

    async def seal(self) -> None:
        self.seals += 1
        self._fail()
        await self.note("sealed")

    def _fail(self) -> None:
        if self.failing is not None:
            error, self.failing = self.failing, None
            raise error

    async def note(self, what: str) -> None:
        async with self.changed:
            self.told.append(what)
            self.changed.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(condition)


def line_of(name: str) -> Line:
    return f"organisation of {name}", name


Background = Callable[[Board], AbstractAsyncContextManager[Engine]]


@asynccontextmanager
async def started(engine: Engine, running: Running) -> AsyncIterator[Engine]:
    await engine.start()
    try:
        yield engine
    finally:
        await asyncio.gather(engine.stop(), running.close(5))


def embedded(board: Board) -> AbstractAsyncContextManager[Engine]:
    running = Running(board.drain, 8)

    async def start_due() -> None:
        for line in (await board.due(None)).anybody:
            running.start(line)

    return started(Loop([Wakeup(DRAIN, NEVER, start_due), Wakeup(SEAL, NEVER, board.seal)]), running)


def shared(
    url: str,
    board: Board,
    *,
    by: str = "",
    works: bool = True,
    at_once: int = 8,
    tick: float = NEVER,
    heartbeat: float = 2.0,
) -> AbstractAsyncContextManager[Engine]:
    """`by` is noted with each notice that this one told."""
    running = Running(lambda line: board.drain(line, by), at_once)
    lines = Lines(board.due, lambda: False, running.offer, running.run, at_once)
    pace = Pace(heartbeat, tick=tick, poll=0.1, local=NEVER)
    wakeups = [Wakeup(SEAL, NEVER, board.seal)]
    return started(Procrastinate(url, lines, wakeups, works=works, pace=pace), running)


@pytest.fixture(params=["loop", "procrastinate"])
def background(request: pytest.FixtureRequest) -> Background:
    """An engine that does nothing but what was due at the start, or is asked for."""
    if request.param == "loop":
        return embedded
    url = request.getfixturevalue("postgresql_url")
    return lambda board: shared(url, board)


async def test_what_was_due_before_the_start_is_done_at_once(background: Background) -> None:
    board = Board(one=2, two=1)
    async with background(board):
        await board.until(lambda: sorted(board.told) == ["one", "one", "sealed", "two"])


@pytest.mark.parametrize("named", [True, False])
async def test_waking_has_a_line_drained(background: Background, named: bool) -> None:
    board = Board(one=0)
    line = line_of("one")
    async with background(board) as engine:
        await board.until(lambda: board.told == ["sealed"])
        for _ in range(3):
            board.waiting[line] = 2
            engine.wake(DRAIN, [line] if named else ())
            await board.until(lambda: board.waiting[line] == 0)
    assert board.told == ["sealed"] + 6 * ["one"]


async def test_a_wake_during_a_run_is_not_lost(background: Background) -> None:
    board = Board(one=1)
    board.hold = asyncio.Event()
    line = line_of("one")
    async with background(board) as engine:
        await board.until(lambda: "one begun" in board.told)
        board.waiting[line] += 1
        engine.wake(DRAIN, [line])
        board.hold.set()
        await board.until(lambda: board.told.count("one") == 2)


async def test_waking_runs_a_wake_up_that_is_no_drain(background: Background) -> None:
    board = Board()
    async with background(board) as engine:
        await board.until(lambda: board.seals == 1)
        engine.wake(SEAL)
        await board.until(lambda: board.seals == 2)


@pytest.mark.parametrize("what", [DRAIN, SEAL])
async def test_an_error_ends_that_run_alone_and_its_words_are_not_logged(background: Background, what: str) -> None:
    board = Board(one=0)
    line = line_of("one")
    with capture_logs() as logged:
        async with background(board) as engine:
            await board.until(lambda: board.seals == 1)
            board.failing = ValueError("ada@example.org")
            board.waiting[line] = 1
            engine.wake(what)
            async with asyncio.timeout(20):
                while not logged:
                    await asyncio.sleep(0.01)
            engine.wake(SEAL)
            engine.wake(DRAIN)
            await board.until(lambda: board.told[-2:] in (["one", "sealed"], ["sealed", "one"]))
    assert [entry["error"] for entry in logged] == ["ValueError"]
    assert "ada@example.org" not in str(logged)


async def test_stopping_lets_what_runs_finish_and_starts_nothing_more(background: Background) -> None:
    board = Board(one=1)
    hold = board.hold = asyncio.Event()
    line = line_of("one")
    async with background(board) as engine:
        await board.until(lambda: "one begun" in board.told)
        asyncio.get_running_loop().call_later(0.05, hold.set)
    assert board.waiting[line] == 0
    board.waiting[line] = 1
    engine.wake(DRAIN)
    engine.wake(SEAL)
    await engine.stop()
    await asyncio.sleep(0.05)
    assert board.waiting[line] == 1


async def test_what_has_no_name_is_an_error_of_whoever_wakes(background: Background) -> None:
    async with background(Board()) as engine:
        with pytest.raises(KeyError):
            engine.wake("polish")


# Several processes


async def test_one_that_does_not_work_leaves_it_to_one_that_does(postgresql_url: str) -> None:
    board = Board(one=0, two=0)
    async with shared(postgresql_url, board, by=" by A", works=False) as answers:
        async with shared(postgresql_url, board, by=" by B"):
            await board.until(lambda: board.told == ["sealed"])
            board.waiting = dict.fromkeys(board.waiting, 3)
            for _ in range(3):
                answers.wake(DRAIN, list(board.waiting))
            await board.until(lambda: board.told.count("one by B") == board.told.count("two by B") == 3)
        answers.wake(SEAL)
        board.waiting[line_of("one")] = 1
        answers.wake(DRAIN)
    assert board.seals == 1
    assert board.waiting[line_of("one")] == 1


async def test_one_that_has_its_hands_full_leaves_it_to_another(postgresql_url: str) -> None:
    board = Board(one=0, two=0)
    async with shared(postgresql_url, board, by=" by A", at_once=1) as first:
        await board.until(lambda: board.seals == 1)
        hold = board.hold = asyncio.Event()
        board.waiting[line_of("one")] = 1
        first.wake(DRAIN, [line_of("one")])
        await board.until(lambda: "one begun" in board.told)
        board.hold, board.waiting[line_of("two")] = None, 1
        async with shared(postgresql_url, board, by=" by B", at_once=1):
            await board.until(lambda: "two by B" in board.told)
            hold.set()
            await board.until(lambda: "one by A" in board.told)


async def test_what_became_due_by_itself_is_found_at_the_next_tick(postgresql_url: str) -> None:
    board = Board(one=0)
    async with shared(postgresql_url, board, tick=1):
        await board.until(lambda: board.seals == 1)
        board.waiting[line_of("one")] = 1
        await board.until(lambda: board.told[-1:] == ["one"])


async def test_connections_that_are_cut_are_made_again(postgresql_url: str) -> None:
    board = Board(one=0)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'assigntask work'"
    async with shared(postgresql_url, board), shared(postgresql_url, board, works=False) as answers:
        await board.until(lambda: board.told == ["sealed"])
        with psycopg.connect(conninfo_of(postgresql_url), autocommit=True) as conn:
            conn.execute(f"{cut} AND datname = current_database()")
        board.waiting[line_of("one")] = 1
        async with asyncio.timeout(20):
            while board.waiting[line_of("one")]:
                answers.wake(DRAIN)
                await asyncio.sleep(0.1)


async def test_jobs_of_a_process_that_died_are_run_by_another(postgresql_url: str) -> None:
    board = Board(one=2, two=2)
    board.hidden = True

    def rows(query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(conninfo_of(postgresql_url), autocommit=True) as conn:
            conn.execute(f"SET search_path TO {schema_name()}")
            cursor = conn.execute(query)
            return cursor.fetchall() if cursor.description else []

    async with shared(postgresql_url, board, works=False) as answers:
        answers.wake(DRAIN, list(board.waiting))
        todo = "SELECT args ->> 'installation' FROM procrastinate_jobs WHERE status = 'todo' ORDER BY 1"
        async with asyncio.timeout(20):
            while rows(todo) != [("one",), ("two",)]:
                await asyncio.sleep(0.05)
        rows("UPDATE procrastinate_jobs SET status = 'doing'")
        answers.wake(DRAIN, [line_of("two")])  # so that its job can't wait a second time
        async with asyncio.timeout(20):
            while rows(todo) != [("two",)]:
                await asyncio.sleep(0.05)
        assert isinstance(answers, Procrastinate)
        await answers.retry_stalled()
        assert rows(todo) == [("one",), ("two",)]
        rows("UPDATE procrastinate_jobs SET status = 'doing'")
    async with shared(postgresql_url, board, heartbeat=0.3):
        await board.until(lambda: sorted(board.told) == ["one", "one", "sealed", "two", "two"])
        async with asyncio.timeout(20):
            while rows("SELECT id FROM procrastinate_jobs"):
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("every", "wanted"),
    [
        (0.5, "* * * * * */1"),
        (1, "* * * * * */1"),
        (5, "* * * * * */5"),
        (30, "* * * * * */30"),
        (60, "*/1 * * * *"),
        (600, "*/10 * * * *"),
        (3600, "0 * * * *"),
    ],
)
def test_intervals_as_procrastinate_wants_them(every: float, wanted: str) -> None:
    assert cron(every) == wanted


@pytest.mark.parametrize("every", [7, 90, 420, 7200])
def test_an_interval_that_divides_nothing_is_refused(every: float) -> None:
    with pytest.raises(ValueError, match="divides neither"):
        cron(every)
