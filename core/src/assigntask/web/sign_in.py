"""Signing in with a link, and out.

Opening the link shows a button and nothing else happens: programs that look at links for a preview don't use it up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from .entrance import SIGN_OUT, Entrance, with_form
from .forms import FIELD, fields

Render = Callable[..., str]
"""`render(template, **values)`: a page."""


def routes(entrance: Entrance, render: Render) -> list[Route]:
    async def sign_in(request: Request) -> Response:
        if request.method == "POST":
            return await _redeemed(request, entrance)
        link = request.query_params.get("link", "")
        session = await entrance.who(request)
        page = render(
            "sign_in.html", link=link, signed_in=session is not None, signed_out="out" in request.query_params
        )
        return with_form(HTMLResponse(page))

    async def sign_out(request: Request) -> Response:
        given = await fields(request, entrance.url())
        session = await entrance.who(request)
        if session is not None:
            entrance.forms.opened(given.get(FIELD, ""), SIGN_OUT, session.digest)
            await entrance.signing_in.sign_out(session)
        answer = RedirectResponse("/sign-in?out", 303)
        entrance.let_out(answer)
        return answer

    return [
        Route("/sign-in", sign_in, methods=["GET", "POST"]),
        Route("/sign-out", sign_out, methods=["POST"]),
    ]


def needed(render: Render, **facts: Any) -> Response:
    """The page for somebody who has to sign in first. `facts`: for the template."""
    values = {"link": "", "signed_in": False, "signed_out": False, **facts}
    return HTMLResponse(render("sign_in.html", **values), 401)


async def _redeemed(request: Request, entrance: Entrance) -> Response:
    given = await fields(request, entrance.url())
    before = await entrance.who(request)
    value, _ = await entrance.signing_in.sign_in(given.get("link", ""), before)
    answer = RedirectResponse("/", 303)
    entrance.let_in(answer, value)
    return answer
