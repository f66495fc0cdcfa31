"""What an app meets when something fails: the contract's errors, and nothing of the host's inside."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import structlog

from assigntask.db.errors import DatabaseBusy, DatabaseUnreachable
from assigntask.db.ids import new_id
from assigntask.errors import HostError, NotAllowed
from assigntask_sdk.errors import AppError, Gone, NotFound, Refused, TryLater, Vetoed

P = ParamSpec("P")
R = TypeVar("R")

_log = structlog.get_logger("assigntask.context")

_GONE = frozenset({"installation_inactive", "installation_unknown", "subject_key_gone"})
_NOT_FOUND = frozenset({"person_inactive", "person_unknown", "organisation_unknown"})
_FRAMES = 12


class Caller(Protocol):
    @property
    def app_id(self) -> str: ...

    @property
    def installation_id(self) -> str: ...


class Part(Protocol):
    """A part of a ctx."""

    @property
    def _access(self) -> Caller: ...


S = TypeVar("S", bound=Part)


def for_app(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
    """For what the host does for an app, never for what runs code of the app's own: its errors are its own."""

    @wraps(method)
    async def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await method(self, *args, **kwargs)
        except Exception as error:  # whatever it is, the app is told in the contract's words
            failure = told(error)
            if failure.code == "host_error":
                _write_down(error, failure, self._access)
        # Raised out here, it does not carry the host's own error along.
        failure.__cause__ = failure.__context__ = None
        raise failure.with_traceback(None)

    return call


def told(error: Exception) -> AppError:
    """The error that an app may see. Its facts name nothing that the app did not know."""
    known: AppError | None = None
    if isinstance(error, HostError):
        known = _told_of(error)
    elif isinstance(error, NotFound):  # the host's own words may name its ids of people
        known = not_found("record")
    elif isinstance(error, Vetoed):  # the reason is for people: it may hold what this app was never given
        known = Vetoed(error.app, "its reason is shown to people", error.field)
    elif isinstance(error, AppError):
        known = error
    elif isinstance(error, (DatabaseBusy, DatabaseUnreachable)):
        known = TryLater("The host is busy; try again in a few seconds.", after=5)
    if known is not None:
        return known
    name = new_id()
    words = f"Something failed inside the host. The operator finds it in the log as {name}."
    return HostError("host_error", words, id=name)


def _told_of(error: HostError) -> AppError | None:
    """None for what concerns only the host."""
    if isinstance(error, NotAllowed):
        return Refused(str(error.facts["needs"]), error.message)
    if error.code in _GONE:
        return Gone("This installation is not active: nothing reaches it until an admin enables it.")
    return not_found("record") if error.code in _NOT_FOUND else None


def not_found(what: str) -> NotFound:
    """The same words for what is not there and for what this app may not know of."""
    return NotFound(f"There is no such {what}, or this app may not know of it.")


def _write_down(error: Exception, failure: AppError, caller: Caller) -> None:
    """Where it failed, but no message and no values: those may be somebody's details."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    _log.error(
        "host_error",
        id=failure.facts["id"],
        app=caller.app_id,
        installation=caller.installation_id,
        error=type(error).__name__,
        code=getattr(error, "code", None),
        frames=[f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames],
    )
