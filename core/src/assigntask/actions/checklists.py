"""Changing the checklists of a task: a change of the task, about which the guards are asked as about any other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy.engine import Connection

from assigntask.db.database import Database
from assigntask.db.ids import new_id
from assigntask.people.facts import Doer
from assigntask.people.text import checked
from assigntask.tasks import checklists, keys, projects
from assigntask.tasks.facts import TaskFacts
from assigntask.tasks.projects import Choices
from assigntask_sdk.errors import Invalid, NotFound
from assigntask_sdk.records import Checklist, ChecklistItem

from .guarding import Question, asked, source_of
from .hooks import SavingHooks
from .tasks import ATTEMPTS, Clock, key_owner, overtaken, own_app, reached_task, store_edit

NAME_LIMIT = 200
ITEM_LIMIT = 1000
MOST_LISTS = 50
MOST_ITEMS = 500

Lists = tuple[Checklist, ...]
Find = Callable[[Connection, str, str], str | None]
"""The task that something is on: given the organisation and the id of it."""


class _Place(NamedTuple):
    """What is changed: a task, checklist or item, by its id, and how its task is found."""

    what: str
    id: str
    find: Find


class _Making(NamedTuple):
    """What a change makes, and the key under which it is made once."""

    operation: str
    key: str
    id: str


@dataclass(frozen=True, slots=True)
class _Basis:
    """`made`: the id of what this key made before; then nothing is to be done."""

    before: TaskFacts
    choices: Choices
    own_app: str | None
    made: str | None


class ChecklistActions:
    """The same rights as for editing the task. Each method raises, beside what it says,

    NotAllowed, NotFound, Invalid, Vetoed, Gone, and Conflict where others were faster three times.
    """

    def __init__(self, db: Database, hooks: SavingHooks, clock: Clock) -> None:
        self._db = db
        self._hooks = hooks
        self._clock = clock

    def on(self, db: Database) -> ChecklistActions:
        """The same, on another view of the database."""
        return ChecklistActions(db, self._hooks, self._clock)

    async def add(self, doer: Doer, task_id: str, name: str, items: Sequence[str] = (), *, key: str) -> str:
        """The id of the new checklist, which comes behind the others; with the same `key` again it is the same."""
        made = Checklist(new_id(), checked("name", name, limit=NAME_LIMIT), _items(items))

        def draft(lists: Lists) -> Lists:
            if len(lists) >= MOST_LISTS:
                raise Invalid({"task": f"has {len(lists)} checklists already; at most {MOST_LISTS} can be added"})
            return (*lists, made)

        place = _Place("task", task_id, _itself)
        return await self._make(doer, place, draft, _Making("checklists.add", key, made.id))

    async def add_item(self, doer: Doer, checklist_id: str, text: str, *, key: str) -> str:
        """The id of the new item, which comes behind the others; with the same `key` again it is the same."""
        made = ChecklistItem(new_id(), checked("text", text, limit=ITEM_LIMIT), done=False)

        def add(checklist: Checklist) -> Checklist:
            if len(checklist.items) >= MOST_ITEMS:
                raise Invalid({"checklist": f"has {len(checklist.items)} items; at most {MOST_ITEMS} can be added"})
            return replace(checklist, items=(*checklist.items, made))

        def draft(lists: Lists) -> Lists:
            return tuple(add(each) if each.id == checklist_id else each for each in lists)

        place = _Place("checklist", checklist_id, checklists.task_of)
        return await self._make(doer, place, draft, _Making("checklists.add_item", key, made.id))

    async def set_done(self, doer: Doer, item_id: str, done: bool) -> None:
        """Where it is so already, nothing happens and nobody is asked."""
        if not isinstance(done, bool):
            raise Invalid({"done": "must be true or false"})

        def set_item(item: ChecklistItem) -> ChecklistItem:
            return replace(item, done=done) if item.id == item_id else item

        def draft(lists: Lists) -> Lists:
            return tuple(replace(each, items=tuple(map(set_item, each.items))) for each in lists)

        await self._change(doer, _Place("checklist item", item_id, checklists.task_of_item), draft, None)

    async def _make(self, doer: Doer, place: _Place, draft: Callable[[Lists], Lists], making: _Making) -> str:
        return await self._change(doer, place, draft, making) or making.id

    async def _change(
        self, doer: Doer, place: _Place, draft: Callable[[Lists], Lists], making: _Making | None
    ) -> str | None:
        """The id of what the key made before; None where the change was made now, or there was nothing to change."""
        for _ in range(ATTEMPTS):
            now = self._clock()
            basis = await self._db.read(_basis, doer, place, making)
            if basis.made is not None:
                return basis.made
            lists = draft(basis.before.checklists)
            if lists == basis.before.checklists:
                return None
            after = replace(basis.before, checklists=lists, updated=now)
            question = Question(doer, basis.before, after, basis.choices, source_of(doer), now, basis.own_app)
            settled = await asked(self._db, self._hooks, question)
            if await self._db.write(_store, doer, basis.before, settled, making):
                return None
        raise overtaken()


def _itself(_conn: Connection, _organisation_id: str, task_id: str) -> str:
    return task_id


def _items(texts: Sequence[str]) -> tuple[ChecklistItem, ...]:
    if isinstance(texts, str) or not isinstance(texts, Sequence):
        raise Invalid({"items": "give a list of texts"})
    if len(texts) > MOST_ITEMS:
        raise Invalid({"items": f"at most {MOST_ITEMS} can be added, these are {len(texts)}"})
    return tuple(ChecklistItem(new_id(), checked("items", text, limit=ITEM_LIMIT), done=False) for text in texts)


def _basis(conn: Connection, doer: Doer, place: _Place, making: _Making | None) -> _Basis:
    organisation_id = doer.organisation_id
    task_id = place.find(conn, organisation_id, place.id)
    if task_id is None:
        raise NotFound(f"There is no such {place.what}.")
    before = reached_task(conn, doer, task_id)
    made = None
    if making is not None:
        made = keys.made(conn, organisation_id, key_owner(doer), making.operation, making.key)
    return _Basis(before, projects.choices(conn, organisation_id, before.project), own_app(conn, doer), made)


def _store(conn: Connection, doer: Doer, before: TaskFacts, after: TaskFacts, making: _Making | None) -> bool:
    """False where others were faster. Raises Conflict, so that nothing of the unit stays, where the key was taken."""
    stored = store_edit(conn, doer, before, after)
    if stored is None:
        return False
    if making is not None:
        owner, now = key_owner(doer), after.updated
        if keys.take(conn, doer.organisation_id, owner, making.operation, making.key, making.id, now) != making.id:
            raise overtaken()
    return True
