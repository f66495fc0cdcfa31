"""Asking one app one question: its grant of this moment, the gate, the call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assigntask.db.database import Database
from assigntask.errors import HostError
from assigntask.gate.gate import Gate, Slot
from assigntask.gate.released import Released
from assigntask.grants.grant import Actor, Grant
from assigntask.grants.grants import Grants
from assigntask.ledger.channel import Channel
from assigntask.people import people
from assigntask.people.facts import Doer, PersonFacts
from assigntask_sdk.errors import AppError
from assigntask_sdk.hooks import HookSpec

from .errors import CallFailed
from .listeners import Listener
from .proxy import Callee, Proxies

Plain = Callable[[Released], Mapping[str, Any]]

VIEWER = "viewer.person"


@dataclass(frozen=True, slots=True)
class AppNote:
    """Why an app's part is missing or old. `code` is stable, `words` are for people."""

    app_id: str
    app_name: str
    code: str
    words: str


class NothingToAsk(Exception):
    """The app is not active, or nothing of what the question is about may be shown to it."""


@dataclass(frozen=True, slots=True)
class Asking:
    db: Database
    gate: Gate
    grants: Grants
    proxies: Proxies

    async def grant(self, listener: Listener, doer: Doer) -> Grant:
        """With the rights of the viewer; where an app does something, with the installation's own.

        Raises NothingToAsk where the installation was disabled or uninstalled a moment ago, and where somebody
        else installed the app for themselves alone: it neither sees nor shows anything on other people's pages.
        """
        actor = Actor.viewer(doer) if doer.person_id is not None else Actor.installation()
        try:
            grant = await self.grants.current(listener.organisation_id, listener.installation_id, actor)
        except HostError as error:
            if error.code in ("installation_inactive", "installation_unknown"):
                raise NothingToAsk from error
            raise
        if grant.only_person_id is not None and grant.only_person_id != doer.person_id:
            raise NothingToAsk
        return grant

    async def ask(
        self,
        listener: Listener,
        grant: Grant,
        spec: HookSpec[Any, Any],
        slots: Mapping[str, Slot],
        plain: Plain,
        *,
        project: str | None = None,
        needed: str | None = None,
    ) -> Any:
        """The answer. `project`: what it is about is in it. `needed`: the slot without which there is nothing to ask.

        Raises NothingToAsk, CallFailed, or an error that the contract lets an app raise.
        """
        if project is not None and not grant.reaches(project):
            raise NothingToAsk
        if listener.upgrading_from is not None:
            raise CallFailed(
                "app_upgrading",
                grant.app_id,
                spec.name,
                f"{listener.app_name} is being upgraded; try again in a moment.",
            )
        await self.proxies.ready(grant, listener.manifest, spec)
        released = await self.gate.release(grant, listener.details, slots, channel=Channel.QUESTION)
        if needed is not None and not released.values[needed]:
            raise NothingToAsk
        callee = Callee(grant, listener.manifest, listener.settings)
        return await self.proxies.call(callee, spec, released, plain(released))

    async def viewer_slot(self, listeners: Sequence[Listener], doer: Doer) -> Mapping[str, Slot]:
        """Who is looking: for those apps alone that were granted to know."""
        if doer.person_id is None or not any(VIEWER in listener.details for listener in listeners):
            return {}
        viewer = await self.db.read(_person, doer.organisation_id, doer.person_id)
        return {"viewer": Slot(viewer, detail=VIEWER)}


def note(listener: Listener, error: Exception) -> AppNote:
    """What to say of a question that has no answer. An error that is not expected here is raised again."""
    if isinstance(error, AppError):
        words = error.message if isinstance(error, HostError) else f"{listener.app_name}: {error.message}"
        return AppNote(listener.app_id, listener.app_name, error.code, words)
    raise error


def _person(conn: Any, organisation_id: str, person_id: str) -> PersonFacts | None:
    return people.load(conn, organisation_id, [person_id]).get(person_id)
