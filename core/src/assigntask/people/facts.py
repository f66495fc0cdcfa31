"""What the host knows about people. Facts stay inside: only the gate turns them into records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

Role = Literal["member", "admin"]
PersonState = Literal["active", "left", "forgotten"]


@dataclass(frozen=True, slots=True)
class OrganisationFacts:
    kind: ClassVar[str] = "organisation"

    id: str
    version: int
    name: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class DepartmentFacts:
    kind: ClassVar[str] = "department"

    id: str
    version: int
    name: str
    members: int  # active people in it today


@dataclass(frozen=True, slots=True)
class PersonFacts:
    kind: ClassVar[str] = "person"

    id: str
    version: int
    subject_id: str
    name: str
    user_name: str | None
    email: str | None
    job_title: str | None
    department_id: str | None
    department: str | None
    role: Role
    state: PersonState
    time_zone: str | None
    locale: str | None


@dataclass(frozen=True, slots=True)
class Doer:
    """Who does something: a person, an app (`installation_id`), or the operator on behalf of a person."""

    organisation_id: str
    person_id: str | None
    role: Role | None
    installation_id: str | None = None
    operator: bool = False
