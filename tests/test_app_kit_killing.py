"""`kill_at_every_step`: an app that goes on where it was passes, and one that does not is told where and why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from assigntask.kit import open_host
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.errors import NotFound
from assigntask_sdk.testing import NotResumable

BenchApp = Callable[[str], InstalledApp]

pytestmark = pytest.mark.timeout(120)


async def stored(host: object, prefix: str = "") -> dict[str, object]:
    return {key: entry.value async for key, entry in host.ctx().storage.scan(prefix)}  # type: ignore[attr-defined]


async def test_an_app_that_goes_on_where_it_was_survives_every_kill(bench_app: BenchApp) -> None:
    async with open_host(bench_app("resuming_app")) as host:
        await host.drain()
        await host.scheduled("weekly", kill_at_every_step=True)
        made = [task async for task in host.ctx().tasks.list()]
        assert sorted(task.summary for task in made) == [f"Oil the chain, part {part}" for part in (1, 2)]
        assert list((await stored(host)).values()) == [2]
        assert await host.problems() == []


@pytest.mark.parametrize(
    ("careless", "killed", "differs"),
    [
        ("no key", "after tasks.create", "too much: task"),
        ("counts twice", "after storage.commit", '"key": "total"'),
        ("forgets the end", "after storage.commit", "Oil the chain, part 3"),
        ("says too early", "after storage.commit", "missing: task"),
        ("clings to life", None, None),
    ],
)
async def test_one_that_does_not_is_told_where_and_what_differs(
    bench_app: BenchApp, careless: str, killed: str | None, differs: str | None
) -> None:
    async with open_host(bench_app("resuming_app"), settings={"careless": careless}) as host:
        await host.drain()
        if killed is None or differs is None:
            # What it does once it is killed comes to nothing: nobody who is killed does anything.
            await host.scheduled("weekly", kill_at_every_step=True)
            return
        with pytest.raises(NotResumable) as caught:
            await host.scheduled("weekly", kill_at_every_step=True)
        assert (caught.value.killed, caught.value.code) == (killed, "not_resumable")
        assert any(differs in each for each in caught.value.differences)


async def test_one_that_raises_when_it_is_called_again_is_told_so(bench_app: BenchApp) -> None:
    async with open_host(bench_app("resuming_app"), settings={"careless": "stumbles"}) as host:
        await host.drain()
        with pytest.raises(NotResumable, match=r"after a kill after storage\.commit.*begun before"):
            await host.scheduled("weekly", kill_at_every_step=True)


async def test_a_job_is_killed_between_the_parts_of_what_it_stores(bench_app: BenchApp) -> None:
    async with open_host(bench_app("resuming_app")) as host:
        await host.drain()
        job = await host.run_job("fill", {"rows": 1100}, kill_at_every_step=True)
        assert (job.state, job.done, job.text) == ("done", 1100, "all of them")
        assert len(await stored(host, "row/")) == 1100


async def test_a_notice_that_takes_what_is_there_for_done_loses_what_came_after(bench_app: BenchApp) -> None:
    async with open_host(bench_app("resuming_app")) as host:
        await host.create_task("True the wheel")
        with pytest.raises(NotResumable) as caught:
            await host.drain(kill_at_every_step=True)
        assert caught.value.killed == "after storage.commit"
        assert caught.value.differences[0].startswith("missing: problem")


async def test_without_kills_a_schedule_runs_to_its_end_and_an_unknown_one_is_refused(bench_app: BenchApp) -> None:
    async with open_host(bench_app("resuming_app")) as host:
        await host.drain()
        await host.scheduled("weekly")
        await host.scheduled("weekly")
        assert len([task async for task in host.ctx().tasks.list()]) == 4
        with pytest.raises(NotFound, match="monthly"):
            await host.scheduled("monthly")
