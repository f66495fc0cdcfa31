"""Reporting in the real host."""

import datetime as dt

from assigntask_sdk import Block, Chart, Table, Text, Who
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.testing import Host, HostUnderTest, PersonUnderTest

COUNTED = {"task.created", "task.done", "task.departments"}
CHOSEN = {"task.project", "task.updated", "task.archived"}


async def department(host: HostUnderTest, name: str, people: int) -> list[PersonUnderTest]:
    return [await host.person(f"{name} {number}", department=name) for number in range(people)]


def table_of(blocks: list[Block]) -> Table:
    [table] = [block for block in blocks if isinstance(block, Table)]
    return table


def titled(blocks: list[Table | Chart], title: str) -> Table:
    [table] = [block for block in blocks if isinstance(block, Table) and block.title == title]
    return table


async def report(host: HostUnderTest) -> list[Table | Chart]:
    today = host.clock.now().date()
    return await host.report(today - dt.timedelta(days=70), today)


async def test_the_board_shows_what_was_created_and_done_in_each_week(host: HostUnderTest) -> None:
    works = await department(host, "Works", 5)
    first = await host.create_task("Bend the tubes", assignees=works[:2])
    await host.create_task("Order paint")
    host.clock.advance(dt.timedelta(days=7))
    await host.edit_task(first, status="Done")
    table = table_of(await host.board_panel())
    assert table.head == ["Week", "All tasks", "Works", "No department"]
    assert len(table.rows) == 8
    assert [row[1:] for row in table.rows[-2:]] == [["2 / 0", "1 / 0", "1 / 0"], ["0 / 1", "0 / 1", "0 / 0"]]


async def test_a_small_department_is_never_shown_by_itself(host: HostUnderTest) -> None:
    office, shop = await department(host, "Office", 2), await department(host, "Shop", 5)
    works = await department(host, "Works", 6)
    for person in (office[0], shop[0], works[0]):
        await host.create_task("Take stock", assignees=[person])
    await host.settings(smallest_group=1)
    panel = await host.board_panel()
    assert table_of(panel).head == ["Week", "All tasks", "Works", "Smaller departments", "No department"]
    assert table_of(panel).rows[-1][1:] == ["3 / 0", "1 / 0", "2 / 0", "0 / 0"]
    [text] = [block for block in panel if isinstance(block, Text)]
    assert "Smaller departments: Office, Shop." in str(text.parts)
    rows = titled(await report(host), "Per department").rows
    assert rows == [
        ["Works", "1", "0"],
        ["Smaller departments", "2", "0"],
        ["No department", "0", "0"],
        ["Total", "3", "0"],
    ]


async def test_a_board_joins_what_the_report_joined(host: HostUnderTest) -> None:
    office, shop = await department(host, "Office", 2), await department(host, "Shop", 5)
    works = await department(host, "Works", 6)
    await host.create_task("Answer the post", assignees=[office[0]], project="Elsewhere")
    await host.create_task("Serve", assignees=[shop[0]])
    await host.create_task("Weld", assignees=[works[0]])
    assert "Shop" in table_of(await host.board_panel()).head
    await report(host)
    host.clock.advance(dt.timedelta(days=1))  # another day: what was shown before is not shown again
    assert table_of(await host.board_panel()).head[2:] == ["Works", "Smaller departments", "No department"]


async def test_the_report_counts_archived_tasks_and_every_project(host: HostUnderTest) -> None:
    task = await host.create_task("Paint the frame", project="Frames")
    await host.create_task("True the wheels", project="Wheels")
    await host.edit_task(task, archived=True)
    assert titled(await report(host), "Per week").rows[-1] == ["Total", "", "2", "0"]


async def test_per_person_the_host_writes_the_names(host: HostUnderTest) -> None:
    [ada] = await department(host, "Works", 1)
    await host.create_task("Bend the tubes", assignees=[ada])
    known = await host.known_as(ada)
    assert known is not None
    assert titled(await report(host), "Per person").rows == [[Who(known), "1", "0"]]
    assert "person.name" not in {detail for entry in await host.ledger() for detail in entry.details}


async def test_without_the_optional_scope_no_report_knows_anybody(assigntask_app: InstalledApp) -> None:
    async with Host.open(assigntask_app, without=["tasks:people"]) as host:
        works = await department(host, "Works", 5)
        await host.create_task("Bend the tubes", assignees=works)
        blocks = await report(host)
        assert "Per person" not in {block.title for block in blocks if isinstance(block, Table)}
        assert titled(blocks, "Per department").rows[0] == ["Works", "1", "0"]
        assert "task.assignees" not in {detail for entry in await host.ledger() for detail in entry.details}


async def test_all_pages_of_tasks_are_counted(host: HostUnderTest) -> None:
    for number in range(205):
        await host.create_task(f"Task {number}")
    assert titled(await report(host), "Per week").rows[-1] == ["Total", "", "205", "0"]
    assert table_of(await host.board_panel()).rows[-1][1] == "205 / 0"


async def test_who_objects_is_in_the_totals_and_nowhere_else(host: HostUnderTest) -> None:
    works = await department(host, "Works", 6)
    await host.create_task("Bend the tubes", assignees=[works[0]])
    await host.create_task("Weld", assignees=[works[1]])
    await host.object(works[0])
    blocks = await report(host)
    assert titled(blocks, "Per person").rows == [
        [Who(known), "1", "0"] for known in [await host.known_as(works[1])] if known
    ]
    assert titled(blocks, "Per department").rows == [
        ["Works", "1", "0"],
        ["No department", "1", "0"],
        ["Total", "2", "0"],
    ]


async def test_the_number_of_weeks_on_the_board_can_be_set(host: HostUnderTest) -> None:
    await host.settings(weeks=4)
    assert len(table_of(await host.board_panel()).rows) == 4


async def test_the_board_is_given_what_is_counted_and_nothing_else(host: HostUnderTest) -> None:
    works = await department(host, "Works", 5)
    await host.create_task("Bend the tubes", assignees=works)
    await host.edit_task(await host.create_task("Order paint"), archived=True)
    await host.drain()
    before = len(await host.ledger())
    await host.board_panel()
    given = {detail for entry in (await host.ledger())[before:] for detail in entry.details}
    assert given == COUNTED | CHOSEN
    assert await host.unread_details() == frozenset()


async def test_the_report_adds_the_assignees_and_nothing_else(host: HostUnderTest) -> None:
    works = await department(host, "Works", 5)
    await host.create_task("Bend the tubes", assignees=works)
    await host.drain()
    await report(host)
    given = {detail for entry in await host.ledger() for detail in entry.details}
    assert given == COUNTED | {
        "task.assignees",
        "person.email",
    }  # the address is the installer's, from the installation


async def test_the_installers_address_is_kept_and_goes_when_they_object(host: HostUnderTest) -> None:
    await host.drain()
    kept = await host.ctx().storage.get("contact")
    assert kept is not None
    assert kept.value == {"person": await host.known_as(host.admin), "email": host.admin.email}
    await host.object(host.admin)
    await host.drain()
    assert await host.ctx().storage.get("contact") is None


async def test_the_installers_address_stays_when_somebody_else_is_forgotten(host: HostUnderTest) -> None:
    other = await host.person("Bo", email="bo@example.org", department="Works")
    await host.create_task("Bend the tubes", assignees=[other])
    await report(host)
    await host.forget(other)
    await host.drain()
    assert await host.ctx().storage.get("contact") is not None


async def test_the_installers_address_goes_when_they_are_forgotten(host: HostUnderTest) -> None:
    await host.person("Cy", email="cy@example.org", role="admin")  # somebody stays in charge
    await host.drain()
    await host.forget(host.admin)
    await host.drain()
    assert await host.ctx().storage.get("contact") is None
