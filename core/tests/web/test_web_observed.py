"""Each request has an id of the host's own, and is measured under the template of its route."""

from __future__ import annotations

import re
from typing import Any

import pytest
import structlog

from assigntask.db.ids import is_id
from assigntask.metrics.meter import Meter
from assigntask.web.observed import Observed

World = Any


class Noting(Meter):
    def __init__(self) -> None:
        self.answers: list[tuple[str, str, int]] = []

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        self.answers.append((method, route, status))


@pytest.fixture
def noting(world: World) -> Noting:
    meter = Noting()
    world.site._meter = meter
    return meter


@pytest.mark.parametrize(
    ("path", "method", "route", "status"),
    [
        ("/", "GET", "/", 200),
        ("/?organisation=Harbour", "GET", "/", 200),
        ("/sign-in", "GET", "/sign-in", 200),
        ("/static/style.css", "GET", "/static", 200),
        ("/static/../../etc/passwd", "GET", "/static", 404),
        ("/ada@example.org", "GET", "unknown", 404),
        ("/health/live", "GET", "/health/live", 200),
        ("/oauth/token", "POST", "/oauth/token", 400),
        ("/oauth/token", "GET", "/oauth/token", 405),
        ("/oauth/jwks", "GET", "/oauth/jwks", 200),
        ("/oauth/nowhere", "GET", "unknown", 404),
        ("/api/v1", "GET", "/api/v1", 200),
        ("/api/v1/openapi.json", "GET", "/api/v1/openapi.json", 200),
        ("/api/v1/tasks/01931c2a-7b3c-7000-8000-000000000000", "GET", "/api/v1/tasks/{id}", 401),
        ("/api/v1/nowhere/ada@example.org", "GET", "unknown", 404),
    ],
)
async def test_a_request_is_measured_under_its_template_and_no_value_of_it(
    world: World, noting: Noting, path: str, method: str, route: str, status: int
) -> None:
    answer = await world.call(path, method=method)
    assert answer.status == status
    assert noting.answers == [(method, route, status)]


async def test_the_id_is_the_hosts_own_and_new_each_time(world: World) -> None:
    answers = [
        await world.call(path, x_request_id="4c0ffee")
        for path in ("/", "/nowhere", "/oauth/jwks", "/api/v1/tasks", "/static/style.css", "/health/ready")
    ]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert all(map(is_id, ids))
    assert len(set(ids)) == len(ids)


async def test_every_line_of_a_request_has_its_id_and_none_after_it() -> None:
    log = structlog.get_logger()
    merged: list[Any] = []

    def keep(_logger: Any, _method: str, found: Any) -> Any:
        merged.append(dict(found))
        raise structlog.DropEvent

    async def app(scope: Any, receive: Any, send: Any) -> None:
        log.info("within")
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    structlog.configure(processors=[structlog.contextvars.merge_contextvars, keep])
    try:
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        await Observed(app, Meter())(scope, None, send)  # type: ignore[arg-type]
        log.info("after")
    finally:
        structlog.reset_defaults()
    told = dict(sent[0]["headers"])[b"x-request-id"].decode()
    assert [(line["event"], line.get("request")) for line in merged if line["event"] != "answered"] == [
        ("within", told),
        ("after", None),
    ]


async def test_an_answer_that_fails_is_measured_and_its_error_goes_on_to_the_server() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    meter = Noting()
    with pytest.raises(ZeroDivisionError):
        await Observed(app, meter)({"type": "http", "method": "GET", "path": "/x", "headers": []}, None, None)  # type: ignore[arg-type]
    structlog.contextvars.clear_contextvars()
    assert meter.answers == [("GET", "unknown", 500)]


def test_every_page_has_a_path_without_values(world: World) -> None:
    """What a page's route is called is its path: a value in it would be a label of its own, and a detail there."""
    pages = world.site._app._pages
    paths = [route.path for route in pages.routes]
    assert paths
    assert not [path for path in paths if re.search(r"[{}]", path)]
