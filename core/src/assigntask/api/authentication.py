"""Who calls: RFC 6750 and RFC 9449, section 7."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace

from assigntask.context.boundary import not_found
from assigntask.context.factory import HostCtx
from assigntask.errors import HostError
from assigntask.grants.grant import Grant
from assigntask.oauth import dpop, seen
from assigntask.oauth.bearer import Bearer, InvalidToken
from assigntask.oauth.dpop import DPoPError
from assigntask_sdk.details import SCOPES
from assigntask_sdk.errors import Refused
from assigntask_sdk.records import PersonId

from .operation import Operation
from .problems import Headers, Problem
from .requests import Heads
from .services import BASE, ApiServices

_DEADLINE = dt.timedelta(seconds=30)

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,4096}=*")
_PERSON = re.compile("p_[a-z2-7]{26}")
_STATES = frozenset({"installation_inactive", "installation_unknown", "organisation_unknown"})


async def authenticate(services: ApiServices, heads: Heads, method: str, path: str) -> tuple[Bearer, Grant]:
    """Who presents the token, with their grant of the moment. `path`: as the caller wrote it. Raises Problem."""
    scheme, token = presented(heads.authorization, services.url())
    try:
        bearer = await services.tokens.check(token)
        if bearer.dpop_thumbprint is not None or scheme == "dpop" or heads.dpop:
            await _check_proof(services, heads, scheme, token, bearer, method, path)
        grant = await services.grants.current(
            bearer.organisation_id, bearer.installation_id, bearer.actor, any_state=bearer.goodbye
        )
    except (InvalidToken, DPoPError) as error:
        raise refused(error, services.url()) from None
    except HostError as error:
        if error.code in _STATES:  # it changed just now
            raise refused(InvalidToken(), services.url()) from None
        raise
    return bearer, grant


def presented(authorization: list[bytes], url: str) -> tuple[str, str]:
    """The scheme in small letters, and the token. Raises Problem. Pure."""
    if not authorization:
        raise missing(url)
    scheme, _, token = authorization[0].decode("latin-1").partition(" ")
    scheme, token = scheme.lower(), token.strip(" ")
    if scheme not in ("bearer", "dpop"):
        raise missing(url)
    if len(authorization) > 1 or not _TOKEN.fullmatch(token):
        raise malformed("Send one Authorization header, with the scheme Bearer or DPoP and one token.", url)
    return scheme, token


def context_of(services: ApiServices, heads: Heads, bearer: Bearer, grant: Grant) -> HostCtx:
    """The same ctx that an app inside the host gets, narrowed to what the token was given. Raises Refused, NotFound."""
    if bearer.goodbye and grant.state == "active":
        grant = replace(grant, state="disabled")  # restored meanwhile: the token is for the goodbye all the same
    if heads.person is not None and not _PERSON.fullmatch(heads.person):
        raise not_found("person")  # not every operation asks whose rights count
    if bearer.kind == "person" and heads.person not in (None, grant.pairwise(bearer.actor.person_id or "")):
        # It may lie on the person's own device, so it must not speak for others who take part in the app.
        raise Refused(
            "installation", "This token is one person's and acts for nobody else: leave AssignTask-Person out."
        )
    deadline, scopes, fence = services.clock() + _DEADLINE, bearer.scopes, bearer.fence
    ctx = services.contexts.make(grant, deadline=deadline, settings={}, scopes=scopes, fence=fence)
    return ctx if heads.person is None else ctx.as_person(PersonId(heads.person))


def challenges(url: str, error: str | None = None, words: str = "", scope: str = "") -> Headers:
    """`WWW-Authenticate`, with the address of the metadata: RFC 9728, section 5.1."""
    parts = [f'resource_metadata="{url}/.well-known/oauth-protected-resource{BASE}"']
    if error is not None:
        parts = [f'error="{error}"', f'error_description="{_quotable(words)}"', *parts]
    if scope:
        parts.append(f'scope="{scope}"')
    inner = ", ".join(parts)
    algorithms = " ".join(dpop.ALGORITHMS)
    return (
        (b"www-authenticate", f"Bearer {inner}".encode()),
        (b"www-authenticate", f'DPoP algs="{algorithms}", {inner}'.encode()),
    )


def missing(url: str) -> Problem:
    words = "Send an access token: Authorization: Bearer at_… The token endpoint gives one."
    return Problem("token_missing", words, headers=challenges(url))


def malformed(words: str, url: str) -> Problem:
    return Problem("authorization_malformed", words, headers=challenges(url, "invalid_request", words))


def refused(error: HostError, url: str) -> Problem:
    name = error.code if isinstance(error, DPoPError) else "invalid_token"
    return Problem(error.code, error.message, headers=challenges(url, name, error.message))


def insufficient(operation: Operation, scope: str, url: str) -> Headers:
    """For a 403: every scope that the operation needs. Nothing where it is no scope that is missing."""
    if scope not in SCOPES:
        return ()
    wanted = sorted({scope} | ({operation.scope} if operation.scope else set()))
    words = "Ask for these scopes: an admin, and where it acts for a person that person, has to agree."
    return challenges(url, "insufficient_scope", words, " ".join(wanted))


async def _check_proof(
    services: ApiServices, heads: Heads, scheme: str, token: str, bearer: Bearer, method: str, path: str
) -> None:
    """Raises InvalidToken where token and scheme don't belong together, DPoPError."""
    if bearer.dpop_thumbprint is None or scheme != "dpop":
        raise InvalidToken
    if len(heads.dpop) != 1:
        raise DPoPError("send one DPoP header")
    proof = dpop.verify(
        heads.dpop[0].decode("latin-1"),
        method=method,
        url=services.url() + path,
        now=services.clock(),
        access_token=token,
    )
    if proof.thumbprint != bearer.dpop_thumbprint:
        raise DPoPError("it is signed with another key than the token is bound to")
    first = await services.db.write(seen.first_use, "dpop", proof.thumbprint, proof.jti, proof.forgettable_at)
    if not first:
        raise DPoPError("it was used before; make a new one for each request")


def _quotable(words: str) -> str:
    return words.replace("\\", "").replace('"', "'").encode("ascii", "replace").decode()
