"""What became of this installation's deliveries, and telling them once more."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Literal, TypeVar

from pydantic import AwareDatetime

from assigntask.actions.deliveries import POWER, Since
from assigntask.context import cursors
from assigntask.db.ids import is_id
from assigntask.errors import NotAllowed
from assigntask.events.history import STATES, Wanted
from assigntask.hooks import health as healths
from assigntask.people.facts import Doer
from assigntask_sdk.deliveries import Delivery, Health
from assigntask_sdk.errors import NotFound, Refused

from ..bodies import Body
from ..operation import Call, Form, Operation, Shape
from ..parameters import Parameter, moment
from ..replies import Reply, items, said
from .common import CURSOR, LIMIT, PAGE

_LIST = "deliveries"
_MOST_POSITION = 2**63 - 1
_KEPT = "Deliveries are kept for 30 days after they ended, those given up for 90."

T = TypeVar("T")


class ReplaySince(Body):
    """`since`: from when on it happened. `states`: left out, all of them. `dry_run`: count, and change nothing."""

    since: AwareDatetime
    states: list[Literal["waiting", "delivered", "skipped", "dead"]] | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ReplayedAnswer:
    """How many are told once more, or would be."""

    replayed: int


def _read_state(value: str) -> str:
    if value not in STATES:
        raise ValueError(f"give one of {', '.join(STATES)}")
    return value


STATE = Parameter("state", "Only those in this state.", {"enum": list(STATES)}, _read_state, example="dead")
SINCE = moment("since", "Only of what happened then or later.")


async def listed(call: Call) -> Reply:
    last = cursors.behind(_LIST, call.query.get("cursor"))
    limit = call.query.get("limit", PAGE)
    wanted = Wanted(call.query.get("state"), call.query.get("since"), _position(last), limit + 1)
    found = await _allowed(call.services.deliveries.list(_doer(call), call.bearer.installation_id, wanted))
    following = cursors.cursor(_LIST, str(found[limit - 1].position)) if len(found) > limit else None
    return items(found[:limit], following)


async def get(call: Call) -> Reply:
    return said(await _allowed(call.services.deliveries.get(_doer(call), call.bearer.installation_id, _id(call))))


async def replay(call: Call) -> Reply:
    acts, own = call.services.deliveries, call.bearer.installation_id
    return _counted(await _allowed(acts.replay(_doer(call), own, _id(call))))


async def replay_since(call: Call) -> Reply:
    body: ReplaySince = call.body
    acts, own = call.services.deliveries, call.bearer.installation_id
    which = Since(body.since.astimezone(dt.UTC), STATES if body.states is None else tuple(dict.fromkeys(body.states)))
    return _counted(await _allowed(acts.replay_since(_doer(call), own, which, dry_run=body.dry_run)))


async def health(call: Call) -> Reply:
    bearer = call.bearer
    return said(await call.services.db.read(healths.look, bearer.organisation_id, bearer.installation_id))


def _doer(call: Call) -> Doer:
    """The app; with a person's token that person, through the app."""
    actor, bearer = call.grant.actor, call.bearer
    if bearer.kind != "person":
        return Doer(bearer.organisation_id, None, None, installation_id=bearer.installation_id)
    return Doer(bearer.organisation_id, actor.person_id, actor.role, installation_id=bearer.installation_id)


def _id(call: Call) -> str:
    """Raises NotFound for what can be no id."""
    given = call.path["id"]
    if not is_id(given):
        raise NotFound("There is no such delivery to this app.")
    return given


def _position(last: str | None) -> int | None:
    """Raises Invalid for what is no cursor."""
    if last is None:
        return None
    if not (last.isascii() and last.isdigit() and len(last) < 20 and int(last) <= _MOST_POSITION):
        raise cursors.no_cursor()
    return int(last)


async def _allowed(asked: Awaitable[T]) -> T:
    """Whoever was an admin a moment ago is told in the words of the API. Raises Refused."""
    try:
        return await asked
    except NotAllowed as error:
        raise Refused(POWER, error.message) from None


def _counted(replayed: int) -> Reply:
    return said({"replayed": replayed})


OPERATIONS = (
    Operation(
        id="listDeliveries",
        method="GET",
        path="/deliveries",
        summary="What became of this app's notices, the newest first",
        words=f"An app itself is shown those that it was told of, or tried to be; an admin, all. {_KEPT}",
        handler=listed,
        answer=Shape(200, "A page of deliveries.", Delivery, page=True),
        query=(STATE, SINCE, LIMIT, CURSOR),
        persons=POWER,
    ),
    Operation(
        id="getDelivery",
        method="GET",
        path="/deliveries/{id}",
        summary="One delivery",
        words=_KEPT,
        handler=get,
        answer=Shape(200, "The delivery.", Delivery),
        persons=POWER,
    ),
    Operation(
        id="replayDelivery",
        method="POST",
        path="/deliveries/{id}/replay",
        summary="Have one notice told once more",
        words="It is told first, at the place that it had in the line. What waits for its next try is tried now.",
        handler=replay,
        answer=Shape(200, "1, or 0 where it is being told at this moment.", ReplayedAnswer),
        scope=POWER,
        power=True,
        problems=frozenset({"invalid"}),
    ),
    Operation(
        id="replayDeliveries",
        method="POST",
        path="/deliveries/replay",
        summary="Have all notices since a moment told once more",
        words="In their old order, and before what is newer. An app takes each at least once: by `id` it knows "
        "those that it had.",
        handler=replay_since,
        answer=Shape(200, "How many they are.", ReplayedAnswer),
        form=Form(ReplaySince),
        scope=POWER,
        power=True,
    ),
    Operation(
        id="getHealth",
        method="GET",
        path="/health",
        summary="How this installation does: what waits, what was given up, which hooks are left alone",
        handler=health,
        answer=Shape(200, "How it does, in figures and in words.", Health),
        persons=POWER,
    ),
)
