"""Creating and changing tasks, and what hangs on them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import tables as t
from assigntask.db.database import Database
from assigntask.db.ids import new_id
from assigntask.events.events import Event, record
from assigntask.people import doers, people
from assigntask.people.facts import Doer
from assigntask.people.text import checked
from assigntask.tasks import attachments, comments, drafts, keys, mentions, projects, tasks
from assigntask.tasks.drafts import TaskChanges
from assigntask.tasks.facts import AttachmentFacts, CommentFacts, TaskFacts
from assigntask.tasks.projects import Choices
from assigntask_sdk.errors import Conflict, Gone, NotFound

from .guarding import Question, asked, source_of
from .hooks import SavingHooks, Source

Clock = Callable[[], dt.datetime]

_R = TypeVar("_R", CommentFacts, AttachmentFacts)

ATTEMPTS = 3
COMMENT_LIMIT = 50_000


@dataclass(frozen=True, slots=True)
class _Basis:
    """What a change starts from, as it was read. `before` is None for a new task."""

    before: TaskFacts | None
    choices: Choices
    people: frozenset[str]
    changes: TaskChanges
    own_app: str | None


class TaskActions:
    """Everybody who is active here may work on every task; an app only within its reach and while it is active.

    Which scopes an app needs is decided before it gets here.
    """

    def __init__(self, db: Database, hooks: SavingHooks, clock: Clock) -> None:
        self._db = db
        self._hooks = hooks
        self._clock = clock

    def on(self, db: Database) -> TaskActions:
        """The same, on another view of the database."""
        return TaskActions(db, self._hooks, self._clock)

    async def create(
        self,
        doer: Doer,
        *,
        project: str,
        summary: str,
        changes: TaskChanges | None = None,
        source: Source | None = None,
        key: str | None = None,
    ) -> TaskFacts:
        """With the same `key` again it is the same task, and nothing changes.

        Raises NotAllowed, NotFound (no such project, or out of reach), Invalid, Vetoed, Gone, Conflict.
        """
        owner = key_owner(doer)
        if key is not None and (task := await self._db.read(_made_task, doer, owner, key)) is not None:
            return task
        now = self._clock()
        wanted: TaskChanges = {**(changes or {}), "summary": summary}
        basis = await self._db.read(_new_basis, doer, project, wanted)
        draft = drafts.blank(id=new_id(), project=project, creator=doer.person_id, choices=basis.choices, now=now)
        after = drafts.apply(draft, basis.changes, basis.choices, basis.people, now)
        settled = await self._settle(doer, basis, after, source, now)
        return await self._db.write(_store_new, doer, settled, owner, key)

    async def edit(
        self,
        doer: Doer,
        task_id: str,
        changes: TaskChanges,
        *,
        if_version: int | None = None,
        source: Source | None = None,
    ) -> TaskFacts:
        """The task as it is then; where nothing would change, nothing happens and nobody is asked.

        Raises NotAllowed, NotFound, Invalid, Vetoed, Gone; Conflict where the task is not at `if_version`, or others
        were faster three times.
        """
        for _ in range(ATTEMPTS):
            now = self._clock()
            basis = await self._db.read(_basis, doer, task_id, changes)
            before = basis.before
            if before is None:
                raise NotFound("There is no such task.")
            if if_version is not None and before.version != if_version:
                raise Conflict(f"The task has changed: it is at version {before.version} now. Read it again.")
            after = drafts.apply(before, basis.changes, basis.choices, basis.people, now)
            if after is before:
                return before
            settled = await self._settle(doer, basis, after, source, now)
            if not drafts.changed(before, settled):
                return before
            stored = await self._db.write(store_edit, doer, before, settled)
            if stored is not None:
                return stored
        raise overtaken()

    async def archive(self, doer: Doer, task_id: str, *, source: Source | None = None) -> TaskFacts:
        return await self.edit(doer, task_id, {"archived": True}, source=source)

    async def comment(self, doer: Doer, task_id: str, text: str, *, key: str | None = None) -> CommentFacts:
        """`@user_name` mentions somebody. With the same `key` again it is the same comment.

        Raises NotAllowed, NotFound, Invalid, Gone.
        """
        text = checked("text", text, limit=COMMENT_LIMIT)
        return await self._db.write(_store_comment, doer, task_id, text, key, self._clock())

    async def attach(self, doer: Doer, task_id: str, name: str, url: str, *, key: str | None = None) -> AttachmentFacts:
        """A link, http or https; without a `name` it is called by its address. With the same `key` it is the same.

        Raises NotAllowed, NotFound, Invalid, Gone.
        """
        url = attachments.checked_url(url)
        name = checked("name", name, limit=500, empty=True) or url[:500]
        return await self._db.write(_store_attachment, doer, task_id, name, url, key, self._clock())

    async def detach(self, doer: Doer, attachment_id: str) -> None:
        """Raises NotAllowed, NotFound, Gone."""
        await self._db.write(_remove_attachment, doer, attachment_id, self._clock())

    async def _settle(
        self, doer: Doer, basis: _Basis, after: TaskFacts, source: Source | None, now: dt.datetime
    ) -> TaskFacts:
        question = Question(doer, basis.before, after, basis.choices, source or source_of(doer), now, basis.own_app)
        return await asked(self._db, self._hooks, question)


def overtaken() -> Conflict:
    return Conflict("Others keep changing this task at the same time. Read it again, then repeat your change.")


def key_owner(doer: Doer) -> str:
    """Whose a key is: two apps, or two people, may use the same one."""
    return doer.installation_id or doer.person_id or "operator"


def _admit(conn: Connection, doer: Doer) -> frozenset[str] | None:
    """The projects within reach; None: all. Raises NotAllowed, Gone."""
    doers.require_member(doers.current(conn, doer), "change tasks")
    return None if doer.installation_id is None else projects.reach(conn, doer.organisation_id, doer.installation_id)


def reached_task(conn: Connection, doer: Doer, task_id: str) -> TaskFacts:
    """Raises NotAllowed, Gone, NotFound: what is out of reach is not there."""
    reach = _admit(conn, doer)
    task = tasks.get(conn, doer.organisation_id, task_id)
    if task is None or (reach is not None and task.project not in reach):
        raise NotFound("There is no such task.")
    return task


def own_app(conn: Connection, doer: Doer) -> str | None:
    if doer.installation_id is None:
        return None
    query = sa.select(t.installation.c.app_id).where(
        t.installation.c.organisation_id == doer.organisation_id, t.installation.c.id == doer.installation_id
    )
    return str(conn.execute(query).scalar_one())


def _basis_of(conn: Connection, doer: Doer, project: str, before: TaskFacts | None, changes: TaskChanges) -> _Basis:
    organisation_id = doer.organisation_id
    changes = {**changes}
    description = changes.get("description")
    if isinstance(description, str):
        changes["description"] = _with_mentions(conn, doer, description)
    return _Basis(
        before,
        projects.choices(conn, organisation_id, project),
        people.active(conn, organisation_id, changes.get("assignees") or ()),
        changes,
        own_app(conn, doer),
    )


def _new_basis(conn: Connection, doer: Doer, project: str, changes: TaskChanges) -> _Basis:
    reach = _admit(conn, doer)
    if reach is not None and project not in reach:
        raise NotFound("There is no such project.")
    return _basis_of(conn, doer, project, None, changes)


def _basis(conn: Connection, doer: Doer, task_id: str, changes: TaskChanges) -> _Basis:
    before = reached_task(conn, doer, task_id)
    return _basis_of(conn, doer, before.project, before, changes)


def _with_mentions(conn: Connection, doer: Doer, text: str) -> str:
    """An app mentions people by the ids that it was given; user names would let it find out who there is."""
    if "@" not in text or doer.installation_id is not None:
        return text
    named = people.by_user_names(conn, doer.organisation_id, mentions.candidates(text))
    return mentions.to_references(text, named)


def _made_task(conn: Connection, doer: Doer, owner: str, key: str) -> TaskFacts | None:
    made = keys.made(conn, doer.organisation_id, owner, "tasks.create", key)
    return None if made is None else reached_task(conn, doer, made)


def _still_active(conn: Connection, organisation_id: str, before: TaskFacts | None, after: TaskFacts) -> bool:
    """Whether those newly assigned may still be; they stay so until the unit ends."""
    new = set(after.assignees) - set(before.assignees if before else ())
    return people.active(conn, organisation_id, new, hold=True) == new


def _store_new(conn: Connection, doer: Doer, task: TaskFacts, owner: str, key: str | None) -> TaskFacts:
    """The stored task, or the earlier one of this key."""
    organisation_id = doer.organisation_id
    _admit(conn, doer)
    if key is not None:
        made = keys.take(conn, organisation_id, owner, "tasks.create", key, task.id, task.created)
        if made != task.id:
            return reached_task(conn, doer, made)
    number = tasks.allocate_numbers(conn, organisation_id)
    stored = replace(task, version=1, number=number, position=number * projects.STEP)
    if not _still_active(conn, organisation_id, None, stored):
        raise Conflict("Somebody who was to be assigned has just left. Choose somebody else.")
    tasks.insert(conn, organisation_id, [stored])
    _tell(conn, doer, "task.created", None, stored)
    return stored


def store_edit(conn: Connection, doer: Doer, before: TaskFacts, after: TaskFacts) -> TaskFacts | None:
    _admit(conn, doer)
    if not _still_active(conn, doer.organisation_id, before, after):
        return None
    stored = tasks.update(conn, doer.organisation_id, before, after)
    if stored is not None:
        _tell(conn, doer, "task.changed", before, stored)
    return stored


def _tell(conn: Connection, doer: Doer, kind: str, before: TaskFacts | None, task: TaskFacts) -> None:
    changed = drafts.derived(drafts.changed(before, task))
    event = Event(
        kind=kind,
        record_kind="task",
        record_id=task.id,
        at=task.updated,
        version=task.version,
        changed=changed if before is not None or task.creator is None else (*changed, "creator"),
        facts={"project": task.project},
        by_person_id=doer.person_id,
        origin=doer.installation_id,
    )
    record(conn, doer.organisation_id, event, hook="task_changed")


def _store_comment(
    conn: Connection, doer: Doer, task_id: str, text: str, key: str | None, now: dt.datetime
) -> CommentFacts:
    organisation_id = doer.organisation_id
    task = reached_task(conn, doer, task_id)
    comment = CommentFacts(
        id=new_id(),
        version=1,
        task=task.id,
        project=task.project,
        text=_with_mentions(conn, doer, text),
        created=now,
        edited=None,
        author=doer.person_id,
    )
    if key is not None:
        made = keys.take(conn, organisation_id, key_owner(doer), "tasks.comment", key, comment.id, now)
        if made != comment.id:
            return still_there(comments.load(conn, organisation_id, [made]).get(made))
    comments.insert(conn, organisation_id, [comment])
    tell_about(conn, doer, "comment.added", comment, now)
    return comment


def _store_attachment(
    conn: Connection, doer: Doer, task_id: str, name: str, url: str, key: str | None, now: dt.datetime
) -> AttachmentFacts:
    organisation_id = doer.organisation_id
    task = reached_task(conn, doer, task_id)
    attachment = AttachmentFacts(
        id=new_id(),
        version=1,
        task=task.id,
        project=task.project,
        name=name,
        url=url,
        created=now,
        author=doer.person_id,
    )
    if key is not None:
        made = keys.take(conn, organisation_id, key_owner(doer), "attachments.add", key, attachment.id, now)
        if made != attachment.id:
            return still_there(attachments.load(conn, organisation_id, [made]).get(made))
    attachments.insert(conn, organisation_id, [attachment])
    tell_about(conn, doer, "attachment.added", attachment, now)
    return attachment


def _remove_attachment(conn: Connection, doer: Doer, attachment_id: str, now: dt.datetime) -> None:
    attachment = attachments.load(conn, doer.organisation_id, [attachment_id]).get(attachment_id)
    if attachment is None:
        raise NotFound("There is no such attachment.")
    reached_task(conn, doer, attachment.task)
    if attachments.delete(conn, doer.organisation_id, attachment_id):
        tell_about(conn, doer, "attachment.removed", attachment, now)
    else:
        raise NotFound("There is no such attachment.")


def still_there(made: _R | None) -> _R:
    if made is None:
        raise Gone("This was made with the same key before, and removed since.")
    return made


def tell_about(
    conn: Connection,
    doer: Doer,
    kind: Literal["comment.added", "attachment.added", "attachment.removed"],
    about: CommentFacts | AttachmentFacts,
    now: dt.datetime,
) -> None:
    """Of what was removed only these facts are left: who had added it decides whom it is told."""
    event = Event(
        kind=kind,
        record_kind=about.kind,
        record_id=about.id,
        at=now,
        version=about.version,
        facts={"task": about.task, "project": about.project, "author": about.author},
        by_person_id=doer.person_id,
        origin=doer.installation_id,
    )
    record(conn, doer.organisation_id, event, hook=kind.replace(".", "_"))
