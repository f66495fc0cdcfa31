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

from . import board
from .board import Services
from .drawing import draw
from .security import Security, secure
from .text import clean, said, target

STATIC = Path(__file__).parent / "static"
LOOPBACK = ("127.0.0.1", "localhost", "::1")

_HTTP = {
    404: ("page_unknown", "There is no such page."),
    405: ("method_not_allowed", "This page can only be looked at."),
}
_UNKNOWN = ("organisation_unknown", "project_unknown")


def site(services: Services, hosts: Iterable[str] = LOOPBACK) -> Starlette:
    """`hosts`: the names that requests may come to, without ports."""
    templates = environment()

    async def first_page(request: Request) -> Response:
        asked = request.query_params
        page = await board.gather(services, asked.get("organisation"), asked.get("project"))
        return HTMLResponse(templates.get_template("page.html").render(page=page))

    async def trouble(request: Request, error: Exception) -> Response:
        status, code, words = explained(error)
        page = templates.get_template("error.html").render(status=status, code=code, words=words)
        answer = HTMLResponse(page, status, headers=getattr(error, "headers", None))
        secure(answer.headers)  # what nobody expected is answered outside the middleware
        return answer

    return Starlette(
        routes=[Route("/", first_page), Mount("/static", _Static(directory=STATIC))],
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
        return (404 if error.code in _UNKNOWN else 503), error.code, error.message
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
