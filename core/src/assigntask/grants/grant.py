"""A grant: granted scopes ∩ the actor's rights − objections − restrictions, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from assigntask.grants.pairwise import pairwise_id
from assigntask.people.facts import Doer, Role
from assigntask_sdk.details import details_of

Assurance = Literal["trusted", "enforced"]
"""Trusted: the app shares the interpreter, and the record says what the host passed, not what it could take.
Enforced: it runs elsewhere, and can have nothing but what the host passed."""

KEPT_NARROWED = 64
"""Sets of scopes that one grant is kept narrowed to: apps choose them, so their number is bounded."""

ActorKind = Literal["viewer", "installation", "person"]


def assurance(*, remote: bool) -> Assurance:
    return "enforced" if remote else "trusted"


@dataclass(frozen=True, slots=True)
class Actor:
    """Whose rights a call has: a question has the viewer's, a notice the installation's."""

    kind: ActorKind
    person_id: str | None = None
    role: Role | None = None

    @classmethod
    def viewer(cls, doer: Doer) -> Actor:
        return cls("viewer", doer.person_id, doer.role)

    @classmethod
    def installation(cls) -> Actor:
        return cls("installation")

    @classmethod
    def person(cls, doer: Doer) -> Actor:
        return cls("person", doer.person_id, doer.role)


@dataclass(frozen=True, slots=True, eq=False)
class Grant:
    """Holds for one epoch of its organisation. Load it anew for every call: `Grants.current`."""

    organisation_id: str
    installation_id: str
    app_id: str
    vendor: str
    state: str
    epoch: int  # of the organisation, when this was read
    version: int
    assurance: Assurance
    actor: Actor
    actor_subject_id: str | None
    scopes: frozenset[str]
    details: frozenset[str]  # opened by scopes and rights together
    withheld: frozenset[str]  # person ids of which this installation gets nothing, not even an id
    projects: frozenset[str] | None  # None: all
    generations: Mapping[str, int]
    credential: str
    key: bytes = field(repr=False)
    ids: dict[str, str] = field(default_factory=dict, repr=False)  # person id → pairwise id, as they come up
    opened: dict[frozenset[str], frozenset[str]] = field(default_factory=dict, repr=False)  # needs → needs ∩ details
    only_person_id: str | None = None  # who installed the app for themselves alone
    # Scopes → this grant with no more than them. Never copied: of a changed grant it would be wrong.
    narrower: dict[frozenset[str], Grant] = field(default_factory=dict, init=False, repr=False)

    def narrowed_to(self, scopes: frozenset[str]) -> Grant:
        """What this grant and `scopes` both open, as a token says that was asked for with less."""
        if self.scopes <= scopes:
            return self
        known = self.narrower.get(scopes)
        if known is None:
            if len(self.narrower) >= KEPT_NARROWED:
                self.narrower.clear()
            details = self.details & details_of(scopes)
            known = replace(self, scopes=self.scopes & scopes, details=details, opened={})
            self.narrower[scopes] = known
        return known

    @property
    def remote(self) -> bool:
        """Whether the app runs on its vendor's machine."""
        return self.assurance == "enforced"

    def opens(self, needs: frozenset[str]) -> frozenset[str]:
        known = self.opened.get(needs)
        if known is None:
            known = self.opened[needs] = needs & self.details
        return known

    def has(self, scope: str) -> bool:
        return scope in self.scopes

    def reaches(self, project_id: str) -> bool:
        return self.projects is None or project_id in self.projects

    def withholds(self, person_id: str) -> bool:
        return person_id in self.withheld

    def generation(self, person_id: str) -> int:
        return self.generations.get(person_id, 0)

    def pairwise(self, person_id: str) -> str:
        known = self.ids.get(person_id)
        if known is None:
            known = self.ids[person_id] = pairwise_id(self.key, self.credential, person_id, self.generation(person_id))
        return known

    def pairwise_of_generation(self, person_id: str, generation: int) -> str:
        """The id that the app knew somebody by before they withdrew or were forgotten."""
        return pairwise_id(self.key, self.credential, person_id, generation)
