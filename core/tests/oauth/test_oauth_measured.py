"""Tokens that are given are counted by grant, and refusals are not."""

from __future__ import annotations

from typing import Any

from assigntask.metrics.meter import Meter


class Noting(Meter):
    def __init__(self) -> None:
        self.tokens: list[str] = []

    def gave_token(self, grant_type: str) -> None:
        self.tokens.append(grant_type)


async def test_each_grant_that_gives_a_token_is_counted(local: Any) -> None:
    meter = local.server._meter = Noting()
    app = await local.install()
    said = await local.authorized(app)
    assert (await local.refresh(app, said["refresh_token"])).status_code == 200
    await local.access(app)
    assert (await local.token(app, grant_type="nothing")).status_code == 400
    assert meter.tokens == ["authorization_code", "refresh_token", "client_credentials"]
