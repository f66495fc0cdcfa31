"""An id belongs to whoever offered it first, and a version means one manifest and one content."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from assigntask.db import tables as t
from assigntask.errors import HostError
from assigntask.installations import admission
from assigntask.installations.directory import Directory
from assigntask_sdk.apps import AppBroken

OTHER_VENDOR = {
    "name": "Other Tools",
    "contact": "help@other.example",
    "privacy": "https://other.example/privacy",
    "country": "DE",
}


async def refused(house: Any, organisation: str = "Quay") -> str:
    """The code with which a second organisation's install is refused; nothing must have changed."""
    before = await house.dump()
    with pytest.raises(HostError) as caught:
        await house.installing.install(house.doer("Ada", organisation), "due-guard")
    with pytest.raises(HostError) as looked:
        await house.installing.install(house.doer("Ada", organisation), "due-guard", dry_run=True)
    assert looked.value.code == caught.value.code
    assert await house.dump() == before
    return caught.value.code


async def test_an_id_of_another_vendor_is_taken(house: Any, due_guard: Any) -> None:
    await house.installing.install(house.doer(), "due-guard")
    house.offer(due_guard("2.0.0", vendor=OTHER_VENDOR))
    assert await refused(house) == "app_id_taken"
    house.offer(due_guard("2.0.0"), distribution="somebody-elses-package")
    assert await refused(house) == "app_id_taken"


async def test_the_same_distribution_written_otherwise_is_the_same(house: Any, due_guard: Any) -> None:
    await house.installing.install(house.doer(), "due-guard")
    house.offer(due_guard(), distribution="Acme_Due.Guard")
    assert (await house.installing.install(house.doer("Ada", "Quay"), "due-guard")).state == "active"


async def test_the_same_version_with_another_manifest_is_refused(house: Any, due_guard: Any) -> None:
    await house.installing.install(house.doer(), "due-guard")
    house.offer(due_guard(retention_days=31))
    assert await refused(house) == "app_version_reused"
    house.offer(due_guard(retention_days=31), editable=True)
    assert await refused(house) == "app_version_reused"


async def test_the_same_version_with_other_code_is_refused(house: Any, due_guard: Any) -> None:
    await house.installing.install(house.doer(), "due-guard")
    house.offer(due_guard(), content="second")
    assert await refused(house) == "app_code_changed"


async def test_code_that_was_pinned_does_not_change_by_becoming_editable(house: Any, due_guard: Any) -> None:
    await house.installing.install(house.doer(), "due-guard")
    house.offer(due_guard(), content="second", editable=True)
    assert await refused(house) == "app_code_changed"


async def test_editable_code_is_taken_as_it_stands_until_it_is_pinned(house: Any, due_guard: Any) -> None:
    house.offer(due_guard(), content="first", editable=True)
    await house.installing.install(house.doer(), "due-guard")
    house.offer(due_guard(), content="second", editable=True)
    await house.upgrading.check()
    assert await house.rows(t.app_version, "content_digest") == [house.apps[0].content_digest]
    house.offer(due_guard(), content="third")
    await house.installing.install(house.doer("Ada", "Quay"), "due-guard")
    assert await house.rows(t.app_version, "editable") == [False]


async def test_a_refused_app_is_reported_and_the_others_are_looked_at(house: Any, due_guard: Any) -> None:
    await house.installing.install(house.doer(), "due-guard")
    house.offer(due_guard(), content="second")
    checked = await house.upgrading.check()
    assert [(one.outcome, one.code) for one in checked] == [("refused", "app_code_changed")]


async def test_the_accepted_manifest_holds_whatever_is_installed(house: Any, due_guard: Any) -> None:
    await house.installing.install(house.doer(), "due-guard")
    accepted = house.apps[0].manifest
    house.offer(due_guard("3.0.0", name="Quite Another"))
    assert await house.db.read(admission.manifest_of, "due-guard", "1.0.0") == accepted
    with pytest.raises(HostError) as caught:
        await house.db.read(admission.manifest_of, "due-guard", "9.9.9")
    assert caught.value.code == "app_unknown"


async def test_the_directory_lists_a_broken_app_and_does_not_give_it(house: Any) -> None:
    error = AppBroken("manifest_value", "due-guard", "retention_days: -1 can't be taken")
    broken = replace(house.apps[0], manifest=None, error=error)
    directory = Directory(lambda: [broken])
    assert [app.error for app in directory.list()] == [error]
    with pytest.raises(HostError, match="retention_days") as caught:
        directory.get("due-guard")
    assert caught.value.code == "app_broken"
