"""What the API is made of."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from assigntask.actions.deliveries import DeliveryActions
from assigntask.context.factory import ContextFactory
from assigntask.db.database import Database
from assigntask.grants.grants import Grants
from assigntask.oauth.bearer import Bearer
from assigntask.settings import Limits

BASE = "/api/v1"


class Checks(Protocol):
    """`assigntask.oauth.tokens.Tokens`, as far as it is needed here."""

    async def check(self, token: str) -> Bearer:
        """Raises InvalidToken."""
        ...


@dataclass(frozen=True, slots=True)
class ApiServices:
    """`url`: this host's public address of the moment, without a slash at the end. `monotonic`: seconds."""

    db: Database
    tokens: Checks
    grants: Grants
    contexts: ContextFactory
    limits: Limits
    clock: Callable[[], dt.datetime]
    url: Callable[[], str]
    deliveries: DeliveryActions
    monotonic: Callable[[], float] = time.monotonic

    @property
    def base(self) -> str:
        return self.url() + BASE
