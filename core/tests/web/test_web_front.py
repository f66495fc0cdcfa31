"""Which part of the host answers: programs are told in their own words, people get pages."""

from __future__ import annotations

from typing import Any

import pytest

World = Any

PROBLEM = "application/problem+json"


@pytest.mark.parametrize(
    ("path", "status", "media"),
    [
        ("/", 401, "text/html"),
        ("/nowhere", 404, "text/html"),
        ("/oauth/authorize", 401, "text/html"),
        ("/api/v1", 200, "text/html"),
        ("/api/v1/", 200, "text/html"),
        ("/api/v1/tasks", 401, PROBLEM),
        ("/api/v1/nowhere", 404, PROBLEM),
        ("/api/v1x", 404, "text/html"),
        ("/api/v2/tasks", 404, "text/html"),
        ("/oauth/jwks", 200, "application/json"),
        ("/oauth/token", 405, "application/json"),
        ("/oauth/nowhere", 404, "application/json"),
        ("/apps/connect", 404, "application/json"),
        ("/.well-known/oauth-authorization-server", 200, "application/json"),
        ("/.well-known/oauth-protected-resource", 200, "application/json"),
        ("/.well-known/oauth-protected-resource/api/v1", 200, "application/json"),
        ("/.well-known/security.txt", 404, "text/html"),
    ],
)
async def test_each_part_of_the_host_answers_at_its_own_paths(
    open_world: Any, path: str, status: int, media: str
) -> None:
    async with open_world("https://tasks.example") as world:
        await world.organisation("Harbour", admin="ada")
        answer = await world.call(path)
    assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (status, media)


async def test_programs_may_come_under_any_name_because_they_bring_what_proves_them(world: World) -> None:
    assert (await world.call("/oauth/jwks", host="tasks.example")).status == 200
    assert (await world.call("/api/v1/tasks", host="tasks.example")).status == 401
    assert (await world.call("/", host="tasks.example")).status == 421
