"""The rules that decide whether a detail is shared, each in its place, strongest first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assigntask.grants.rules import Rule, Situation, decide, goes_with_person, is_identifying, opened
from assigntask_sdk.details import DETAILS, SCOPES, details_of

EMAIL = DETAILS["person.email"]
DUE = DETAILS["task.due"]

OPEN = Situation(
    app_name="Harbour Log",
    state="active",
    granted={"people:email", "tasks:read"},
    declined=(),
    hook_details={"person.email", "task.due"},
    contact_details=(),
)

# Each step adds one circumstance to all those before it, and becomes the reason: so the order is proven too.
STEPS: list[tuple[dict[str, Any], str, bool]] = [
    ({}, "granted", True),
    ({"hook_details": ()}, "granted_on_request", True),
    ({"rights": {"people:name"}}, "no_right", False),
    ({"granted": {"tasks:read"}}, "scope_not_granted", False),
    ({"declined": {"people:email"}}, "scope_declined", False),
    ({"contact_details": {"person.email"}}, "contact", True),
    ({"alone": True}, "installed_for_one", False),
    ({"objected": True}, "objection", False),
    ({"disputed": True}, "objection", False),
    ({"restricted": True}, "restricted", False),
    ({"state": "disabled"}, "not_active", False),
    ({"forgotten": True}, "forgotten", False),
    ({"state": None}, "not_installed", False),
]


def after(steps: int) -> Situation:
    circumstances: dict[str, Any] = {}
    for more, _, _ in STEPS[: steps + 1]:
        circumstances |= more
    return replace(OPEN, **circumstances)


@pytest.mark.parametrize("step", range(len(STEPS)), ids=[f"{n}-{step[1]}" for n, step in enumerate(STEPS)])
def test_the_strongest_rule_that_applies_decides(step: int) -> None:
    _, code, shared = STEPS[step]
    rule = decide(after(step), EMAIL)
    assert (rule.code, rule.shared) == (code, shared)


@pytest.mark.parametrize(("more", "code", "shared"), STEPS[1:], ids=[step[1] for step in STEPS[1:]])
def test_each_rule_applies_by_itself(more: dict[str, Any], code: str, shared: bool) -> None:
    if more == {"disputed": True}:
        more = {"objected": True, "disputed": True}
    rule = decide(replace(OPEN, **more), EMAIL)
    assert (rule.code, rule.shared) == (code, shared)


@pytest.mark.parametrize("state", ["requested", "declined", "disabled", "uninstalled", "wiped"])
def test_only_an_active_installation_is_given_anything(state: str) -> None:
    rule = decide(replace(OPEN, state=state), EMAIL)
    assert rule == Rule(False, "not_active", f"Harbour Log is {state}: nothing reaches it.")


def test_a_disputed_objection_stays_in_force_and_says_so() -> None:
    plain, disputed = (
        decide(replace(OPEN, objected=True), EMAIL),
        decide(replace(OPEN, objected=True, disputed=True), EMAIL),
    )
    assert "disputed" not in plain.words
    assert "stays in force" in disputed.words


@pytest.mark.parametrize("about", ["objected", "restricted", "forgotten", "alone"])
def test_what_goes_with_no_person_is_shared_whoever_objects(about: str) -> None:
    circumstance: dict[str, Any] = {about: True}
    assert decide(replace(OPEN, **circumstance), DUE).code == "granted"


@pytest.mark.parametrize(
    ("name", "goes"),
    [
        ("person.role", True),
        ("comment.text", True),
        ("comment.task", True),
        ("attachment.url", True),
        ("task.assignees", True),
        ("task.departments", True),
        ("task.creator", True),
        ("viewer.change", True),
        ("task.summary", False),
        ("task.due", False),
        ("project.name", False),
        ("organisation.name", False),
        ("department.name", False),
    ],
)
def test_what_goes_with_a_person(name: str, goes: bool) -> None:
    assert goes_with_person(DETAILS[name]) is goes


def test_every_rule_says_so_in_words_and_in_json() -> None:
    for step in range(len(STEPS)):
        rule = decide(after(step), EMAIL)
        assert rule.words.endswith(".")
        assert rule.to_json() == {"shared": rule.shared, "rule": rule.code, "words": rule.words}


@given(
    scopes=st.frozensets(st.sampled_from(sorted(SCOPES))),
    rights=st.none() | st.frozensets(st.sampled_from(sorted(SCOPES))),
)
def test_what_is_opened_is_what_scopes_and_rights_open_together(
    scopes: frozenset[str], rights: frozenset[str] | None
) -> None:
    both = scopes if rights is None else scopes & rights
    assert opened(scopes, rights) == details_of(both)
    for detail in DETAILS.values():
        situation = replace(OPEN, granted=scopes, rights=rights)
        assert decide(situation, detail).shared == (detail.name in opened(scopes, rights))


def test_identifying_details_are_known_as_such() -> None:
    assert is_identifying("person.email")
    assert not is_identifying("task.due")
