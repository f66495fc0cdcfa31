"""The pages as an ASGI application."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from assigntask.db.errors import DatabaseError
from assigntask.errors import HostError
from assigntask.tasks.facts import TaskFacts
from assigntask_sdk.blocks import ListBlock

from . import authorize, board, sign_in
from .board import Services
from .drawing import draw
from .entrance import SIGN_OUT, Entrance, with_form
from .security import Security, secure
from .text import clean, said, target

STATIC = Path(__file__).parent / "static"
LOOPBACK = ("127.0.0.1", "localhost", "::1")

_HTTP = {
    404: ("page_unknown", "There is no such page."),
    405: ("method_not_allowed", "This page can only be looked at."),
}
_STATUS = {
    **dict.fromkeys(("organisation_unknown", "project_unknown"), 404),
    **dict.fromkeys(("authorize_request_invalid", "redirect_uri_invalid", "request_uri_invalid"), 400),
    **dict.fromkeys(("client_unknown", "client_inactive", "authorization_changed", "form_invalid"), 400),
    **dict.fromkeys(("cross_site", "not_allowed", "authorization_blocked"), 403),
    "sign_in_link_invalid": 400,
    "sign_in_needed": 401,
}
"""Of the host's errors that are no trouble of its own; all others are, and answered with 503."""


def site(services: Services, entrance: Entrance, hosts: Iterable[str] = LOOPBACK) -> Starlette:
    """`hosts`: the names that requests may come to, without ports."""
    templates = environment()

    def render(template: str, **values: Any) -> str:
        return templates.get_template(template).render(**values)

    async def first_page(request: Request) -> Response:
        asked = request.query_params
        session = await entrance.viewer(request)
        doer = session.doer if session is not None else None
        page = await board.gather(services, asked.get("organisation"), asked.get("project"), doer)
        sign_out = entrance.forms.sealed(SIGN_OUT, session.digest) if session is not None else ""
        answer = HTMLResponse(render("page.html", page=page, sign_out=sign_out))
        return with_form(answer) if session is not None else answer

    async def trouble(request: Request, error: Exception) -> Response:
        status, code, words = explained(error)
        page = render("error.html", status=status, code=code, words=words)
        answer = HTMLResponse(page, status, headers=getattr(error, "headers", None))
        secure(answer.headers)  # what nobody expected is answered outside the middleware
        return answer

    return Starlette(
        routes=[
            Route("/", first_page),
            *sign_in.routes(entrance, render),
            *authorize.routes(entrance, render),
            Mount("/static", _Static(directory=STATIC)),
        ],
        middleware=[Middleware(Security, hosts=hosts)],
        exception_handlers=dict.fromkeys((HTTPException, HostError, DatabaseError, Exception), trouble),
    )


class _Static(StaticFiles):
    """Kept by browsers, and asked about each time: an upgrade shows at once, and costs a 304 otherwise."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        answer.headers["cache-control"] = "no-cache"
        return answer


def explained(error: Exception) -> tuple[int, str, str]:
    """Status, code and words. Of an error that nobody expected, nothing but that."""
    if isinstance(error, HTTPException):
        code, words = _HTTP.get(error.status_code, (f"http_{error.status_code}", "This can't be answered."))
        return error.status_code, code, words
    if isinstance(error, HostError):
        return _STATUS.get(error.code, 503), error.code, error.message
    if isinstance(error, DatabaseError):
        return 503, error.code, str(error)
    return 500, "unexpected", "Something went wrong on this host. Its log says what."


def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("assigntask.web"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        clean=clean, said=said, target=target, progress=progress, drawn=draw, items_of=items_of, hue=hue
    )
    return made


def progress(task: TaskFacts) -> str:
    """ "2 of 5", or nothing where there is no checklist."""
    items = [item for checklist in task.checklists for item in checklist.items]
    return f"{sum(item.done for item in items)} of {len(items)}" if items else ""


HUES = ("green", "yellow", "orange", "red", "purple", "blue", "sky", "lime", "pink")


def hue(colour: str | None) -> str:
    """The style sheet's name for a label's colour; "grey" for one that it does not have."""
    base = (colour or "").partition("_")[0]
    return base if base in HUES else "grey"


def items_of(block: ListBlock) -> Any:
    return block.items  # in a template `block.items` would be looked up, and `items` of a mapping is a method
