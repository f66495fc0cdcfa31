"""Requests that nobody thought of, made from the OpenAPI document: no answer that it does not name, and no 5xx."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from assigntask.web.front import Front

MakeWorld = Callable[..., AbstractAsyncContextManager[Any]]


class Served:
    """The API on a port of this machine, in a thread of its own, with what a caller has to know."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.failure: BaseException | None = None
        self.base = ""
        self.token = ""
        self.ids: dict[str, list[str]] = {}

    async def run(self, make_world: MakeWorld, stop: threading.Event) -> None:
        async with make_world() as world:
            app = Front(pages=world.api, api=world.api, endpoints=())
            server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="off"))
            serving = asyncio.create_task(server.serve())
            while not server.started:
                await asyncio.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            self.base = f"http://127.0.0.1:{port}/api/v1"
            self.token = await world.token()
            ids = world.ids["north"]
            self.ids = {
                "/tasks": [ids["near task"], ids["far task"]],
                "/projects": [ids["near"]],
                "/people": [await world.known_as("ben")],
                "/attachments": [ids["near attachment"]],
                "/problems": ["disk"],
            }
            self.ready.set()
            await asyncio.to_thread(stop.wait)
            server.should_exit = True
            await serving


@pytest.fixture
def served(make_world: MakeWorld) -> Iterator[Served]:
    made, stop = Served(), threading.Event()

    def run() -> None:
        try:
            asyncio.run(made.run(make_world, stop))
        except BaseException as error:
            made.failure = error
            made.ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert made.ready.wait(30)
    assert made.failure is None, made.failure
    yield made
    stop.set()
    thread.join(30)


@pytest.fixture
def document(served: Served) -> Any:
    # What has the right form may still be refused for what it says: a cursor of no page, two filters that exclude
    # each other, an unknown key. So those answers count as expected, beside success.
    expected = ["2xx", "304", "400", "401", "403", "404", "409", "412", "422"]
    refused = ["400", "401", "403", "404", "405", "406", "409", "412", "413", "414", "415", "422", "429", "431"]
    checks = {
        "positive_data_acceptance": {"expected-statuses": expected},
        "negative_data_rejection": {"expected-statuses": refused},
    }
    config = SchemathesisConfig.from_dict({"checks": checks})
    found = schemathesis.openapi.from_url(f"{served.base}/openapi.json", config=config)
    found.config.update(base_url=served.base)
    chance = random.Random(7)

    @found.hook
    def map_path_parameters(context: Any, path_parameters: Any) -> Any:
        """Half of the time what there is: else nearly everything would be unknown."""
        known = next((ids for start, ids in served.ids.items() if context.operation.path.startswith(start)), None)
        if known and path_parameters and chance.random() < 0.5:
            return {name: chance.choice(known) for name in path_parameters}
        return path_parameters

    return found


@pytest.mark.parametrize(
    ("signed_in", "mode", "examples"),
    [(True, GenerationMode.POSITIVE, 5), (True, GenerationMode.NEGATIVE, 4), (False, GenerationMode.POSITIVE, 1)],
)
def test_no_request_is_answered_in_a_way_that_the_document_does_not_name(
    document: Any, served: Served, signed_in: bool, mode: GenerationMode, examples: int
) -> None:
    headers = {"Authorization": f"Bearer {served.token}"} if signed_in else {}
    patient = settings(
        max_examples=examples,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    for found in document.get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and not (operation.query or operation.body):
            continue

        @patient
        @given(case=operation.as_strategy(generation_mode=mode))
        def answers(case: Any) -> None:
            address = requests.Request(**case.as_transport_kwargs()).prepare().url or ""
            assume(len(address) < 60_000)  # the server itself refuses what is longer
            case.call_and_validate(headers=headers)

        answers()
