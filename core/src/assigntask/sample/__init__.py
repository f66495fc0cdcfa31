"""The sample organisation: a board in Trello's export format, and what such an export lacks about its people.

All names, addresses and companies in it are made up; every link leads to example.org.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib.resources import files

__all__ = ["SamplePeople", "SamplePerson", "load"]

_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z")


@dataclass(frozen=True, slots=True)
class SamplePerson:
    """`user_name` is the one on the board; `role` is "admin" or "member"."""

    user_name: str
    email: str
    job_title: str
    department: str
    role: str


@dataclass(frozen=True, slots=True)
class SamplePeople:
    """`task_type_of_card` gives one of `task_types` for every card, by the card's id on the board."""

    organisation: str
    departments: tuple[str, ...]
    people: tuple[SamplePerson, ...]
    task_types: tuple[str, ...]
    task_type_of_card: Mapping[str, str]


def load(today: date) -> tuple[bytes, SamplePeople]:
    """The board as Trello would export it (JSON in UTF-8), and its people.

    Every date is moved by the same number of days, so that the newest activity was on the day before `today` (UTC):
    some tasks are overdue, some due soon, and two months of work lie behind.
    """
    board = json.loads(_text("board.json"))
    newest = max(datetime.fromisoformat(action["date"]).date() for action in board["actions"])
    moved = _moved(board, today - timedelta(days=1) - newest)
    return json.dumps(moved, ensure_ascii=False).encode(), _people()


def _text(name: str) -> str:
    return files(__name__).joinpath(name).read_text("utf-8")


def _moved(value: object, by: timedelta) -> object:
    if isinstance(value, dict):
        return {key: _moved(entry, by) for key, entry in value.items()}
    if isinstance(value, list):
        return [_moved(entry, by) for entry in value]
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        moment = datetime.fromisoformat(value) + by
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


def _people() -> SamplePeople:
    found = json.loads(_text("people.json"))
    return SamplePeople(
        organisation=found["organisation"],
        departments=tuple(found["departments"]),
        people=tuple(SamplePerson(**person) for person in found["people"]),
        task_types=tuple(found["task_types"]),
        task_type_of_card=found["task_type_of_card"],
    )
