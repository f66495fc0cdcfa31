"""The engine of a host on PostgreSQL: any number of processes share the work, by jobs of procrastinate.

A job only says that a line may have something due, or that a wake-up is to run. What is done is decided by our own
tables, so a job that is lost costs until the next tick, and one too many finds nothing to do. That is why

- jobs have no lock: what keeps two processes from one line is the lease of its delivery. Procrastinate looks for a job
  that waited for a lock only at its next poll, which is late; and a lock of a process that died would have to be freed;
- its connections do not wait for the disk at a commit;
- it is safe to run a job again whose worker gave no sign for a while, although the worker may only have been frozen.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ProcrastinateException
from procrastinate.jobs import Status
from procrastinate.worker import Worker
from psycopg import AsyncConnection, sql

from .engine import DRAIN, STOP_WITHIN, Due, Line, Wakeup
from .loop import Loop
from .work_tables import conninfo_of, prepare, schema_name

LINES, UPKEEP = "lines", "upkeep"
"""Queues, each with workers of its own: lines that take long keep no wake-up waiting."""
UPKEEP_AT_ONCE = 4
AHEAD = 4
"""Jobs for each line that is drained at once: they take turns, so that long lines keep no others out."""
AT_A_TIME = 200  # jobs that are deferred by one statement
STALLED = "stalled"
DISPATCH = "dispatch"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """In seconds. `tick`: how often lines are looked for that became due without anybody's doing."""

    heartbeat: float = 2.0  # between two signs of life
    tick: float = 1.0
    poll: float = 0.5  # for jobs whose notification came while a worker was looking, which it then forgets
    local: float = 0.5  # for apps that dialled in to this very process
    restart: float = 1.0  # of a worker that lost the database

    @property
    def stalled(self) -> float:
        """Without a sign for so long, a worker's jobs are given to others."""
        return 3 * self.heartbeat


USUAL_PACE = Pace()


@dataclass(frozen=True, slots=True)
class Lines:
    """What the engine needs to know of lines. `due` is given lines, or None for all that are due.

    `attached`: whether apps dialled in to this process. `offer` has a line drained here, and is False where as many are
    as can be; `run` drains it here, and waits. `at_once`: how many are.
    """

    due: Callable[[Collection[Line] | None], Awaitable[Due]]
    attached: Callable[[], bool]
    offer: Callable[[Line], bool]
    run: Callable[[Line], Awaitable[None]]
    at_once: int = 64


class Procrastinate:
    """What this process is woken for it does itself while it has room; what is left is everybody's.

    `url` as the database has it. `wakeups` are run by one process at a time. With `works=False` it has no room: it only
    leaves jobs for others, and drains the lines of apps that dialled in to it.
    """

    def __init__(
        self, url: str, lines: Lines, wakeups: Sequence[Wakeup], *, works: bool = True, pace: Pace = USUAL_PACE
    ) -> None:
        self._url, self._lines, self._works, self._pace = url, lines, works, pace
        self._local = Loop([Wakeup(DISPATCH, pace.local, self._dispatch)])
        self._app = _app(url)
        self._drain_job = self._app.task(name=DRAIN, queue=LINES)(self._drain_one)
        self._jobs = {each.name: self._define(each.name, each.every, each.run) for each in wakeups}
        self._define(DRAIN, pace.tick, self._look)
        self._define_stalled()
        self._named: set[Line] = set()
        self._all = False
        self._wanted: list[Any] = []
        self._workers: list[asyncio.Task[None]] = []
        self._live: dict[str, Worker] = {}
        self._started, self._stopping = False, asyncio.Event()

    async def start(self) -> None:
        """Raises HostError `work_tables_refused`, DatabaseUnreachable."""
        if self._started:
            return
        # Its messages repeat arguments and errors word for word; what matters is said here.
        logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
        await asyncio.to_thread(prepare, self._url)
        await self._app.open_async()
        self._started = True
        if self._works:
            self._all, self._wanted = True, list(self._jobs.values())
            for queue, most in ((LINES, self._lines.at_once * AHEAD), (UPKEEP, UPKEEP_AT_ONCE)):
                self._workers.append(asyncio.create_task(self._work(queue, most), name=f"work-{queue}"))
        await self._local.start()

    def wake(self, name: str, lines: Collection[Line] = ()) -> None:
        if name != DRAIN:
            self._wanted.append(self._jobs[name])
        elif lines:
            self._named.update(lines)
        else:
            self._all = True
        self._local.wake(DISPATCH)

    async def stop(self) -> None:
        if not self._started:
            return
        self._started = False
        self._stopping.set()
        await self._local.stop()
        # Not cancelled: a worker that is just being registered would lose that, and work on.
        for worker in self._live.values():
            worker.stop()  # type: ignore[no-untyped-call]  # as it comes
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._workers.clear()
        await self._app.close_async()

    # Finding out what is to be done

    async def _dispatch(self) -> None:
        named, everything, wanted = self._named, self._all, self._wanted
        self._named, self._all, self._wanted = set(), False, []
        try:
            for task in wanted:
                await self._defer_one(task.configure(task_kwargs={"timestamp": 0}).job)
            if everything or self._lines.attached():
                due = await self._lines.due(None)
                await self._share(due if everything else Due(here=due.here))
            if named:
                await self._share(await self._lines.due(named))
        except ProcrastinateException as error:
            log.warning("work_not_shared", error=type(error).__name__)  # the next tick finds it

    async def _share(self, due: Due) -> None:
        for line in due.here:
            self._lines.offer(line)
        left = [line for line in due.anybody if not (self._works and self._lines.offer(line))]
        for start in range(0, len(left), AT_A_TIME):
            await self._defer(left[start : start + AT_A_TIME])

    async def _defer(self, lines: Sequence[Line]) -> None:
        """A job for each, unless one waits already."""
        known = await self._app.job_manager.list_jobs_async(queue=LINES, status="todo") if len(lines) > 1 else ()
        waiting = {job.queueing_lock for job in known}
        jobs = [self._job(line) for line in lines if line[1] not in waiting]
        try:
            if jobs:
                await self._app.job_manager.batch_defer_jobs_async(jobs=jobs)
        except AlreadyEnqueued:  # another process was quicker with one of them
            for job in jobs:
                await self._defer_one(job)

    def _job(self, line: Line) -> Any:
        organisation, installation = line
        arguments: dict[str, Any] = {"organisation": organisation, "installation": installation}
        return self._drain_job.configure(queueing_lock=installation, task_kwargs=arguments).job

    async def _defer_one(self, job: Any) -> None:
        try:
            await self._app.job_manager.defer_job_async(job=job)
        except AlreadyEnqueued:
            return

    # What jobs do: none of them raises, for procrastinate would log what was raised

    async def _drain_one(self, organisation: str, installation: str) -> None:
        await self._lines.run((organisation, installation))

    async def _look(self) -> None:
        self.wake(DRAIN)

    def _define(self, name: str, every: float, run: Callable[[], Awaitable[object]]) -> Any:
        async def called(timestamp: int) -> None:
            try:
                await run()
            except Exception as error:  # the next run may go well
                code = getattr(error, "code", None)
                log.warning("wakeup_failed", wakeup=name, error=type(error).__name__, code=code)

        name = f"every-{name}"
        task: Any = self._app.task(name=name, queue=UPKEEP, queueing_lock=name)(called)
        self._app.periodic(cron=cron(every))(task)
        return task

    def _define_stalled(self) -> None:
        """As procrastinate's documentation has it. It must never have a lock: nobody would free that."""

        async def called(context: JobContext, timestamp: int) -> None:
            try:
                await self.retry_stalled()
            except ProcrastinateException as error:
                log.warning("wakeup_failed", wakeup=STALLED, error=type(error).__name__, code=None)

        make = self._app.task(name=STALLED, queue=UPKEEP, queueing_lock=STALLED, pass_context=True)
        self._app.periodic(cron=cron(self._pace.stalled / 2))(make(called))

    async def retry_stalled(self) -> None:
        """Has others run the jobs of workers that gave no sign of life."""
        manager = self._app.job_manager
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=self._pace.stalled):
            log.info("work_taken_over", job=job.task_name)
            try:
                await manager.retry_job(job)
            except ProcrastinateException:  # the same waits already, or it is over
                with suppress(ProcrastinateException):
                    await manager.finish_job(job, Status.FAILED, delete_job=True)

    # Workers

    async def _work(self, queue: str, most: int) -> None:
        """Until `stop`. A worker ends by itself when it loses the database, or was taken for dead."""
        while not self._stopping.is_set():
            worker = self._live[queue] = Worker(
                self._app,
                queues=[queue],
                concurrency=most,
                delete_jobs="always",
                install_signal_handlers=False,
                fetch_job_polling_interval=self._pace.poll,
                shutdown_graceful_timeout=STOP_WITHIN,
                update_heartbeat_interval=self._pace.heartbeat,
                stalled_worker_timeout=self._pace.stalled,
            )
            try:
                await worker.run()  # type: ignore[no-untyped-call]  # as it comes
            except Exception as error:
                log.warning("work_interrupted", queue=queue, error=type(error).__name__)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.restart):
                    await self._stopping.wait()


def cron(every: float) -> str:
    """Of an interval in seconds, that has to divide a minute, or an hour into minutes: with a sixth column for seconds.

    Raises ValueError.
    """
    seconds = max(1, round(every))
    if 60 % seconds == 0 and seconds < 60:
        return f"* * * * * */{seconds}"
    minutes, rest = divmod(seconds, 60)
    if rest or 60 % minutes:
        raise ValueError(f"{every:g} s divides neither a minute nor an hour")
    return f"*/{minutes} * * * *" if minutes < 60 else "0 * * * *"


def _app(url: str) -> App:
    async def configure(conn: AsyncConnection[Any]) -> None:
        await conn.set_autocommit(True)
        await conn.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema_name())))
        await conn.execute("SET synchronous_commit TO off")

    named = {"application_name": "assigntask work"}
    connector = PsycopgConnector(
        conninfo=conninfo_of(url), configure=configure, kwargs=named, min_size=1, max_size=4, name="assigntask-work"
    )
    return App(connector=connector)
