"""The whole host as one ASGI application: which of its parts answers, by the path alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from assigntask.api.services import BASE as API
from assigntask.metrics.routes import name_route
from assigntask.oauth.endpoints import FormEndpoint
from assigntask.oauth.metadata import AUTHORIZE, RESOURCE_PATH, SERVER_PATH


class Front:
    """Programs go to the API, to the authorization server's endpoints and to `connect`; people to the pages."""

    def __init__(self, pages: ASGIApp, api: ASGIApp, endpoints: Sequence[BaseRoute]) -> None:
        self._pages = pages
        self._api = api
        self._endpoints = Starlette(routes=list(endpoints), exception_handlers={HTTPException: _unknown})
        # They need nothing of a framework, and are asked most.
        self._forms = {route.path: route.app for route in endpoints if _is_form(route)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        form = self._forms.get(path)
        if form is not None and scope["type"] == "http" and scope["method"] == "POST":
            name_route(scope, path)
            await form(scope, receive, send)
        elif path.startswith(API) and path[len(API) :][:1] in ("", "/"):
            await self._api({**scope, "root_path": API}, receive, send)
        elif _for_programs(path):
            await self._endpoints(scope, receive, send)
        else:
            await self._pages(scope, receive, send)


def _is_form(route: BaseRoute) -> TypeGuard[Route]:
    return isinstance(route, Route) and isinstance(route.endpoint, FormEndpoint)


def _for_programs(path: str) -> bool:
    if path.startswith("/oauth/"):
        return path != AUTHORIZE
    return path.startswith(("/apps/", "/health/", SERVER_PATH, RESOURCE_PATH))


async def _unknown(_: Request, error: Exception) -> Response:
    """There is nothing for a person here, and what asks is a program."""
    status, headers = getattr(error, "status_code", 404), getattr(error, "headers", None) or {}
    words = "This endpoint takes another method." if status == 405 else "There is no such endpoint."
    said = {"error": "invalid_request", "error_description": words}
    return JSONResponse(said, status, {**headers, "cache-control": "no-store"})
