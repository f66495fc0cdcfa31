"""The test kit: an app's tests run against the real host, in memory.

    async def test_my_app(host: HostUnderTest) -> None:
        task = await host.create_task("Write the report")
        assert await host.badges(task) == {task.id: [Badge("no due date")]}

The fixture `host` comes with the SDK and needs no configuration; `Host.open` is the same without pytest.
"""

from .host import Host, NoHost
from .killing import NotResumable
from .limits import OverLimit, within_limits
from .needed import ScopesNeeded
from .protocol import (
    Clock,
    HostUnderTest,
    LedgerEntry,
    PersonUnderTest,
    ReportedProblem,
    TaskUnderTest,
)

__all__ = [
    "Clock",
    "Host",
    "HostUnderTest",
    "LedgerEntry",
    "NoHost",
    "NotResumable",
    "OverLimit",
    "PersonUnderTest",
    "ReportedProblem",
    "ScopesNeeded",
    "TaskUnderTest",
    "within_limits",
]
