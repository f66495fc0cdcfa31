"""What the app reports about itself, for admins to see."""

from __future__ import annotations

from typing import Literal

from assigntask_sdk.records import Problem

from ..bodies import Body
from ..operation import Call, Form, Operation, Shape
from ..replies import Reply, items, nothing
from .common import NO_CONTENT


class ProblemReport(Body):
    """The same key again counts, and replaces the text."""

    text: str
    severity: Literal["info", "warning", "error"] = "warning"


async def listed(call: Call) -> Reply:
    return items(await call.ctx.problems.list())


async def report(call: Call) -> Reply:
    await call.ctx.problems.report(call.path["key"], call.body.text, severity=call.body.severity)
    return nothing()


async def clear(call: Call) -> Reply:
    await call.ctx.problems.clear(call.path["key"])
    return nothing()


OPERATIONS = (
    Operation(
        id="listProblems",
        method="GET",
        path="/problems",
        summary="What this app reported and has not cleared, the latest first",
        handler=listed,
        answer=Shape(200, "All of them: `next` is always null.", Problem, page=True),
        goodbye=True,
    ),
    Operation(
        id="reportProblem",
        method="PUT",
        path="/problems/{key}",
        summary="Report a problem to the admins",
        handler=report,
        answer=NO_CONTENT,
        form=Form(ProblemReport),
        goodbye=True,
    ),
    Operation(
        id="clearProblem",
        method="DELETE",
        path="/problems/{key}",
        summary="Say that a problem is over",
        handler=clear,
        answer=NO_CONTENT,
        goodbye=True,
        problems=frozenset({"invalid"}),
    ),
)
