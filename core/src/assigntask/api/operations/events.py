"""What this installation was to be told, for an app that reads instead of being called."""

from __future__ import annotations

from assigntask_sdk.events import EventPage

from ..operation import Call, Operation, Shape
from ..parameters import text
from ..replies import Reply, said
from .common import LIMIT, PAGE


async def listed(call: Call) -> Reply:
    found = await call.ctx.events.list(after=call.query.get("after", ""), limit=call.query.get("limit", PAGE))
    return said(found.to_json())


OPERATIONS = (
    Operation(
        id="listEvents",
        method="GET",
        path="/events",
        summary="What this app was to be told, as it would be told now",
        words="Keep `next`: it goes on behind the last one that was looked at, also where nothing new came.",
        handler=listed,
        answer=Shape(200, "A page of events.", EventPage),
        query=(text("after", "The `next` of the page before. Left out: from the first one.", longest=500), LIMIT),
    ),
)
