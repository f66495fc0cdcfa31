"""The one decision: is this detail, about this person, opened for this installation, and by which rule?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from assigntask_sdk.details import DETAILS, About, Detail, DetailClass


@dataclass(frozen=True, slots=True)
class Rule:
    """`shared`: whether the detail passes. `code` is stable; `words` say it to a person."""

    shared: bool
    code: str
    words: str

    def to_json(self) -> dict[str, object]:
        return {"shared": self.shared, "rule": self.code, "words": self.words}


@dataclass(frozen=True, slots=True)
class Situation:
    """What the decision depends on, for one app, one person and one detail; the actor is the installation."""

    app_name: str
    state: str | None  # of the installation; None: there is none
    granted: Collection[str]
    declined: Collection[str]
    hook_details: Collection[str]  # details that any of the accepted hooks names
    contact_details: Collection[str]  # what this person, as a contact, is told to give
    objected: bool = False
    disputed: bool = False
    restricted: bool = False
    forgotten: bool = False
    alone: bool = False  # somebody else installed the app for themselves alone
    rights: Collection[str] | None = None  # scopes that its actor's rights include; None: all


def decide(situation: Situation, detail: Detail) -> Rule:
    """The first rule that applies, strongest first.

    Rules about the person (`forgotten` to `contact`) apply to details that go with the person: a task's due
    date is shared whoever objects.
    """
    s, name = situation, situation.app_name
    if s.state is None:
        return Rule(False, "not_installed", f"{name} is not installed.")
    personal = _of_the_person(s) if goes_with_person(detail) else None
    if personal is not None and personal.code == "forgotten":
        return personal
    if s.state != "active":
        return Rule(False, "not_active", f"{name} is {s.state}: nothing reaches it.")
    if personal is not None:
        return personal
    if detail.name in s.contact_details:
        return Rule(True, "contact", f"This person is a contact for {name} and was told what that shares.")
    return _of_the_grant(s, detail)


def goes_with_person(detail: Detail) -> bool:
    """Whether withholding a person withholds it: their record, what they wrote or added, their part in a task."""
    return detail.record in ("person", "comment", "attachment") or detail.about not in (About.NONE, About.ANYONE)


def _of_the_person(s: Situation) -> Rule | None:
    if s.forgotten:
        return Rule(False, "forgotten", "This person was forgotten. Nothing about them is held or shared.")
    if s.restricted:
        return Rule(False, "restricted", "This person is restricted: no app is given anything about them.")
    if s.objected:
        disputed = " The objection is disputed, and stays in force until that is decided." if s.disputed else ""
        return Rule(False, "objection", f"This person objected to {s.app_name}.{disputed}")
    if s.alone:
        return Rule(False, "installed_for_one", f"{s.app_name} was installed by one person for themselves alone.")
    return None


def _of_the_grant(s: Situation, detail: Detail) -> Rule:
    name = s.app_name
    if detail.scope in s.declined:
        return Rule(False, "scope_declined", f"{detail.scope} was left out when {name} was installed.")
    if detail.scope not in s.granted:
        return Rule(False, "scope_not_granted", f"{name} does not have the scope {detail.scope}.")
    if s.rights is not None and detail.scope not in s.rights:
        return Rule(False, "no_right", f"Whoever uses {name} here may not see this either.")
    if detail.name not in s.hook_details:
        return Rule(True, "granted_on_request", f"{detail.scope} was granted: {name} gets this whenever it asks.")
    return Rule(True, "granted", f"{detail.scope} was granted, and {name} is given this by a hook.")


def opened(scopes: Collection[str], rights: Collection[str] | None) -> frozenset[str]:
    """The details that scopes and rights open together."""
    return frozenset(d.name for d in DETAILS.values() if d.scope in scopes and (rights is None or d.scope in rights))


def is_identifying(name: str) -> bool:
    return DETAILS[name].klass is DetailClass.IDENTIFYING
