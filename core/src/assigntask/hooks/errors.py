"""How a call of an app can end badly.

    HostError
    └── CallFailed   hook_timeout           it did not answer in time
                     hook_blocked           it held the apps' thread beyond its time
                     hook_held_up           another app held the thread, twice; it is not this one's fault
                     hook_raised            its code raised
                     hook_wrong_answer      the answer is not what the hook gives
                     hook_answer_too_large  the answer is over the limit
                     breaker_open           it failed too often and is left alone for a while
                     app_broken             its code can't be loaded
                     app_upgrading          `upgraded` has not finished; other hooks wait
                     app_offline            it dials in, and is not there at the moment
                     app_not_connected      its service did not take its credentials yet
                     host_without_address   the host does not know where apps find it
                     host_error             ctx failed inside the host; it is not the app's fault

What an app's code raised never comes through: only its kind and its first words, in `why`. They may hold
what the app was given, so they are for admins: neither message nor facts repeat them.
"""

from __future__ import annotations

from typing import Literal, get_args

from assigntask.errors import HostError

CallCode = Literal[
    "hook_timeout",
    "hook_blocked",
    "hook_held_up",
    "hook_raised",
    "hook_wrong_answer",
    "hook_answer_too_large",
    "breaker_open",
    "app_broken",
    "app_upgrading",
    "app_offline",
    "app_not_connected",
    "host_without_address",
    "host_error",
]
CALL_CODES: tuple[str, ...] = get_args(CallCode)
INNOCENT: frozenset[str] = frozenset(
    {
        "hook_held_up",
        "breaker_open",
        "app_broken",
        "app_upgrading",
        "app_offline",
        "app_not_connected",
        "host_without_address",
        "host_error",
    }
)
"""Codes that say nothing new about the app's code, so they don't count for its breaker."""

WHY_LENGTH = 200


class CallFailed(HostError):
    """`hook` is None where the app as a whole can't be called; `why` has at most 200 characters."""

    def __init__(self, code: CallCode, app_id: str, hook: str | None, message: str, *, why: str = "") -> None:
        super().__init__(code, message, app=app_id, hook=hook)
        self.why = why[:WHY_LENGTH] or message


def describe(error: BaseException) -> str:
    """Kind and first words of an exception: no traceback, no values of variables."""
    try:
        words = " ".join(str(error).split())
    except BaseException:  # it is the app's code that says what its exceptions are called
        words = ""
    name = type(error).__name__
    return (f"{name}: {words}" if words else name)[:WHY_LENGTH]
