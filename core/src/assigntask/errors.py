"""Errors of the host itself. Those that apps meet too are in `assigntask_sdk.errors`, and are raised as they are."""

from __future__ import annotations

from typing import Any

from assigntask_sdk.errors import AppError


class HostError(AppError):
    """`code` is stable and snake_case; the message says what to do next; `facts` are JSON."""

    def __init__(self, code: str, message: str, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.code = code


class NotAllowed(HostError):
    """Somebody lacks the right. `needs` says which role or scope would do."""

    def __init__(self, message: str, *, needs: str) -> None:
        super().__init__("not_allowed", message, needs=needs)
