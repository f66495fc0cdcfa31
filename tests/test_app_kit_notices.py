"""What an app's test can bring about so that its notices come: attachments, projects, and people who change."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from assigntask.kit import open_host
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.errors import Invalid, NotFound

BenchApp = Callable[[str], InstalledApp]


async def test_a_test_brings_about_what_the_new_notices_tell(bench_app: BenchApp) -> None:
    async with open_host(bench_app("probing_app")) as host:
        ada = await host.person("Ada", email="ada@host.example")
        task = await host.create_task("Bend the tubes")
        link = await host.attach(task, "Plan", "https://plans.example/1", by=ada)
        await host.edit_project(description="All of them", archived=True)
        changed = await host.edit_person(ada, name="Ada L.", job_title="Smith", role="admin")
        assert (changed.id, changed.name, changed.role) == (ada.id, "Ada L.", "admin")
        await host.drain()
        await host.detach(link)
        await host.drain()
        given = {(record, entry.details) for entry in await host.ledger() for record in entry.records}
        assert any("attachment.name" in details for record, details in given if record == f"attachment:{link}")
        assert any("project.archived" in details for record, details in given if record.startswith("project:"))
        assert any("person.name" in entry.details for entry in await host.ledger(ada))
        assert {"attachment_added", "attachment_removed", "project_changed", "person_changed"} <= {
            key.partition("/")[0] async for key, _ in host.ctx().storage.scan("")
        }


async def test_what_is_not_there_is_not_changed(bench_app: BenchApp) -> None:
    async with open_host(bench_app("probing_app")) as host:
        ada = await host.person("Ada", department="Works")
        await host.create_task("Elsewhere", project="Frames")
        await host.edit_project("Frames", name="Tubes")
        with pytest.raises(NotFound, match="Frames"):
            await host.edit_project("Frames", name="Wheels")
        with pytest.raises(Invalid, match="colour"):
            await host.edit_person(ada, colour="red")
        await host.leave(ada)
        found = await host.ctx().people.get(str(await host.known_as(ada)))  # type: ignore[arg-type]
        assert found.name == "Ada"
