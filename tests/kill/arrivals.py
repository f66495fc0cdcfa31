"""What arrived, beside what was committed: each notice at least once, in order, nothing of what was undone. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """Of table `delivery`, as far as it is looked at."""

    id: str
    installation_id: str
    position: int
    state: str
    attempts: int = 1


def judged(
    deliveries: Sequence[Any], apps: Mapping[str, str], lines: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """`apps`: installation → app. `lines`: the witness's, in the order in which it all happened."""
    complaints: list[dict[str, Any]] = []
    known = {row.id: row for row in deliveries}
    last: dict[str, int] = {}
    told: set[str] = set()
    undone = {line["summary"] for line in lines if line["is"] == "undone"}
    for line in lines:
        if line["is"] == "wrong":
            complaints.append({"code": "signature", "why": line["code"]})
        if line["is"] != "arrived":
            continue
        row = known.get(line["delivery"])
        if row is None or apps[row.installation_id] != line["app"]:
            complaints.append({"code": "unknown_delivery", "delivery": line["delivery"]})
            continue
        if line["webhook"] != line["delivery"]:
            complaints.append({"code": "another_id", "delivery": row.id, "webhook": line["webhook"]})
        if line["summary"] in undone:
            complaints.append({"code": "rolled_back_told", "delivery": row.id})
        if row.id not in told and row.position < last.get(line["app"], 0):
            complaints.append({"code": "out_of_order", "delivery": row.id})
        last[line["app"]] = max(last.get(line["app"], 0), row.position)
        told.add(row.id)
    for row in deliveries:
        if row.state != "delivered":
            complaints.append({"code": "not_delivered", "delivery": row.id, "state": row.state})
        elif row.id not in told:
            complaints.append({"code": "never_arrived", "delivery": row.id})
    saved = {line["summary"] for line in lines if line["is"] == "saved"}
    events = Counter(row.installation_id for row in deliveries)
    complaints += [
        {"code": "events_lost", "app": app, "saved": len(saved), "told": events[installation]}
        for installation, app in apps.items()
        if events[installation] < len(saved)
    ]
    return complaints


# --- whether it can find anything ---------------------------------------------------------------------------------

_APPS = {"one": "crane", "two": "ferry"}
_ROWS = [Row(f"{inst}-{n}", inst, n, "delivered") for inst in _APPS for n in (1, 2, 3)]


def _arrived(row: Row, **other: Any) -> Line:
    said = {"app": _APPS[row.installation_id], "webhook": row.id, "delivery": row.id, "summary": f"s{row.position}"}
    return {"is": "arrived", **said, **other}


def _sound() -> tuple[list[Row], list[Line]]:
    saved = [{"is": "saved", "summary": f"s{n}"} for n in (1, 2, 3)]
    again = _arrived(_ROWS[1])  # a second time, with the same id: that is how it is meant
    return list(_ROWS), [*saved, {"is": "undone", "summary": "u1"}, *(_arrived(row) for row in _ROWS), again]


def doubts() -> Iterator[dict[str, Any]]:
    """Sound evidence, then each damage, with the codes of what was said of it."""
    rows, lines = _sound()
    came = [line for line in lines if line["is"] == "arrived"]
    yield _doubt("none of the fleet's", "", rows, lines)
    for name, code, change in _DAMAGES:
        yield _doubt(name, code, *change(list(rows), list(lines), came))


def _doubt(name: str, code: str, rows: Sequence[Row], lines: Sequence[Line]) -> dict[str, Any]:
    codes = sorted({each["code"] for each in judged(rows, _APPS, lines)})
    return {"damage": name, "due": code, "codes": codes or [""]}


_Change = Callable[[list[Row], list[Line], list[Line]], tuple[list[Row], list[Line]]]
_DAMAGES: Sequence[tuple[str, str, _Change]] = (
    ("a notice never came", "never_arrived", lambda rows, lines, came: (rows, [x for x in lines if x is not came[2]])),
    ("two came in another order", "out_of_order", lambda rows, lines, came: (rows, [came[1], *lines])),
    (
        "a repeat has another webhook-id",
        "another_id",
        lambda rows, lines, came: (rows, [*lines, {**came[0], "webhook": "other"}]),
    ),
    (
        "a notice that nobody queued",
        "unknown_delivery",
        lambda rows, lines, came: (rows, [*lines, {**came[0], "delivery": "other"}]),
    ),
    (
        "what was undone was told",
        "rolled_back_told",
        lambda rows, lines, came: (rows, [*lines, {**came[0], "summary": "u1"}]),
    ),
    ("a notice still waits", "not_delivered", lambda rows, lines, came: ([*rows[1:], _waits(rows[0])], lines)),
    (
        "a change queued nothing",
        "events_lost",
        lambda rows, lines, came: (rows[1:], [x for x in lines if x is not came[0]]),
    ),
    (
        "a signature that did not fit",
        "signature",
        lambda rows, lines, came: (rows, [*lines, {"is": "wrong", "code": "x"}]),
    ),
)


def _waits(row: Row) -> Row:
    return replace(row, state="waiting")
