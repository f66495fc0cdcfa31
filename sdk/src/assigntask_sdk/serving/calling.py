"""One call of one hook, as it comes from a host: whose it is, whether it is that, and what the app answers."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import structlog
from pydantic import TypeAdapter, ValidationError

from ..apps import Hook, InstalledApp
from ..apps.traces import place_in
from ..context import Ctx
from ..hooks import Hooks, HookSpec
from ..webhooks import TOLERANCE, WebhookRefused, fingerprint, secret_from_text, verify
from ..wire import INSTALLATION, HookBody
from .answering import Ended, answer
from .keys import Clock
from .reply import Refusal, Reply
from .store import Kept, Store

GOODBYE = "uninstalling"
FAREWELLS = (GOODBYE, "person_forgotten")
"""What a host may still ask of an app that is uninstalled there: to erase."""

log = structlog.get_logger(__name__)


class Contexts(Protocol):
    """What makes the `ctx` of one call, and closes what it holds."""

    def __call__(self, kept: Kept, body: HookBody) -> AbstractAsyncContextManager[Ctx]: ...


@dataclass(frozen=True, slots=True)
class Calling:
    """`dev`: the traceback of what the app raises is written down too; it may hold what the app was given."""

    app: InstalledApp
    hooks: Mapping[str, Hook]
    store: Store
    contexts: Contexts
    clock: Clock
    dev: bool = False

    async def call(self, hook: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """200 and a HookAnswer, also for what the app raised. Raises Refusal for what never reached the app."""
        began, now = time.perf_counter(), self.clock()
        kept, message = await self._whose(headers, body, now)
        if kept.parted and hook not in FAREWELLS:
            raise Refusal(404, "installation_unknown", "The app was uninstalled there.")
        sent = f"{kept.issuer} {kept.id} {fingerprint(headers, body)}"
        if not await self.store.first_use(sent, now, now + 2 * TOLERANCE):
            raise Refusal(409, "webhook_replayed", "This message was acted on already: sign it anew to send it again.")
        asked = _read(body, kept, hook, message)
        function = self.hooks.get(hook)
        if function is None:
            raise Refusal(404, "hook_unknown", f"{self.app.id} has no such hook here: its code and the host differ.")
        spec = Hooks.all[hook]
        ask = _ask(spec, asked)
        left = (asked.deadline - asked.now).total_seconds() - (time.perf_counter() - began)
        async with self.contexts(kept, asked) as ctx:
            ended = await answer(spec, function, ctx, ask, left)
        self._note(kept, asked, ended, began)
        goodbye = hook == GOODBYE and ended.outcome == "answered"
        return Reply(200, ended.body, after=partial(self._part, kept) if goodbye else None)

    async def _whose(self, headers: Mapping[str, str], body: bytes, now: dt.datetime) -> tuple[Kept, str]:
        """The installation whose secret signed the body, and the message's id. Nothing of the body is read."""
        named = {name.lower(): value for name, value in headers.items()}.get(INSTALLATION)
        if named is None:
            raise Refusal(400, "installation_missing", f"The header {INSTALLATION} is missing.")
        refused = Refusal(404, "installation_unknown", "There are no credentials of that installation here.")
        for kept in await self.store.find(named):
            secrets = [secret_from_text(text) for text in kept.secrets_at(now)]
            try:
                return kept, verify(headers, body, secrets=secrets, now=now)
            except WebhookRefused as error:
                refused = Refusal(401, error.code, error.message)
        raise refused

    def _note(self, kept: Kept, asked: HookBody, ended: Ended, began: float) -> None:
        facts = {
            "host": kept.issuer,
            "installation": kept.id,
            "hook": asked.hook,
            "outcome": ended.outcome,
            "milliseconds": round((time.perf_counter() - began) * 1000, 1),
        }
        if ended.error is None:
            log.info("hook_called", **facts)
            return
        facts.update(raised=type(ended.error).__name__, place=place_in(ended.error, self.app.directory))
        log.warning("hook_called", **facts, exc_info=ended.error if self.dev else None)

    async def _part(self, kept: Kept) -> None:
        await self.store.part(kept)
        log.info("credentials_removed", host=kept.issuer, installation=kept.id)


def _read(body: bytes, kept: Kept, hook: str, message: str) -> HookBody:
    try:
        asked = HookBody.model_validate_json(body)
    except ValidationError:
        raise Refusal(400, "body_wrong", "The body is not that of a hook: send what the SDK's wire says.") from None
    if (asked.id, asked.installation, asked.hook) != (message, kept.id, hook):
        raise Refusal(400, "body_differs", "Id, installation and hook in the body are not those of headers and path.")
    return asked


def _ask(spec: HookSpec[Any, Any], asked: HookBody) -> Any:
    try:
        return _adapter(spec.ask).validate_json(json.dumps(dict(asked.ask)))
    except ValidationError:
        raise Refusal(
            400, "ask_wrong", f"This is not what {spec.name} is asked: install the host's SDK here."
        ) from None


def _adapter(ask: type[Any]) -> TypeAdapter[Any]:
    known = _ADAPTERS.get(ask)
    if known is None:
        known = _ADAPTERS[ask] = TypeAdapter(ask)
    return known


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}
