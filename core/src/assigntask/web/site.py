"""The pages as an ASGI application."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from assigntask.errors import HostError
from assigntask.tasks.facts import TaskFacts
from assigntask.web import board
from assigntask.web.board import Services
from assigntask.web.drawing import draw
from assigntask.web.security import Security
from assigntask_sdk.blocks import ListBlock

STATIC = Path(__file__).parent / "static"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def site(services: Services, hosts: Iterable[str] = LOOPBACK) -> Starlette:
    """`hosts`: the names that requests may come to, without ports."""
    templates = environment()

    async def first_page(request: Request) -> Response:
        shown = await board.gather(services, request.query_params.get("project"))
        zone = ZoneInfo(shown["organisation"].time_zone)
        page = templates.get_template("page.html")
        return HTMLResponse(page.render(zone=zone, **shown))

    async def trouble(request: Request, error: Exception) -> Response:
        status, code, message = 500, "unexpected", "Something went wrong on this host. The log says more."
        if isinstance(error, HTTPException):
            status, code, message = error.status_code, f"http_{error.status_code}", "There is no such page."
        elif isinstance(error, HostError):
            status, code, message = 503, error.code, error.message
        page = templates.get_template("error.html")
        return HTMLResponse(page.render(title="That did not work", message=message, code=code), status)

    return Starlette(
        routes=[Route("/", first_page, methods=["GET"]), Mount("/static", StaticFiles(directory=STATIC))],
        middleware=[Middleware(Security, hosts=hosts)],
        exception_handlers={HTTPException: trouble, HostError: trouble, Exception: trouble},
    )


def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("assigntask.web"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(is_link=is_link, moment=moment, day=day, progress=progress, drawn=draw, items_of=items_of)
    return made


def is_link(url: str) -> bool:
    """Whether an app's link may be followed: http and https with a host, mailto; never a script."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return (parts.scheme in ("http", "https") and bool(parts.netloc)) or parts.scheme == "mailto"


def moment(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%-d %b %Y, %H:%M} UTC"


def day(value: dt.date) -> str:
    return f"{value:%-d %b %Y}"


def progress(task: TaskFacts) -> str:
    """ "2 of 5 done", or nothing where there is no checklist."""
    items = [item for checklist in task.checklists for item in checklist.items]
    return f"{sum(item.done for item in items)} of {len(items)} done" if items else ""


def items_of(block: ListBlock) -> Any:
    return block.items  # in a template `block.items` would be looked up, and `items` of a mapping is a method
