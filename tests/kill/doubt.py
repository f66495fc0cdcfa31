"""Whether the judge can find anything: sound evidence is damaged in one place, and it has to complain of that."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from . import victim, witness
from .place import Place
from .series import Say, furnish_in_child, in_child, judge_in_child
from .witness import Line

SECONDS = 1.0
ROUNDS = 60
ENOUGH = {"received": 60, "saved": 20, "acts": 12, "delivered": 12, "gone": 1, "standing": 1}
STEP = 9.5  # of the clock: long after everything that happened


@dataclass(frozen=True, slots=True)
class Damage:
    """`change` is made to the database, `where` it applies; `lines` makes other lines of the witness's.

    `code` is of the complaint that is due. `lines` is given the ids of what the host took for delivered, too.
    """

    name: str
    code: str
    change: str | None = None
    where: str = "true"
    lines: Callable[[list[Line], frozenset[str]], list[Line]] | None = None


def _without_a_receipt(lines: list[Line], delivered: frozenset[str]) -> list[Line]:
    lost = next(line["delivery"] for line in lines if line["is"] == "received" and line["delivery"] in delivered)
    return [line for line in lines if line["is"] != "received" or line["delivery"] != lost]


def _two_swapped(lines: list[Line], delivered: frozenset[str]) -> list[Line]:
    told = [n for n, line in enumerate(lines) if line["is"] == "received" and line["delivery"] in delivered]
    one, two = next(
        (a, b)
        for a, b in pairwise(told)
        if lines[a]["installation"] == lines[b]["installation"] and lines[a]["delivery"] != lines[b]["delivery"]
    )
    swapped = list(lines)
    swapped[one], swapped[two] = lines[two], lines[one]
    return swapped


def _with_a_record(change: Callable[[list[Any]], list[Any]]) -> Callable[[list[Line], frozenset[str]], list[Line]]:
    """The last receipt that held a task, once more, with that record changed."""

    def add(lines: list[Line], delivered: frozenset[str]) -> list[Line]:
        last = next(line for line in reversed(lines) if line.get("hook") == "task_badges" and line["records"])
        return [*lines, {**last, "records": [change(list(last["records"][0]))]}]

    return add


GIVEN = "kind = 'release' AND channel = 'question'"
CHANGED = "kind = 'task.changed'"
UNINSTALLED = "kind = 'uninstall'"
TOLD = "id = (SELECT min(id) FROM delivery WHERE hook = 'task_changed' AND state = 'delivered')"
GOODBYE = """id = (
    SELECT min(delivery.id) FROM delivery JOIN installation ON installation.id = installation_id
    WHERE hook = 'uninstalling' AND installation.state IN ('uninstalled', 'wiped')
)"""

DAMAGES = (
    Damage("an entry is gone", "unrecorded", "DELETE FROM ledger_entry", GIVEN),
    Damage(
        "an entry names one detail less",
        "unrecorded",
        """UPDATE ledger_entry SET leaf = replace(leaf, '"task.summary"', '"task.number"')""",
        GIVEN,
    ),
    Damage(
        "an entry is of another revision",
        "unrecorded",
        lines=_with_a_record(lambda record: [*record[:2], record[2] + 1000, record[3]]),
    ),
    Damage("an app has an id of nobody", "stranger", lines=_with_a_record(lambda _: ["person", "p_nobody", 1, []])),
    Damage("an entry was changed", "ledger", "UPDATE ledger_entry SET leaf = leaf || ' '", "leaf_index = 3"),
    Damage("an entry is not sealed", "ledger", "UPDATE ledger_entry SET leaf_index = NULL", "leaf_index = 3"),
    Damage("a delivery is gone", "undelivered", "DELETE FROM delivery", "hook = 'task_changed'"),
    Damage("a line has a gap", "line_broken", "DELETE FROM delivery", TOLD),
    Damage("a notice came from nowhere", "phantom_delivery", "DELETE FROM delivery", TOLD),
    Damage("a goodbye was not said", "undelivered", "UPDATE delivery SET state = 'waiting'", GOODBYE),
    Damage("a delivery was given up", "given_up", "UPDATE delivery SET state = 'dead'", TOLD),
    Damage("a delivery was never received", "untold", lines=_without_a_receipt),
    Damage("two were told in the wrong order", "out_of_order", lines=_two_swapped),
    Damage("an event is gone", "event_missing", "DELETE FROM event", CHANGED),
    Damage("an event is of no change", "phantom_event", "UPDATE event SET version = version + 1000", CHANGED),
    Damage("a save is gone", "lost_save", "DELETE FROM task"),
    Damage("a save is half gone", "lost_save", "UPDATE task SET version = version - 1"),
    Damage("a comment is gone", "lost_save", "DELETE FROM comment"),
    Damage("an act is gone", "lost_act", "DELETE FROM ledger_entry", UNINSTALLED),
    Damage("a state without its act", "half_installed", "DELETE FROM ledger_entry", UNINSTALLED),
    Damage("an act without its state", "half_installed", "UPDATE installation SET state = 'declined'"),
    Damage("an act without its event", "half_installed", "DELETE FROM event", "kind = 'installation.installed'"),
    Damage("an act without its notice", "half_installed", "DELETE FROM delivery", "hook = 'installed'"),
    Damage(
        "an app listens to what was not agreed",
        "half_installed",
        "INSERT INTO subscription SELECT organisation_id, 'report', ordinal, id, '[]' FROM installation",
    ),
    Damage(
        "a reach without projects",
        "half_installed",
        "UPDATE installation SET all_projects = 1 - all_projects",
        "state <> 'wiped'",
    ),
)


def _make_sound(place: Place) -> dict[str, Any]:
    """Lives, unhurt, until there is enough of everything; what the judge says of that."""
    furnish_in_child(place)
    found: dict[str, Any] = {}
    for number in range(ROUNDS):

        async def work(say: Say, number: int = number) -> None:
            await victim.live(place, 0, number, lambda: None, SECONDS)
            say("ended")

        in_child(work)
        found = judge_in_child(place, STEP, None)
        if found["complaints"] or all(found["counts"][name] >= least for name, least in ENOUGH.items()):
            return found
    raise RuntimeError(f"too little happened: {found}")


def _damaged(place: Place, damage: Damage, folder: Path) -> Place:
    """A copy with the damage. Raises RuntimeError where there was nothing to damage."""
    shutil.copytree(place.folder, folder, ignore=shutil.ignore_patterns("*-shm", "*-wal"))
    copy = Place(f"sqlite:///{folder / 'host.db'}", folder)
    with (
        closing(sqlite3.connect(place.folder / "host.db")) as sound,
        closing(sqlite3.connect(folder / "host.db")) as conn,
    ):
        sound.backup(conn)
        if damage.change is not None and conn.execute(f"{damage.change} WHERE {damage.where}").rowcount < 1:
            raise RuntimeError(f"{damage.name}: nothing was damaged")
        conn.commit()
        delivered = frozenset(row[0] for row in conn.execute("SELECT id FROM delivery WHERE state = 'delivered'"))
    if damage.lines is not None:
        lines = damage.lines(list(witness.read(copy.witness).lines), delivered)
        copy.witness.write_text("\n".join(json.dumps(line) for line in lines), "utf-8")
    return copy


def doubts(folder: Path) -> Iterator[dict[str, Any]]:
    """First the sound evidence, then each damage, with the codes of what the judge said."""
    place = Place(f"sqlite:///{folder / 'sound' / 'host.db'}", folder / "sound")
    sound = _make_sound(place)
    yield {"damage": None, "due": None, **sound}
    for number, damage in enumerate(DAMAGES):
        copy = _damaged(place, damage, folder / f"damaged-{number}")
        said = judge_in_child(copy, STEP, None, settle=False)
        codes = sorted({each["code"] for each in said["complaints"]})
        yield {"damage": damage.name, "due": damage.code, "codes": codes}
