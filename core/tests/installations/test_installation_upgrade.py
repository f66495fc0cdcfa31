"""A newer version holds at once where it asks for no more, else when an admin agrees."""

from __future__ import annotations

from typing import Any

import pytest

from assigntask.db import tables as t
from assigntask.errors import HostError
from assigntask_sdk.errors import Invalid

LESS_HOOKS = {"task_badges": ["task.due"], "upgraded": []}
MORE_OPTIONAL = {
    "people:name": "to greet people",
    "tasks:guard": "to refuse tasks without a due date",
    "comments:read": "to look for dates in comments",
}
READS = {"tasks:read": "to look at due dates"}


async def installed(house: Any, **options: Any) -> Any:
    return await house.installing.install(house.doer(), "due-guard", **options)


async def test_one_that_asks_less_holds_at_once(house: Any, due_guard: Any) -> None:
    before = await installed(house, without=["people:name"])
    house.offer(due_guard("1.1.0", hooks=LESS_HOOKS, contacts={"installer": ["person.email"]}), content="second")
    checked = await house.upgrading.check()
    assert [(one.app_id, one.accepted, one.installed, one.outcome) for one in checked] == [
        ("due-guard", "1.0.0", "1.1.0", "upgraded")
    ]
    after = await house.found()
    assert (after.version, after.pending_version, after.upgrading_from) == ("1.1.0", None, "1.0.0")
    assert (after.grant_version, after.notice_digest) == (before.grant_version + 1, before.notice_digest)
    assert after.declined == {"people:name"}
    assert sorted(await house.rows(t.subscription, "hook")) == ["task_badges", "upgraded"]
    assert await house.queue(before.id) == [("installed", "waiting"), ("upgraded", "waiting")]
    assert await house.facts_of("installation.upgraded") == [{"from_version": "1.0.0"}]
    entry = [entry for entry in await house.ledger.given(house.ids["Harbour"]) if entry.kind == "upgrade"]
    assert [(one.actor, one.facts["from"]) for one in entry] == [("host", "1.0.0")]


async def test_looking_again_changes_nothing(house: Any, due_guard: Any) -> None:
    await installed(house)
    for version, outcomes in (("1.0.0", []), ("1.1.0", ["upgraded"])):
        house.offer(due_guard(version), content=version if version != "1.0.0" else "first")
        assert [one.outcome for one in await house.upgrading.check()] == outcomes
        before = await house.dump()
        assert await house.upgrading.check() == []
        assert await house.dump() == before


async def test_one_that_asks_more_waits_for_an_admin(house: Any, due_guard: Any) -> None:
    before = await installed(house)
    hooks = {**house.apps[0].manifest.hooks, "comment_added": ["comment.text"]}
    newer = due_guard("2.0.0", scopes={"required": {**READS, "comments:read": "to read"}}, hooks=hooks)
    house.offer(newer, content="second")
    assert [one.outcome for one in await house.upgrading.check("due-guard")] == ["pending"]
    waiting = await house.found()
    assert (waiting.version, waiting.pending_version, waiting.scopes) == ("1.0.0", "2.0.0", before.scopes)
    assert "comment_added" not in await house.rows(t.subscription, "hook")
    quiet = await house.dump()
    assert [one.outcome for one in await house.upgrading.check()] == []
    assert await house.dump() == quiet

    shown = await house.upgrading.upgrade(house.doer(), "due-guard", dry_run=True)
    assert shown.from_version == "1.0.0"
    assert [line.scope for line in (*shown.scopes, *shown.powers) if line.newly] == ["comments:read"]
    agreed = await house.upgrading.upgrade(house.doer("Ben"), "due-guard")
    assert (agreed.version, agreed.pending_version) == ("2.0.0", None)
    assert agreed.scopes == {"tasks:read", "comments:read"}
    assert agreed.notice_digest == shown.notice_digest
    assert "comment_added" in await house.rows(t.subscription, "hook")


async def test_what_was_declined_stays_declined_and_new_options_can_be(house: Any, due_guard: Any) -> None:
    await installed(house, without=["people:name"], projects=["Ships"])
    house.offer(due_guard("2.0.0", scopes={"required": READS, "optional": MORE_OPTIONAL}), content="second")
    agreed = await house.upgrading.upgrade(house.doer(), "due-guard", without=["comments:read"])
    assert agreed.scopes == {"tasks:read", "tasks:guard"}
    assert agreed.declined == {"people:name", "comments:read"}
    assert agreed.projects == {house.ids["Harbour Ships"]}
    house.offer(due_guard("3.0.0", scopes={"required": {**READS, "people:name": "to greet people"}}), content="third")
    with pytest.raises(Invalid, match="requires people:name"):
        await house.upgrading.upgrade(house.doer(), "due-guard", without=["people:name"])
    assert "people:name" in (await house.upgrading.upgrade(house.doer(), "due-guard")).scopes


async def test_a_declined_scope_that_becomes_required_waits(house: Any, due_guard: Any) -> None:
    await installed(house, without=["people:name"])
    house.offer(due_guard("2.0.0", scopes={"required": {**READS, "people:name": "to greet people"}}), content="second")
    assert [one.outcome for one in await house.upgrading.check()] == ["pending"]


async def test_an_older_version_is_refused(house: Any, due_guard: Any) -> None:
    house.offer(due_guard("1.10.0"), content="tenth")
    await installed(house)
    house.offer(due_guard("1.9.0"), content="ninth")
    assert [one.outcome for one in await house.upgrading.check()] == ["older"]
    before = await house.dump()
    with pytest.raises(HostError) as caught:
        await house.upgrading.upgrade(house.doer(), "due-guard")
    assert caught.value.code == "downgrade_refused"
    assert await house.dump() == before


async def test_there_may_be_nothing_to_upgrade(house: Any) -> None:
    await installed(house)
    with pytest.raises(HostError) as caught:
        await house.upgrading.upgrade(house.doer(), "due-guard")
    assert caught.value.code == "nothing_to_upgrade"


async def test_code_that_is_taken_back_no_longer_waits(house: Any, due_guard: Any) -> None:
    await installed(house)
    house.offer(due_guard("2.0.0", retention_days=90), content="second")
    await house.upgrading.check()
    assert (await house.found()).pending_version == "2.0.0"
    house.offer(due_guard(), content="first")
    await house.upgrading.check()
    assert (await house.found()).pending_version is None


async def test_a_disabled_app_is_upgraded_and_stays_disabled(house: Any, due_guard: Any) -> None:
    await installed(house)
    await house.leaving.disable(house.doer(), "due-guard")
    house.offer(due_guard("1.1.0"), content="second")
    await house.upgrading.check()
    after = await house.found()
    assert (after.state, after.version) == ("disabled", "1.1.0")
    assert await house.rows(t.subscription) == []


async def test_without_the_hook_nobody_waits_for_an_answer(house: Any, due_guard: Any) -> None:
    before = await installed(house)
    house.offer(due_guard("1.1.0", hooks={"task_badges": ["task.due"]}), content="second")
    await house.upgrading.check()
    assert (await house.found()).upgrading_from is None
    assert await house.queue(before.id) == [("installed", "waiting")]


async def test_more_about_a_contact_is_recorded_and_told_when_it_is_agreed_to(house: Any, due_guard: Any) -> None:
    before = await installed(house, technical_contact="ben")
    contacts = {"installer": ["person.email"], "technical": ["person.name", "person.email", "person.job_title"]}
    house.offer(due_guard("2.0.0", contacts=contacts), content="second")
    assert [one.outcome for one in await house.upgrading.check()] == ["pending"]
    agreed = await house.upgrading.upgrade(house.doer("Ben"), "due-guard")
    assert agreed.contacts == before.contacts  # who installed it is still its installer
    given = [entry.details for entry in await house.ledger.given(house.ids["Harbour"]) if entry.kind == "release"]
    assert given[2:] == [("person.job_title",)]
    assert [hook for hook, _ in await house.queue(before.id)] == ["installed", "upgraded", "installed"]
    assert len(await house.facts_of("contact.named")) == 1


async def test_every_organisation_is_looked_at(house: Any, due_guard: Any) -> None:
    await installed(house)
    await house.installing.install(house.doer("Ada", "Quay"), "due-guard")
    house.offer(due_guard("1.1.0"), content="second")
    checked = await house.upgrading.check()
    assert {one.organisation_id for one in checked} == {house.ids["Harbour"], house.ids["Quay"]}
    assert await house.rows(t.installation, "version") == ["1.1.0", "1.1.0"]
