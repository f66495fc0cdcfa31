"""Asks the guards about a change, one after the other; never inside a transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from assigntask.db.database import Database
from assigntask.people import people
from assigntask.people.facts import Doer
from assigntask.tasks import drafts
from assigntask.tasks.drafts import TaskChanges
from assigntask.tasks.facts import TaskFacts
from assigntask.tasks.projects import Choices
from assigntask_sdk.errors import Invalid, Vetoed
from assigntask_sdk.hooks import Veto

from .hooks import Guard, GuardUnanswered, SavingHooks, Source


@dataclass(frozen=True, slots=True)
class Question:
    """A change as it was proposed. `own_app` made it, and is not asked about it."""

    doer: Doer
    before: TaskFacts | None
    after: TaskFacts
    choices: Choices
    source: Source
    now: datetime
    own_app: str | None = None


def source_of(doer: Doer) -> Source:
    return "person" if doer.installation_id is None else "app"


async def asked(db: Database, hooks: SavingHooks, question: Question) -> TaskFacts:
    """The task as it is to be saved, after all guards of the organisation; nobody is asked about an import.

    Raises Vetoed.
    """
    organisation_id = question.doer.organisation_id
    guards: Sequence[Guard] = ()
    if question.source != "import":
        guards = await hooks.guards(organisation_id)

    async def active(ids: Collection[str]) -> Collection[str]:
        return await db.read(people.active, organisation_id, ids) if ids else ()

    return await settle(question, guards, active)


async def settle(
    question: Question, guards: Sequence[Guard], active: Callable[[Collection[str]], Awaitable[Collection[str]]]
) -> TaskFacts:
    """The task as it is to be saved: each guard sees what those before it amended.

    `active` tells which of the given person ids may be assigned. Raises Vetoed; also where a guard that must be
    heard did not answer. One that need not be is named in `unchecked_by`.
    """
    after = question.after
    unchecked: list[str] = []
    for guard in guards:
        if guard.app_id == question.own_app:
            continue
        changed = drafts.changed(question.before, after)
        if question.before is not None and not changed:
            break  # amended back to what it was: there is nothing left to ask about
        try:
            answer = await guard.ask(question.doer, after, question.before, changed, question.source)
            if isinstance(answer, Veto):
                raise Vetoed(guard.app_id, answer.reason, answer.field, name=guard.app_name)
            if answer is not None:
                after = await _amended(after, answer, question, active)
        except GuardUnanswered as unanswered:
            if guard.on_failure == "refuse":
                raise Vetoed(
                    guard.app_id,
                    "it did not answer, and nothing may be saved without its answer. Try again.",
                    name=guard.app_name,
                ) from unanswered
            unchecked.append(guard.app_id)
    return replace(after, unchecked_by=tuple(unchecked))


async def _amended(
    after: TaskFacts,
    changes: TaskChanges,
    question: Question,
    active: Callable[[Collection[str]], Awaitable[Collection[str]]],
) -> TaskFacts:
    assignable = await active(changes.get("assignees") or ())
    try:
        return drafts.apply(after, changes, question.choices, assignable, question.now)
    except Invalid as invalid:
        raise GuardUnanswered("It amended the task in a way that is not possible.") from invalid
