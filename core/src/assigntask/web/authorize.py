"""The page on which a person lets an app act in their name, or doesn't."""

from __future__ import annotations

from collections.abc import Collection

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from assigntask.errors import HostError
from assigntask.oauth.authorizing import Consent, Pending, Sent
from assigntask.people.sessions import Session

from . import sign_in
from .entrance import SIGN_OUT, Entrance, with_form
from .forms import FIELD, fields, invalid
from .sign_in import Render

ACTION = "authorize"
TICK = "scope:"
"""Before a scope's name, in the name of its checkbox."""


def routes(entrance: Entrance, render: Render) -> list[Route]:
    async def authorize(request: Request) -> Response:
        session = await entrance.who(request)
        if request.method != "POST":
            doer = session.doer if session is not None else None
            found = await entrance.authorizing.open(request.scope["query_string"], doer)
            if isinstance(found, Sent):
                return RedirectResponse(found.url, 303)
            if found is None or session is None:
                return sign_in.needed(render, from_app=True)
            return _page(entrance, render, session, found)
        if session is None:
            return sign_in.needed(render, from_app=True)
        return await _answered(request, entrance, render, session)

    return [Route("/oauth/authorize", authorize, methods=["GET", "POST"])]


async def _answered(request: Request, entrance: Entrance, render: Render, session: Session) -> Response:
    given = await fields(request, entrance.url())
    body = entrance.forms.opened(given.get(FIELD, ""), ACTION, session.digest)
    pending = Pending.of_json(body["pending"])
    decision = given.get("decision")
    if decision == "deny":
        return RedirectResponse((await entrance.authorizing.deny(session.doer, pending)).url, 303)
    if decision != "allow":
        raise invalid()
    ticked = {name.removeprefix(TICK) for name in given if name.startswith(TICK)}
    try:
        sent = await entrance.authorizing.allow(session.doer, pending, ticked, body["offered"])
    except HostError as error:
        if error.code != "nothing_chosen":
            raise
        consent = await entrance.authorizing.again(session.doer, pending)
        return _page(entrance, render, session, consent, ticked=ticked, problem=error.message)
    return RedirectResponse(sent.url, 303)


def _page(
    entrance: Entrance,
    render: Render,
    session: Session,
    consent: Consent,
    *,
    ticked: Collection[str] | None = None,
    problem: str = "",
) -> Response:
    """`ticked` None: everything. `problem`: why the answer that was given can't be taken."""
    body = {"pending": consent.pending.to_json(), "offered": consent.offered}
    page = render(
        "authorize.html",
        consent=consent,
        ticked=ticked,
        problem=problem,
        form=entrance.forms.sealed(ACTION, session.digest, body),
        sign_out=entrance.forms.sealed(SIGN_OUT, session.digest),
        days=entrance.refresh_days,
    )
    status = 400 if problem else 403 if consent.blocked else 200
    return with_form(HTMLResponse(page, status), consent.sends_to)
