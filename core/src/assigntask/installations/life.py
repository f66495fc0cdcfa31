"""Which states an installation can be in, and which act leads from one to the next."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

from assigntask.errors import HostError

State = Literal["requested", "declined", "active", "disabled", "uninstalled", "wiped"]
Act = Literal["request", "install", "decline", "disable", "enable", "upgrade", "uninstall", "restore", "wipe"]

STATES: tuple[State, ...] = get_args(State)
LIVE: tuple[State, ...] = ("requested", "active", "disabled")  # at most one of an app in these
UNINSTALLED: tuple[State, ...] = ("uninstalled",)
ACTS: tuple[Act, ...] = get_args(Act)

# None is the state of an app of which the organisation has no installation.
TABLE: Mapping[tuple[State | None, Act], State] = MappingProxyType(
    {
        (None, "request"): "requested",
        (None, "install"): "active",
        ("requested", "install"): "active",
        ("requested", "decline"): "declined",
        ("active", "disable"): "disabled",
        ("disabled", "enable"): "active",
        ("active", "upgrade"): "active",
        ("disabled", "upgrade"): "disabled",
        ("active", "uninstall"): "uninstalled",
        ("disabled", "uninstall"): "uninstalled",
        ("uninstalled", "restore"): "disabled",
        ("uninstalled", "wipe"): "wiped",
    }
)

_NOW: Mapping[State | None, str] = {
    None: "not installed",
    "requested": "requested and not decided",
    "declined": "declined",
    "active": "active",
    "disabled": "disabled",
    "uninstalled": "uninstalled",
    "wiped": "wiped",
}


def possible(state: State | None) -> tuple[Act, ...]:
    """The acts that the table has for this state, in the order of `ACTS`."""
    return tuple(act for act in ACTS if (state, act) in TABLE)


def next_state(state: State | None, act: Act) -> State:
    """Raises HostError `installation_state`, which says what can be done instead."""
    after = TABLE.get((state, act))
    if after is None:
        acts = possible(state)
        instead = f"What can be done now: {', '.join(acts)}." if acts else "Nothing follows; install the app afresh."
        raise HostError(
            "installation_state",
            f"An app that is {_NOW[state]} can't take the step {act!r}. {instead}",
            state=state,
            act=act,
            possible=list(acts),
        )
    return after
