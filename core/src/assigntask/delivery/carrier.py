"""Carries one hook call to an app that runs on its vendor's machine, signed, with a token for what it may do in it."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from unicodedata import category

from pydantic import ValidationError

from assigntask.db.database import Database
from assigntask.db.ids import new_id
from assigntask.grants.grant import Grant
from assigntask.hooks.attempts import Seen
from assigntask.hooks.carrying import RemoteCall
from assigntask.hooks.errors import CallFailed
from assigntask.hooks.outcomes import BUSY, of_status, retry_after
from assigntask.hooks.replies import Reply, passed
from assigntask.ledger.keys import KeyRing
from assigntask.oauth.call_tokens import KEY_USE, mint
from assigntask.oauth.credentials import Credentials
from assigntask_sdk.errors import AppError, TryLater, error_from_json
from assigntask_sdk.webhooks import sign
from assigntask_sdk.wire import BODY_BYTES, INSTALLATION, HookAnswer, HookBody, hook_path

from .handover import Handover
from .remotes import Remotes
from .standing import Standing, standing_of
from .ways import Answered, Way, WayFailed

GRACE = dt.timedelta(seconds=5)
"""A call's token outlives the call by so much, for what is under way when time is up."""
AGAIN_SECONDS = 5.0
WORDS_BYTES = 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,79}")
_FACTS: Mapping[str, str] = {"conflict": "keys", "try_later": "after", "needs_link": "feature", "invalid": "fields"}

_OF_SERVICES: Mapping[str, Reply] = {
    "hook_timeout": Reply(code="hook_timeout", why="it did not end in time"),
    "hook_wrong_answer": Reply(code="hook_wrong_answer", why="what it gave is no answer of this hook"),
    "hook_answer_too_large": Reply(code="hook_answer_too_large", why="its answer is longer than a hook's may be"),
}
"""What an app's service itself finds out about its app's code."""


class RemoteCarrier:
    """The Carrier of `hooks`. `clock` gives aware moments."""

    def __init__(
        self,
        db: Database,
        remotes: Remotes,
        credentials: Credentials,
        handover: Handover,
        keys: KeyRing,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._db = db
        self._remotes = remotes
        self._credentials = credentials
        self._handover = handover
        self._keys = keys
        self._clock = clock

    async def check(self, grant: Grant, hook: str) -> None:
        await self._reached(grant, hook)

    async def introduce(self, grant: Grant, *, renew: bool) -> bool:
        known = await self._db.read(standing_of, grant)
        usable = known is not None and known.knows_a_secret(self._clock())
        if grant.state != "active":
            return usable
        newest = known is not None and known.delivered_at is not None
        if not usable or (renew and not newest):
            await self._handover.give(grant, await self._way(grant, None))
        return True

    async def carry(self, call: RemoteCall) -> Reply:
        known, way = await self._reached(call.grant, call.hook)
        attempt, now = call.attempt, self._clock()
        # The same at each attempt, as Standard Webhooks has it: by it a receiver knows what it acted on already.
        call_id = attempt.delivery_id if attempt is not None else new_id()
        body = _body(call_id, call, self._token(call)).model_dump_json().encode()
        if len(body) > BODY_BYTES:
            return Reply(code="host_error", why=f"what it is asked has {len(body)} bytes, and {BODY_BYTES} are carried")
        signed = sign(call_id, now, body, self._credentials.signing_secrets(known))
        headers = {**signed, INSTALLATION: call.grant.installation_id}
        if attempt is not None:
            attempt.seen = Seen("unknown")  # until it is known better; it may never be
        try:
            answer = await way.post(hook_path(call.hook), headers, body, limit=call.limit)
        except WayFailed as failed:
            seen, reply = seen_of_failure(failed), _unanswered(failed, call.limit)
        else:
            reply = understood(answer.status, answer.body, notice=call.notice)
            seen = seen_of(answer, reply, now)
            reply = _busy(seen) or reply
        if attempt is not None:
            attempt.seen = seen
        return reply

    async def _reached(self, grant: Grant, hook: str) -> tuple[Standing, Way]:
        way = await self._way(grant, hook)
        known = await self._db.read(standing_of, grant)
        if known is None or not known.knows_a_secret(self._clock()):
            raise CallFailed(
                "app_not_connected",
                grant.app_id,
                hook,
                f"{grant.app_id} did not take its credentials yet; they are offered again by themselves. "
                "If it stays so, look whether its service runs.",
            )
        return known, way

    async def _way(self, grant: Grant, hook: str | None) -> Way:
        way = await self._remotes.way(grant.app_id)
        if way is None:
            raise CallFailed(
                "app_offline",
                grant.app_id,
                hook,
                f"{grant.app_id} is not there: it dials in to this host, and has not, or it is no longer offered.",
            )
        return way

    def _token(self, call: RemoteCall) -> str:
        grant = call.grant
        return mint(
            self._keys.derived(KEY_USE),
            organisation_id=grant.organisation_id,
            installation_id=grant.installation_id,
            credential=grant.credential,
            actor_kind=grant.actor.kind,
            person_id=grant.actor.person_id,
            goodbye=grant.state != "active",
            expires_at=call.deadline + GRACE,
            fence=call.attempt.fence(grant.organisation_id) if call.attempt is not None else None,
        )


def understood(status: int, body: bytes, *, notice: bool) -> Reply:
    """What an answer of an app's service means. Nothing of it but an error of the contract goes further unchecked."""
    if status != 200:
        return Reply(code="hook_raised", why=f"its service answered with status {status}")
    try:
        said = HookAnswer.model_validate_json(body)
        if said.error is None:
            return Reply(answer=json.dumps(said.answer, allow_nan=False).encode())
    except (ValidationError, ValueError, RecursionError):
        return Reply(code="hook_wrong_answer", why="its service answered with something that is no answer of a hook")
    return _raised(said.error, notice=notice)


def seen_of(answer: Answered, reply: Reply, now: dt.datetime) -> Seen:
    """The header Retry-After counts with 429 and 503."""
    after = retry_after(answer.retry_after, now) if answer.status in BUSY else None
    words = None if reply.answer is not None else first_words(answer.body)
    return Seen(of_status(answer.status), answer.status, after, words)


def seen_of_failure(failed: WayFailed) -> Seen:
    if failed.status is not None:
        return Seen(of_status(failed.status), failed.status)
    return Seen("refused" if failed.reason == "unreachable" else "unknown")


def first_words(body: bytes) -> str | None:
    """What an admin is shown of an answer: 1,024 bytes at most, without what could forge lines or their direction."""
    text = " ".join(body[:WORDS_BYTES].decode(errors="ignore").split())
    return "".join(each for each in text if not category(each).startswith("C")) or None


def _busy(seen: Seen) -> Reply | None:
    """Whoever says when to come back is well: that is no failure of its hook."""
    if seen.retry_after is None:
        return None
    later = TryLater("The app is busy; it is asked again when it wants.", after=seen.retry_after.total_seconds())
    return Reply(error=json.dumps(later.to_json()))


def _raised(said: Mapping[str, Any], *, notice: bool) -> Reply:
    known = _OF_SERVICES.get(str(said.get("code")))
    if known is not None:
        return known
    error = error_from_json(said)
    if not _whole(error):
        return Reply(code="hook_wrong_answer", why=f"it raised {error.code} without what belongs to it")
    reply = passed(error, notice=notice)
    return reply if reply.error is not None else Reply(code="hook_raised", why=f"it raised {_code(said)}")


def _code(said: Mapping[str, Any]) -> str:
    """The kind of what was raised, where the service names one in a word; more could hold what the app was given."""
    code = str(said.get("code", ""))
    name = str(said.get("message", "")) if code == "hook_raised" else code
    return name if _NAME.fullmatch(name) else "an error"


def _whole(error: AppError) -> bool:
    """Whether the error has the fact that whoever meets it will ask for."""
    name = _FACTS.get(error.code)
    try:
        if name is not None:
            getattr(error, name)
    except (KeyError, TypeError, ValueError, OverflowError):
        return False
    return True


def _unanswered(failed: WayFailed, limit: float) -> Reply:
    match failed.reason:
        case "timeout":
            return Reply(code="hook_timeout", why=f"no answer within {limit:g} s")
        case "too_large":
            return Reply(code="hook_answer_too_large", why="its answer is longer than a hook's may be")
        case "disconnected":
            gone = TryLater("The app hung up while it was being asked; it is asked again.", after=AGAIN_SECONDS)
            return Reply(error=json.dumps(gone.to_json()))
        case _:
            return Reply(code="hook_raised", why=str(failed))


def _body(call_id: str, call: RemoteCall, token: str) -> HookBody:
    return HookBody(
        id=call_id,
        attempt=call.attempt.number if call.attempt is not None else 1,
        installation=call.grant.installation_id,
        hook=call.hook,
        version=call.version,
        ask=json.loads(call.ask),
        viewer=call.viewer,
        settings=dict(call.settings),
        granted=sorted(call.grant.scopes),
        now=call.now,
        deadline=call.deadline,
        token=token,
    )
