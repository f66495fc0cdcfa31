"""Calling the host's API from anywhere: `Client`, and `SyncClient` for code that blocks.

Needs the extra `assigntask-sdk[remote]`. Names, answers and errors are those of `ctx` (`assigntask_sdk.context`).
"""

from .access import Auth, BasicSecret, ClientCredentials, ClientProof, NoSecret, Refreshing, Token, Tokens
from .client import Client
from .failures import ApiError
from .retrying import Patience
from .sync import SyncClient

__all__ = [
    "ApiError",
    "Auth",
    "BasicSecret",
    "Client",
    "ClientCredentials",
    "ClientProof",
    "NoSecret",
    "Patience",
    "Refreshing",
    "SyncClient",
    "Token",
    "Tokens",
]
