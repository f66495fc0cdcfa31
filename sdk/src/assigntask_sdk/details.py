"""The catalogue: every detail that can leave the host, the scope that opens it, and the words for it.

This is the single source. Projection, consent, dry run, ledger, export and the page of scopes are made
from it; what is not here can't leave. Categories are terms of the W3C Data Privacy Vocabulary 2.2
(https://w3id.org/dpv/pd).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum


class DetailClass(StrEnum):
    IDENTIFYING = "identifying"
    BEHAVIOURAL = "behavioural"
    FREE_TEXT = "free text"
    FILE = "file content"
    SIGNAL = "signal"
    PLAIN = "plain"


class About(StrEnum):
    """Whom a detail tells something about."""

    SELF = "self"  # the person whose record it is
    AUTHOR = "author"
    ASSIGNEE = "assignee"
    VIEWER = "viewer"
    ANYONE = "anyone"  # free text may name anyone
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Detail:
    """One field of one record."""

    name: str  # "person.email"
    scope: str  # "people:email"
    klass: DetailClass
    about: About
    words: str  # completes the sentence "This app gets …"
    category: str | None = None  # DPV term, where personal

    @property
    def record(self) -> str:
        return self.name.partition(".")[0]

    @property
    def field(self) -> str:
        return self.name.partition(".")[2]


@dataclass(frozen=True, slots=True)
class Scope:
    """What an admin grants. A power lets the app do something; other scopes open details."""

    name: str
    words: str
    power: bool = False
    admin_only: bool = False  # a member's rights never include it


_I, _B, _T, _S, _P = (
    DetailClass.IDENTIFYING,
    DetailClass.BEHAVIOURAL,
    DetailClass.FREE_TEXT,
    DetailClass.SIGNAL,
    DetailClass.PLAIN,
)

DETAILS: Mapping[str, Detail] = {
    d.name: d
    for d in (
        Detail("organisation.name", "organisation:read", _P, About.NONE, "the organisation's name"),
        Detail("department.name", "organisation:read", _P, About.NONE, "the names of departments"),
        Detail("task_type.name", "tasks:read", _P, About.NONE, "the task types that there are"),
        Detail("project.name", "tasks:read", _T, About.ANYONE, "the names of projects"),
        Detail("project.description", "tasks:read", _T, About.ANYONE, "the descriptions of projects"),
        Detail("project.archived", "tasks:read", _P, About.NONE, "whether a project is archived"),
        Detail("project.statuses", "tasks:read", _T, About.ANYONE, "the statuses of a project's board"),
        Detail("task.number", "tasks:read", _P, About.NONE, "task numbers"),
        Detail("task.project", "tasks:read", _P, About.NONE, "which project a task belongs to"),
        Detail("task.summary", "tasks:read", _T, About.ANYONE, "task summaries"),
        Detail("task.description", "tasks:read", _T, About.ANYONE, "task descriptions"),
        Detail("task.type", "tasks:read", _P, About.NONE, "task types"),
        Detail("task.status", "tasks:read", _P, About.NONE, "the status of tasks"),
        Detail("task.labels", "tasks:read", _T, About.ANYONE, "labels"),
        Detail("task.start", "tasks:read", _P, About.NONE, "start dates"),
        Detail("task.due", "tasks:read", _P, About.NONE, "due dates"),
        Detail("task.created", "tasks:read", _P, About.NONE, "when tasks were created"),
        Detail("task.updated", "tasks:read", _P, About.NONE, "when tasks last changed"),
        Detail("task.done", "tasks:read", _P, About.NONE, "when tasks were done"),
        Detail("task.archived", "tasks:read", _P, About.NONE, "whether tasks are archived"),
        Detail("task.checklists", "tasks:read", _T, About.ANYONE, "checklists and which items are done"),
        Detail(
            "task.departments", "tasks:departments", _B, About.ASSIGNEE,
            "which departments work on which task, as counts of people", "pd:Professional",
        ),
        Detail(
            "task.assignees", "tasks:people", _B, About.ASSIGNEE,
            "who is assigned to which task, as an id that only this app sees", "pd:Professional",
        ),
        Detail(
            "task.creator", "tasks:people", _B, About.AUTHOR,
            "who created which task, as an id that only this app sees", "pd:Professional",
        ),
        Detail("comment.text", "comments:read", _T, About.ANYONE, "what people write in comments", "pd:Communication"),
        Detail("comment.task", "comments:read", _P, About.NONE, "which task a comment belongs to"),
        Detail("comment.created", "comments:read", _B, About.AUTHOR, "when comments were written", "pd:Behavioral"),
        Detail("comment.edited", "comments:read", _B, About.AUTHOR, "when comments were edited", "pd:Behavioral"),
        Detail(
            "comment.author", "comments:people", _B, About.AUTHOR,
            "who wrote which comment, as an id that only this app sees", "pd:Communication",
        ),
        Detail("attachment.task", "attachments:read", _P, About.NONE, "which task an attachment belongs to"),
        Detail("attachment.name", "attachments:read", _T, About.ANYONE, "the names of attachments"),
        Detail("attachment.url", "attachments:read", _T, About.ANYONE, "the addresses that attachments link to"),
        Detail("attachment.media_type", "attachments:read", _P, About.NONE, "what kind of file an attachment is"),
        Detail("attachment.size", "attachments:read", _P, About.NONE, "how large attached files are"),
        Detail("attachment.sha256", "attachments:read", _P, About.NONE, "a checksum of attached files"),
        Detail(
            "attachment.content", "attachments:content", DetailClass.FILE, About.ANYONE,
            "what is in files that are attached to tasks", "pd:Communication",
        ),
        Detail(
            "attachment.created", "attachments:read", _B, About.AUTHOR,
            "when attachments were added", "pd:Behavioral",
        ),
        Detail(
            "attachment.author", "attachments:people", _B, About.AUTHOR,
            "who added which attachment, as an id that only this app sees", "pd:Professional",
        ),
        Detail("person.name", "people:name", _I, About.SELF, "people's names", "pd:Name"),
        Detail("person.user_name", "people:name", _I, About.SELF, "people's user names", "pd:Username"),
        Detail("person.email", "people:email", _I, About.SELF, "people's e-mail addresses", "pd:EmailAddressWork"),
        Detail("person.job_title", "people:work", _I, About.SELF, "people's job titles", "pd:CurrentEmployment"),
        Detail(
            "person.department", "people:work", _I, About.SELF,
            "which department people work in", "pd:CurrentEmployment",
        ),
        Detail("person.role", "people:work", _P, About.SELF, "who is an admin", "pd:Professional"),
        Detail("person.active", "people:work", _P, About.SELF, "whether people are still active", "pd:Professional"),
        Detail("person.time_zone", "people:locale", _I, About.SELF, "people's time zones", "pd:Location"),
        Detail("person.locale", "people:locale", _I, About.SELF, "people's languages", "pd:Language"),
        Detail(
            "viewer.person", "viewer:person", _S, About.VIEWER,
            "who is looking at a page, as an id that only this app sees", "pd:Behavioral",
        ),
        Detail(
            "viewer.change", "viewer:change", _S, About.VIEWER,
            "who made a change, as an id that only this app sees", "pd:Behavioral",
        ),
    )
}  # fmt: skip

SCOPES: Mapping[str, Scope] = {
    s.name: s
    for s in (
        Scope("organisation:read", "read the names of the organisation and its departments"),
        Scope("tasks:read", "read tasks and projects, without the people in them"),
        Scope("tasks:departments", "see how many people of which department work on a task"),
        Scope("tasks:people", "see which tasks belong together by person, without knowing who it is"),
        Scope("comments:read", "read comments"),
        Scope("comments:people", "see which comments come from the same person, without knowing who it is"),
        Scope("attachments:read", "read the names and addresses of attachments, not what is in attached files"),
        Scope("attachments:content", "read what is in attached files, whatever they hold and whomever they name"),
        Scope("attachments:people", "see which attachments come from the same person, without knowing who it is"),
        Scope("people:name", "read people's names"),
        Scope("people:email", "read people's e-mail addresses", admin_only=True),
        Scope("people:work", "read people's job titles, departments and roles"),
        Scope("people:locale", "read people's time zones and languages"),
        Scope("viewer:person", "know who is looking, and when"),
        Scope("viewer:change", "know who made a change"),
        Scope("tasks:write", "create, change and archive tasks", power=True),
        Scope("comments:write", "write comments", power=True),
        Scope("attachments:write", "add and remove attachments", power=True),
        Scope("tasks:guard", "refuse or amend a change before it is saved", power=True, admin_only=True),
        Scope(
            "deliveries:manage",
            "have notices told to it once more, and let admins see through it how they arrive",
            power=True,
            admin_only=True,
        ),
    )
}


STREAMED = frozenset(d.name for d in DETAILS.values() if d.klass is DetailClass.FILE)
"""Details that are no field of their record: what is in a file leaves in pieces, by `ctx.attachments.content`."""


def details_of(scopes: Iterable[str]) -> frozenset[str]:
    """The names of all details that these scopes open."""
    wanted = frozenset(scopes)
    return frozenset(d.name for d in DETAILS.values() if d.scope in wanted)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a person most likely meant."""
    found = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else None
