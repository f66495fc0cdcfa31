"""What a caller is told when something fails: `application/problem+json`, RFC 9457. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assigntask.db.errors import DatabaseBusy, DatabaseUnreachable
from assigntask_sdk.errors import AppError, Invalid, TryLater

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One code: the status it is answered with, and what it means whatever the case."""

    status: int
    title: str


KINDS: Mapping[str, Kind] = {
    # What ctx raises, in an app inside the host and here alike.
    "not_found": Kind(404, "There is no such record"),
    "refused": Kind(403, "A scope is missing"),
    "gone": Kind(410, "It was there and is no more"),
    "conflict": Kind(409, "Somebody else was first"),
    "invalid": Kind(422, "A value can't be taken"),
    "vetoed": Kind(409, "Another app refuses the change"),
    "superseded": Kind(409, "A newer run has taken over"),
    "needs_link": Kind(409, "An account has to be linked first"),
    "try_later": Kind(503, "Not now"),
    "file_too_large": Kind(413, "The file is too large"),
    "host_error": Kind(500, "Something failed inside the host"),
    # Who calls: RFC 6750, section 3.1, and RFC 9449, section 7.1.
    "token_missing": Kind(401, "An access token is needed"),
    "token_invalid": Kind(401, "The access token can't be used"),
    "invalid_dpop_proof": Kind(401, "The proof of possession can't be taken"),
    "authorization_malformed": Kind(400, "The token is not where it belongs"),
    # The form of the request.
    "request_malformed": Kind(400, "The request can't be read"),
    "body_not_json": Kind(400, "The body is not the JSON that is wanted"),
    "route_unknown": Kind(404, "There is nothing at this address"),
    "method_not_allowed": Kind(405, "This address does not take this method"),
    "not_acceptable": Kind(406, "There is no such form of the answer"),
    "body_too_slow": Kind(408, "The body did not come in time"),
    "idempotency_running": Kind(409, "The first request is still being answered"),
    "body_too_large": Kind(413, "The body is too large"),
    "address_too_long": Kind(414, "The address is too long"),
    "media_type_unsupported": Kind(415, "The body has another form than is taken"),
    "idempotency_mismatch": Kind(422, "The key was used for another request"),
    "rate_limited": Kind(429, "Too many requests"),
    "headers_too_large": Kind(431, "The headers are too large"),
}

RETRIED_AFTER = 5
"""Seconds, where a failure that passes does not say how long it takes."""


class Problem(Exception):
    """Ends a request with a problem. `status`: where it is not the code's own. `facts` are JSON, beside the rest."""

    def __init__(
        self, code: str, detail: str, *, status: int | None = None, headers: Headers = (), **facts: Any
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = KINDS[code].status if status is None else status
        self.headers = headers
        self.facts = facts

    def to_json(self, base: str) -> dict[str, Any]:
        """`base`: the address of the API, where the page says what each code means."""
        return {
            **self.facts,
            "type": f"{base}/#problem-{self.code}",
            "title": KINDS[self.code].title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }


def bad_query(faults: Mapping[str, str]) -> Problem:
    """Names each parameter that can't be taken. It has the code and the facts of Invalid, as it has inside the host."""
    error = Invalid(faults)
    return Problem("invalid", error.message, status=400, **error.facts)


def bad_body(faults: Mapping[str, str]) -> Problem:
    error = Invalid(faults)
    return Problem("invalid", error.message, **error.facts)


def problem_of(error: Exception, *, if_match: bool = False) -> Problem | None:
    """What a failure is called outside; None for what nobody expected.

    `if_match`: the request named a version, so that a conflict is a failed precondition (RFC 9110, section 13.1.1).
    """
    if isinstance(error, Problem):
        return error
    if isinstance(error, AppError) and error.code in KINDS:
        status = 412 if if_match and error.code == "conflict" else None
        return Problem(error.code, error.message, status=status, headers=_waiting(error), **error.facts)
    if isinstance(error, (DatabaseBusy, DatabaseUnreachable)):
        later = TryLater("The host is busy; try again in a few seconds.", after=RETRIED_AFTER)
        return Problem("try_later", later.message, headers=_waiting(later), **later.facts)
    return None


def unexpected(id: str) -> Problem:
    """`id`: under which the operator finds it in the log."""
    words = f"Something failed inside the host. The operator finds it in the log as {id}."
    return Problem("host_error", words, id=id)


def _waiting(error: AppError) -> Headers:
    if not isinstance(error, TryLater):
        return ()
    after = RETRIED_AFTER if error.after is None else max(1, -int(-error.after // 1))
    return ((b"retry-after", str(after).encode()),)
