"""Every detail of the catalogue is bound to what the host stores, and what is stored either is one or stays here."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest

from assigntask.db import tables as t
from assigntask.gate.projection import SPECIAL, Facts, plan_for
from assigntask_sdk.details import DETAILS, STREAMED, About, DetailClass
from assigntask_sdk.records import RECORDS

FACTS = {kind.kind: kind for kind in get_args(Facts)}
ALWAYS = {"id", "version"}
PLACES = {"viewer.person", "viewer.change"}  # told by a place in what is asked: `Slot.detail`
FIELDS = DETAILS.keys() - STREAMED  # what is in a file is no field: it leaves in pieces

# Facts that no record has, and why.
INSIDE = {
    ("organisation", "time_zone"): "the host's own, to write times with; an app is told `today`",
    ("department", "members"): "leaves as the size in task.departments",
    ("task", "position"): "the order on the board is the host's to keep",
    ("task", "unchecked_by"): "names other installed apps",
    ("comment", "project"): "decides whether the comment is in reach; the task says it",
    ("attachment", "project"): "decides whether the attachment is in reach; the task says it",
    ("person", "subject_id"): "names the person's key",
    ("person", "department_id"): "the department is told by name",
    ("person", "state"): "leaves as person.active",
}

OWN_ID = "is the record's own id"
ORGANISATION = "an installation is of one organisation and never hears of another"
VERSION = "is the record's version"
ORDER = "decides an order; the order itself is what leaves"
INDEX = "repeats another column, to be looked up by"

# Columns of the tables that hold records: the detail that they leave as, or why they don't.
COLUMNS: dict[str, dict[str, str]] = {
    "organisation": {
        "id": OWN_ID,
        "name": "organisation.name",
        "time_zone": "the host's own, to write times with",
        "epoch": "counts changes of rights, to end caches",
        "next_task_number": "a counter; task.number is what it gave",
        "policy": "what the organisation allows its members; no app's business",
        "version": VERSION,
        "created_at": "nothing that an app needs",
    },
    "department": {"id": OWN_ID, "organisation_id": ORGANISATION, "name": "department.name", "version": VERSION},
    "person": {
        "id": "leaves only as an id of this installation's own",
        "organisation_id": ORGANISATION,
        "subject_id": "names the person's key",
        "name": "person.name",
        "user_name": "person.user_name",
        "email": "person.email",
        "email_key": INDEX,
        "job_title": "person.job_title",
        "department_id": "person.department",
        "role": "person.role",
        "state": "person.active",
        "time_zone": "person.time_zone",
        "locale": "person.locale",
        "version": VERSION,
        "created_at": "when somebody joined is nothing that an app needs",
        "forgotten_at": "nothing is told about a forgotten person",
    },
    "project": {
        "id": OWN_ID,
        "organisation_id": ORGANISATION,
        "name": "project.name",
        "description": "project.description",
        "archived": "project.archived",
        "version": VERSION,
        "created_at": "nothing that an app needs",
    },
    "status": {
        "id": "task.status",
        "organisation_id": ORGANISATION,
        "project_id": "project.statuses",
        "name": "task.status",
        "position": ORDER,
        "done": "task.status",
        "archived": "task.status",
    },
    "task_type": {"id": OWN_ID, "organisation_id": ORGANISATION, "name": "task_type.name"},
    "label": {
        "id": "task.labels",
        "organisation_id": ORGANISATION,
        "project_id": "a label's task says it",
        "name": "task.labels",
        "colour": "task.labels",
    },
    "task": {
        "id": OWN_ID,
        "organisation_id": ORGANISATION,
        "project_id": "task.project",
        "number": "task.number",
        "summary": "task.summary",
        "description": "task.description",
        "task_type_id": "task.type",
        "status_id": "task.status",
        "start_day": "task.start",
        "due_day": "task.due",
        "due_at": "task.due",
        "creator_id": "task.creator",
        "position": ORDER,
        "created_at": "task.created",
        "updated_at": "task.updated",
        "done_at": "task.done",
        "archived": "task.archived",
        "unchecked_by": "names other installed apps",
        "version": VERSION,
    },
    "assignee": {
        "organisation_id": ORGANISATION,
        "task_id": "task.assignees",
        "person_id": "task.assignees",
        "position": ORDER,
    },
    "task_label": {"organisation_id": ORGANISATION, "task_id": "task.labels", "label_id": "task.labels"},
    "checklist": {
        "id": "task.checklists",
        "organisation_id": ORGANISATION,
        "task_id": "task.checklists",
        "name": "task.checklists",
        "position": ORDER,
    },
    "checklist_item": {
        "id": "task.checklists",
        "organisation_id": ORGANISATION,
        "checklist_id": "task.checklists",
        "text": "task.checklists",
        "done": "task.checklists",
        "position": ORDER,
    },
    "comment": {
        "id": OWN_ID,
        "organisation_id": ORGANISATION,
        "task_id": "comment.task",
        "author_id": "comment.author",
        "text": "comment.text",
        "created_at": "comment.created",
        "edited_at": "comment.edited",
        "version": VERSION,
    },
    "attachment": {
        "id": OWN_ID,
        "organisation_id": ORGANISATION,
        "task_id": "attachment.task",
        "author_id": "attachment.author",
        "name": "attachment.name",
        "url": "attachment.url",
        "created_at": "attachment.created",
        "version": VERSION,
    },
    "file": {
        "id": "the attachment's id is what apps know it by",
        "organisation_id": ORGANISATION,
        "attachment_id": "the attachment says it",
        "media_type": "attachment.media_type",
        "size": "attachment.size",
        "sha256": "attachment.sha256",
        "created_at": "the attachment says it",
    },
    "file_chunk": {
        "organisation_id": ORGANISATION,
        "file_id": "the attachment's id is what apps know it by",
        "number": ORDER,
        "content": "attachment.content",
    },
}

# Tables that no record is made of, and why.
NO_RECORDS = {
    "api_answer": "answers that the app itself got: ids and versions",
    "app": "of the host, not of an organisation",
    "app_version": "of the host, not of an organisation",
    "breaker": "how an app does, shown to admins",
    "checkpoint": "the ledger",
    "contact": "a person's own details are what leaves, by consent",
    "delivery": "what is still to be told",
    "enrolment": "a person's settings for an app, given to it as ctx.settings",
    "erasure": "whom an erasure was asked of, and what came of it: ids and moments",
    "event": "what happened: ids and versions",
    "idempotency_key": "the app's own keys",
    "import_source": "keyed hashes of ids elsewhere",
    "installation": "settings are the app's own; the rest is the host's",
    "installation_project": "the reach",
    "job": "what the app itself started",
    "ledger_entry": "the ledger",
    "ledger_subject": "the ledger",
    "ledger_value": "the ledger",
    "oauth_access_token": "the app's own credentials",
    "oauth_authorization": "what a person let the app do, which its token says",
    "oauth_client": "the app's own credentials",
    "oauth_code": "the app's own credentials",
    "oauth_pushed_request": "what the app itself asked",
    "oauth_refresh_token": "the app's own credentials",
    "oauth_secret": "the app's own credentials",
    "oauth_seen": "digests of what must not be used twice",
    "objection": "never told to any app",
    "pairwise_generation": "part of the ids",
    "problem": "what the app itself reported",
    "remote_app": "of the host, not of an organisation",
    "restriction": "never told to any app",
    "schedule": "when an app's own runs are due",
    "session": "how people are signed in to the host",
    "sign_in_link": "how people are signed in to the host",
    "store": "the app's own",
    "store_usage": "the app's own",
    "subscription": "who hears what",
    "tree_node": "the ledger",
}


@pytest.mark.parametrize("name", sorted(STREAMED))
def test_what_streams_is_in_no_record(name: str) -> None:
    kind, _, field = name.partition(".")
    assert DETAILS[name].klass is DetailClass.FILE
    assert field not in RECORDS[kind].fields()
    plan = plan_for(kind, frozenset({name}))
    assert (plan.details, plan.special) == (frozenset(), ())


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_detail_is_bound(name: str) -> None:
    kind, _, field = name.partition(".")
    if name in PLACES:
        assert kind not in RECORDS
        return
    assert field in RECORDS[kind].fields(), "the record has no such field"
    facts = {each.name for each in dataclasses.fields(FACTS[kind])}
    assert name in SPECIAL or field in facts, "nothing that the host knows is bound to it"
    plan = plan_for(kind, frozenset({name}))
    assert plan.details == {name}
    special = [each for each, _ in plan.special]
    assert special == ([field] if name in SPECIAL else [])
    if not special:
        bare = object.__new__(FACTS[kind])
        for each in {"id", "version", field}:
            object.__setattr__(bare, each, f"the {each}")
        assert plan.read(bare) == {each: f"the {each}" for each in ("id", "version", field)}


def test_nothing_is_bound_that_the_catalogue_lacks() -> None:
    assert set(SPECIAL) <= set(DETAILS)


def test_every_kind_of_facts_has_a_record_and_every_record_facts() -> None:
    assert FACTS.keys() == RECORDS.keys()


@pytest.mark.parametrize("kind", sorted(RECORDS))
def test_every_field_of_a_record_is_catalogued(kind: str) -> None:
    always = ALWAYS | {"withheld"} if kind == "person" else ALWAYS
    catalogued = {DETAILS[name].field for name in FIELDS if DETAILS[name].record == kind}
    assert set(RECORDS[kind].fields()) == always | catalogued


@pytest.mark.parametrize("kind", sorted(FACTS))
def test_every_fact_leaves_as_a_detail_or_never(kind: str) -> None:
    known = {each.name for each in dataclasses.fields(FACTS[kind])} - ALWAYS
    leaving = {detail.field for detail in DETAILS.values() if detail.record == kind}
    inside = {field for of, field in INSIDE if of == kind}
    assert known - leaving == inside
    assert not leaving & inside


def test_every_table_holds_records_or_is_known_not_to() -> None:
    assert set(t.metadata.tables) == set(COLUMNS) | set(NO_RECORDS)
    assert not set(COLUMNS) & set(NO_RECORDS)


@pytest.mark.parametrize("table", sorted(COLUMNS))
def test_every_column_leaves_as_a_detail_or_has_a_reason_not_to(table: str) -> None:
    assert set(t.metadata.tables[table].columns.keys()) == set(COLUMNS[table])
    for says in COLUMNS[table].values():
        assert says in DETAILS or " " in says, f"{says} is no detail"


def test_every_detail_of_a_record_comes_from_a_column() -> None:
    stored = {says for columns in COLUMNS.values() for says in columns.values()}
    derived = {"task.departments", "comment.task", "attachment.task"}
    assert {name for name in DETAILS if name not in PLACES} - stored - derived == set()


def test_what_tells_of_a_person_has_a_category_and_what_names_them_is_identifying() -> None:
    for detail in DETAILS.values():
        if detail.about in (About.SELF, About.AUTHOR, About.ASSIGNEE, About.VIEWER):
            assert detail.category, f"{detail.name} is about a person"
    identifying = {name for name, detail in DETAILS.items() if detail.klass is DetailClass.IDENTIFYING}
    assert {"person.name", "person.user_name", "person.email", "person.job_title"} <= identifying
