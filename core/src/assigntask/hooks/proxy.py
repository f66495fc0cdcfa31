"""One call of one hook of one installation: time limit, error boundary, JSON both ways, size limit, breaker.

Only bytes come back from the apps' loop. Whatever the app's code does there, what the caller sees is the
hook's answer, one of the errors of the contract, or CallFailed.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from pydantic import TypeAdapter, ValidationError

from assigntask.db.database import Database
from assigntask.errors import HostError
from assigntask.events.fences import Fence
from assigntask.gate.released import Released
from assigntask.grants.grant import Grant
from assigntask.metrics.meter import SILENT, Meter
from assigntask_sdk.apps import Hook
from assigntask_sdk.context import Ctx
from assigntask_sdk.errors import AppError, error_from_json
from assigntask_sdk.hooks import HookSpec
from assigntask_sdk.manifest import Manifest
from assigntask_sdk.records import PersonId, Record

from . import problems
from .attempts import Attempt
from .breakers import Breakers
from .carrying import Carrier, RemoteCall, RemoteHook
from .crossing import Crossing
from .errors import INNOCENT, CallCode, CallFailed, describe
from .loop import AppLoop, Blocked, HeldUp, LoopError
from .noting import note
from .registry import Registry
from .replies import ANSWER_BYTES, Reply, passed
from .span import Span

log = structlog.get_logger(__name__)


class Contexts(Protocol):
    """What makes the `ctx` of a call; it lives in the host's loop."""

    def make(
        self,
        grant: Grant,
        *,
        deadline: dt.datetime,
        settings: Mapping[str, Any],
        manifest: Manifest,
        viewer: PersonId | None = None,
        fence: Fence | None = None,
    ) -> Ctx: ...


@dataclass(frozen=True, slots=True)
class Callee:
    """Whom to call: the grant of this moment, and what the admin accepted (`manifest`) and set."""

    grant: Grant
    manifest: Manifest
    settings: Mapping[str, Any]


class Proxies:
    """`limits` overrides the contract's time limits, in seconds by hook.

    `connect` comes before the first call: what makes a ctx leads back here, through the guards.
    """

    def __init__(
        self,
        db: Database,
        loop: AppLoop,
        registry: Registry,
        clock: Callable[[], dt.datetime],
        *,
        limits: Mapping[str, float] | None = None,
        meter: Meter = SILENT,
    ) -> None:
        self._db = db
        self._loop = loop
        self._registry = registry
        self._contexts: Contexts | None = None
        self._carrier: Carrier | None = None
        self._clock = clock
        self._limits = dict(limits or {})
        self._meter = meter
        self.breakers = Breakers(db, clock)

    def connect(self, contexts: Contexts, carrier: Carrier | None = None) -> None:
        """`carrier`: for apps that run elsewhere; without one they can't be called."""
        self._contexts = contexts
        self._carrier = carrier

    def limit(self, spec: HookSpec[Any, Any]) -> float:
        return self._limits.get(spec.name, spec.limit)

    async def introduce(self, grant: Grant, *, renew: bool = False) -> bool:
        """Gives an app that runs elsewhere its credentials, where it lacks them; whether it can be told anything.

        `renew`: also where older ones still do. Raises CallFailed.
        """
        return not grant.remote or await self._remote(grant).introduce(grant, renew=renew)

    async def ready(self, grant: Grant, manifest: Manifest, spec: HookSpec[Any, Any]) -> Hook | RemoteHook:
        """The function that will be called. Ask before releasing anything.

        Raises CallFailed `breaker_open` or `app_broken`; of an app that runs elsewhere, what `Carrier.check` raises.
        """
        until = await self.breakers.waits_until(grant.organisation_id, grant.installation_id, spec.name)
        if until is not None:
            raise _open(grant, spec, until)
        if spec.name not in manifest.hooks:
            raise CallFailed(
                "app_broken", grant.app_id, spec.name, f"{grant.app_id} was not accepted with a hook {spec.name}."
            )
        if grant.remote:
            await self._remote(grant).check(grant, spec.name)
            return RemoteHook(grant.app_id, spec.name)
        try:
            function = await self._registry.implementation(grant.app_id, spec.name)
        except HostError as error:
            raise CallFailed("app_broken", grant.app_id, spec.name, error.message) from error
        if function is None:
            raise CallFailed(
                "app_broken",
                grant.app_id,
                spec.name,
                f"The installed code of {grant.app_id} has no hook {spec.name}, which was accepted: upgrade the app.",
            )
        return function

    async def call(
        self,
        callee: Callee,
        spec: HookSpec[Any, Any],
        released: Released,
        plain: Mapping[str, Any],
        attempt: Attempt | None = None,
    ) -> Any:
        """The app's answer. `plain` holds what is no detail: ids, days, names of fields. `attempt`: of a delivery.

        Raises CallFailed, or what the contract lets an app raise here (PASSING).
        """
        grant = callee.grant
        values, viewer = _values(grant, spec, released, plain)
        function = await self.ready(grant, callee.manifest, spec)
        until = await self.breakers.admit(grant.organisation_id, grant.installation_id, spec.name)
        if until is not None:
            raise _open(grant, spec, until)
        body = _adapter(spec.ask).dump_json(spec.ask(**values))
        started = time.perf_counter()
        try:
            answer = await self._run(callee, spec, function, body, viewer, attempt)
        except CallFailed as failure:
            note(self._meter, grant, spec, started, failure.code, released)
            await self._count(grant, spec, failure)
            raise
        except AppError as error:
            note(self._meter, grant, spec, started, error.code, released)
            await self._clear(grant, spec)
            raise
        note(self._meter, grant, spec, started, "answered", released)
        await self._clear(grant, spec)
        return answer

    async def misanswered(self, grant: Grant, spec: HookSpec[Any, Any], why: str) -> CallFailed:
        """Counts an answer that has the right shape and can't be used; gives the error to raise."""
        failure = _failure("hook_wrong_answer", grant, spec, why)
        await self._count(grant, spec, failure)
        return failure

    async def _run(
        self,
        callee: Callee,
        spec: HookSpec[Any, Any],
        function: Hook | RemoteHook,
        body: bytes,
        viewer: PersonId | None,
        attempt: Attempt | None,
    ) -> Any:
        grant = callee.grant
        if isinstance(function, RemoteHook):
            reply = await self._carried(callee, spec, body, viewer, attempt)
        else:
            reply = await self._here(callee, spec, function, body, viewer, attempt)
        if reply.error is not None:
            raise error_from_json(json.loads(reply.error))
        if reply.answer is None:
            raise _failure(reply.code or "hook_raised", grant, spec, reply.why)
        if len(reply.answer) > ANSWER_BYTES:
            raise _failure(
                "hook_answer_too_large", grant, spec, f"{len(reply.answer)} bytes, and {ANSWER_BYTES} are allowed"
            )
        try:
            return spec.answer.validate_json(reply.answer)
        except ValidationError as error:
            raise _failure("hook_wrong_answer", grant, spec, _mistake(error)) from None

    async def _here(
        self,
        callee: Callee,
        spec: HookSpec[Any, Any],
        function: Hook,
        body: bytes,
        viewer: PersonId | None,
        attempt: Attempt | None,
    ) -> Reply:
        grant, limit = callee.grant, self.limit(spec)
        deadline = self._clock() + dt.timedelta(seconds=limit)

        def make(span: Span) -> Any:
            return _in_app(spec, function, body, Crossing(ctx, span), span)

        if self._contexts is None:
            raise RuntimeError("Proxies.connect comes before the first call")
        ctx = self._contexts.make(
            grant,
            deadline=deadline,
            settings=callee.settings,
            manifest=callee.manifest,
            viewer=viewer,
            fence=attempt.fence(grant.organisation_id) if attempt is not None else None,
        )
        try:
            reply: Reply = await self._loop.run(make, limit=limit, who=grant.installation_id)
        except Blocked:
            return Reply(code="hook_blocked", why=f"it held the thread beyond {limit:g} s")
        except HeldUp:
            return Reply(code="hook_held_up", why="another app held the thread")
        except LoopError:
            return Reply(code="hook_timeout", why=f"no answer within {limit:g} s")
        return reply

    async def _carried(
        self, callee: Callee, spec: HookSpec[Any, Any], body: bytes, viewer: PersonId | None, attempt: Attempt | None
    ) -> Reply:
        now, limit = self._clock(), self.limit(spec)
        call = RemoteCall(
            grant=callee.grant,
            hook=spec.name,
            notice=spec.notice,
            version=callee.manifest.version,
            ask=body,
            viewer=viewer,
            settings=callee.settings,
            now=now,
            deadline=now + dt.timedelta(seconds=limit),
            limit=limit,
            attempt=attempt,
        )
        return await self._remote(callee.grant).carry(call)

    def _remote(self, grant: Grant) -> Carrier:
        if self._carrier is None:
            raise CallFailed(
                "app_broken", grant.app_id, None, f"{grant.app_id} runs elsewhere, and this host carries nothing there."
            )
        return self._carrier

    async def _count(self, grant: Grant, spec: HookSpec[Any, Any], failure: CallFailed) -> None:
        if failure.code in INNOCENT:
            return
        opened = await self.breakers.failed(
            grant.organisation_id,
            grant.installation_id,
            spec.name,
            f"{failure.code}: {failure.why}",
            at_once=failure.code == "hook_blocked",
        )
        if opened:
            log.warning("breaker_opened", installation=grant.installation_id, app=grant.app_id, hook=spec.name)
            text = f"{spec.name} is left alone for a while, because it keeps failing. The last time: {failure.why}"
            await self._db.write(
                problems.report,
                grant.organisation_id,
                grant.installation_id,
                f"breaker.{spec.name}",
                text,
                now=self._clock(),
                severity="error",
                by_host=True,
            )

    async def _clear(self, grant: Grant, spec: HookSpec[Any, Any]) -> None:
        if await self.breakers.succeeded(grant.organisation_id, grant.installation_id, spec.name):
            await self._db.write(
                problems.clear, grant.organisation_id, grant.installation_id, f"breaker.{spec.name}", by_host=True
            )


async def _in_app(spec: HookSpec[Any, Any], function: Hook, body: bytes, ctx: Ctx, span: Span) -> Reply:
    """Runs in the apps' loop. Checking and writing the answer is part of the app's time."""
    ask = _adapter(spec.ask).validate_json(body)
    try:
        answer = await function(ctx, ask)
    except AppError as error:
        return passed(error, notice=spec.notice)
    except asyncio.CancelledError as error:
        if span.over:
            raise
        return Reply(code="hook_raised", why=describe(error))
    except BaseException as error:  # SystemExit too
        return Reply(code="hook_raised", why=describe(error))
    try:
        checked = spec.answer.validate_python(answer)
        return Reply(answer=spec.answer.dump_json(checked, warnings="none"))
    except ValidationError as error:
        return Reply(code="hook_wrong_answer", why=_mistake(error))
    except BaseException as error:  # the answer's own code may do anything
        return Reply(code="hook_wrong_answer", why=describe(error))


def _values(
    grant: Grant, spec: HookSpec[Any, Any], released: Released, plain: Mapping[str, Any]
) -> tuple[dict[str, Any], PersonId | None]:
    """The ask's values, and the viewer's id. Raises TypeError where a detail did not come through the gate."""
    if not isinstance(released, Released):
        raise TypeError("what an app is given comes from Gate.release")
    if released.installation_id != grant.installation_id:
        raise ValueError("this was released for another installation")
    for record in _records(plain):
        if set(record) - {"id", "version", "withheld"}:
            raise TypeError("a record with details comes from Gate.release, not beside it")
    values = {**released.values, **plain}
    seen = values.pop("viewer", None)
    return values, (seen.id if seen is not None and "id" in seen else None)


def _records(value: Any) -> Iterator[Record]:
    if isinstance(value, Record):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _records(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _records(inner)


def _adapter(ask: type[Any]) -> TypeAdapter[Any]:
    known = _ADAPTERS.get(ask)
    if known is None:
        known = _ADAPTERS[ask] = TypeAdapter(ask)
    return known


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _mistake(error: ValidationError) -> str:
    """Where the answer is wrong and how, without its values."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


def _failure(code: CallCode, grant: Grant, spec: HookSpec[Any, Any], why: str) -> CallFailed:
    words = {
        "hook_timeout": "did not answer in time; try again",
        "hook_blocked": "held the thread of all apps and was stopped",
        "hook_held_up": "could not run, because another app held the thread; try again",
        "hook_raised": "failed; its problems say how",
        "hook_wrong_answer": "gave an answer that this hook does not have; its problems say more",
        "hook_answer_too_large": "gave an answer that is too large",
        "host_error": "could not finish, because something failed inside the host; the operator's log says what",
    }
    return CallFailed(code, grant.app_id, spec.name, f"{grant.app_id}: {spec.name} {words[code]}.", why=why)


def _open(grant: Grant, spec: HookSpec[Any, Any], until: dt.datetime) -> CallFailed:
    failed = CallFailed(
        "breaker_open",
        grant.app_id,
        spec.name,
        f"{grant.app_id}: {spec.name} failed too often and is left alone until {until:%Y-%m-%d %H:%M:%S} UTC.",
    )
    failed.facts["until"] = until.isoformat()
    return failed
