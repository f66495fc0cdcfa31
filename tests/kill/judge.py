"""Whether what the witness saw and what the database holds fit together. Pure: evidence in, complaints out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from assigntask.events.deliveries import FAREWELLS
from assigntask.installations.life import LIVE, TABLE, Act, State

from .evidence import Evidence
from .witness import Witness

EVENTS: Mapping[str, str] = {
    "install": "installation.installed",
    "disable": "installation.disabled",
    "enable": "installation.enabled",
    "uninstall": "installation.uninstalled",
    "restore": "installation.restored",
    "wipe": "installation.wiped",
}
"""What each act raises, beside its entry in the ledger."""
CHANGES = ("task.created", "task.changed")


@dataclass(frozen=True, slots=True)
class Complaint:
    code: str
    words: str


def judge(evidence: Evidence, witness: Witness, *, drained: bool) -> list[Complaint]:
    """`drained`: everything that waits was delivered and everything sealed, so that nothing may be left over."""
    return [
        *_unrecorded(evidence, witness),
        *_half_installed(evidence),
        *_answered_and_lost(evidence, witness),
        *_history(evidence),
        *_deliveries(evidence, witness, drained=drained),
        *_unheard(evidence, witness),
        *_ledger(evidence, drained=drained),
    ]


# 1: nothing reached the app that the ledger lacks


def _unrecorded(evidence: Evidence, witness: Witness) -> Iterator[Complaint]:
    recorded: dict[tuple[str, str, str, int], set[str]] = {}
    for entry in evidence.entries:
        if entry.kind == "release":
            for kind, name, version in entry.leaf["records"]:
                place = (entry.leaf["installation"], kind, name, version)
                recorded.setdefault(place, set()).update(entry.leaf["details"])
    for line in witness.of("received"):
        installation = line["installation"]
        for kind, known_as, version, details in line["records"]:
            name = evidence.named.get((installation, known_as)) if kind == "person" else known_as
            if name is None:
                yield Complaint("stranger", f"{line['hook']}: {known_as} is nobody that {installation} may know")
                continue
            missing = set(details) - recorded.get((installation, kind, name, version), set())
            if missing:
                what = f"{', '.join(sorted(missing))} of {kind} {known_as} at {version}"
                yield Complaint("unrecorded", f"{line['hook']}: {installation} was given {what}")


# 2: an installation is wholly in one state


def _half_installed(evidence: Evidence) -> Iterator[Complaint]:
    live = [one for one in evidence.installations.values() if one["state"] in LIVE]
    if len(live) > 1:
        yield Complaint("half_installed", "there are two live installations")
    for installation_id in {*evidence.subscriptions, *evidence.projects} - evidence.installations.keys():
        yield Complaint("half_installed", f"rows of {installation_id}, which is not there")
    acts: dict[str, list[str]] = {}
    for entry in evidence.entries:
        if entry.installation_id is not None and entry.kind in EVENTS:
            acts.setdefault(entry.installation_id, []).append(entry.kind)
    for installation_id in acts.keys() - evidence.installations.keys():
        yield Complaint("half_installed", f"the ledger has acts of {installation_id}, which is not there")
    for installation_id in evidence.installations:
        for words in _halves(evidence, installation_id, acts.get(installation_id, [])):
            yield Complaint("half_installed", f"{installation_id}: {words}")


def _halves(evidence: Evidence, installation_id: str, acts: Sequence[str]) -> Iterator[str]:
    row = evidence.installations[installation_id]
    state: State | None = None
    for act in acts:
        state = TABLE.get((state, _act(act)))
    if state != row["state"]:
        yield f"the ledger's acts lead to {state}, and it is {row['state']}"
    listens = evidence.opened(installation_id) if row["state"] == "active" else {}
    if evidence.subscriptions.get(installation_id, {}) != listens:
        yield f"it is {row['state']}, and its subscriptions are another state's"
    reach = evidence.projects.get(installation_id, frozenset())
    if row["state"] != "wiped" and bool(reach) == row["all_projects"]:
        yield "its projects are not those of its reach"
    gone = row["state"] in ("uninstalled", "wiped")
    if (row["wipe_at"] is not None, row["uninstalled_at"] is not None) != (gone, gone):
        yield f"it is {row['state']}, and its times of leaving say otherwise"
    raised = Counter(event["kind"] for event in evidence.events.values() if event["record_id"] == installation_id)
    wanted = Counter(EVENTS[act] for act in acts)
    if {kind: count for kind, count in raised.items() if kind in wanted.keys() | EVENTS.values()} != wanted:
        yield f"its acts are {dict(wanted)}, and its events {dict(raised)}"
    told = Counter(one["hook"] for one in evidence.deliveries if one["installation_id"] == installation_id)
    first = Counter(act for act in acts if act in ("install", "uninstall"))
    agreed_again = raised["installation.contacts"]
    if (told["installed"], told["uninstalling"]) != (first["install"] + agreed_again, first["uninstall"]):
        yield f"it was installed and uninstalled {dict(first)}, and is told {dict(told)}"


def _act(kind: str) -> Act:
    return next(act for _, act in TABLE if act == kind)


# 3: what was answered is there


def _answered_and_lost(evidence: Evidence, witness: Witness) -> Iterator[Complaint]:
    for line in witness.of("saved"):
        version, summary = evidence.tasks.get(line["task"], (0, ""))
        if version < line["version"] or (version == line["version"] and summary != line["summary"]):
            yield Complaint("lost_save", f"{line['task']} was saved at {line['version']}, and is at {version}")
    for line in witness.of("commented"):
        if line["comment"] not in evidence.comments:
            yield Complaint("lost_save", f"comment {line['comment']} is not there")
    answered = Counter((line["installation"], line["act"]) for line in witness.of("acted"))
    stored = Counter((entry.installation_id, entry.kind) for entry in evidence.entries)
    for (installation_id, act), count in answered.items():
        if stored[installation_id, act] < count:
            yield Complaint("lost_act", f"{installation_id}: {act} was answered {count} times")


# 4: an event for each change that happened, and for none that did not


def _history(evidence: Evidence) -> Iterator[Complaint]:
    versions: dict[str, list[int]] = {task_id: [] for task_id in evidence.tasks}
    for event in evidence.events.values():
        if event["kind"] in CHANGES:
            versions.setdefault(event["record_id"], []).append(event["version"])
        elif event["kind"] == "comment.added" and event["record_id"] not in evidence.comments:
            yield Complaint("phantom_event", f"an event about {event['record_id']}, which is not there")
    for task_id, found in versions.items():
        now = evidence.tasks.get(task_id, (0, ""))[0]
        for version in set(range(1, now + 1)) - set(found):
            yield Complaint("event_missing", f"{task_id} was at {version}, and no event says so")
        if len(set(found)) < len(found) or any(version > now for version in found):
            yield Complaint("phantom_event", f"{task_id} is at {now}, and has events for {sorted(found)}")


# 5: deliveries: in order, at least once, none for what did not happen


def _deliveries(evidence: Evidence, witness: Witness, *, drained: bool) -> Iterator[Complaint]:
    by_id = {one["id"]: one for one in evidence.deliveries}
    seen: dict[str, dict[str, None]] = {}  # installation → its deliveries, as they were first received
    for line in witness.of("received"):
        delivery = line["delivery"]
        if delivery is None:
            continue
        if delivery not in by_id or by_id[delivery]["installation_id"] != line["installation"]:
            yield Complaint("phantom_delivery", f"{line['hook']} {delivery} was received, and is not there")
        else:
            seen.setdefault(line["installation"], {})[delivery] = None
    for installation_id, row in evidence.installations.items():
        mine = [one for one in evidence.deliveries if one["installation_id"] == installation_id]
        if [one["position"] for one in mine] != list(range(1, row["next_position"])):
            yield Complaint("line_broken", f"{installation_id}: the positions of its line are not 1, 2, 3 …")
        received = list(seen.get(installation_id, {}))
        places = [by_id[delivery]["position"] for delivery in received]
        if places != sorted(places):
            yield Complaint("out_of_order", f"{installation_id} was told in the order {places}")
        for one in mine:
            yield from _settled(evidence, row["state"], one, one["id"] in received, drained=drained)


def _settled(
    evidence: Evidence, state: str, delivery: sa.RowMapping, received: bool, *, drained: bool
) -> Iterator[Complaint]:
    words = f"{delivery['hook']} {delivery['id']} ({delivery['last_error']}) of an app that is {state}"
    if delivery["event_id"] not in evidence.events:
        yield Complaint("event_missing", f"{words}: its event is not there")
    if delivery["state"] == "dead":
        yield Complaint("given_up", words)
    if delivery["state"] == "delivered" and not received:
        yield Complaint("untold", words)
    if delivery["state"] == "waiting":
        leaving = state in ("uninstalled", "wiped")
        if leaving and delivery["hook"] not in FAREWELLS:
            yield Complaint("half_installed", f"{words} waits for ever")
        elif drained and state != "disabled":
            yield Complaint("undelivered", words)


def _unheard(evidence: Evidence, witness: Witness) -> Iterator[Complaint]:
    """A save that was begun and answered while an app was active and stayed so has a delivery for it."""
    told = {
        (event["record_id"], event["version"], one["installation_id"])
        for one in evidence.deliveries
        if one["hook"] == "task_changed" and (event := evidence.events.get(one["event_id"])) is not None
    }
    span = 0
    active: str | None = None
    begun: dict[str, int] = {}
    for line in witness.lines:
        if line["is"] in ("opened", "acting", "acted", "refused"):
            span += 1
            active = line["installation"] if line.get("state") == "active" else None
        elif line["is"] == "saving":
            begun[line["summary"]] = span
        elif line["is"] == "saved" and active is not None and begun.get(line["summary"]) == span:
            if (line["task"], line["version"], active) in told:
                continue
            yield Complaint("undelivered", f"{active} is not told of {line['task']} at {line['version']}")


# 6: the ledger


def _ledger(evidence: Evidence, *, drained: bool) -> Iterator[Complaint]:
    if evidence.fault is not None:
        yield Complaint("ledger", evidence.fault)
    waiting = sum(not entry.sealed for entry in evidence.entries)
    if drained and waiting:
        yield Complaint("ledger", f"{waiting} entries are not sealed")
