"""Apps that mean harm, or are late: nothing of theirs runs, and the page is there."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from assigntask.tasks import projects
from assigntask.web import board, site
from assigntask_sdk.blocks import Badge, Chart, Code, Image, Link, ListBlock, Series, Table, Text, When, Who

pytestmark = pytest.mark.timeout(60)

World = Any

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><svg/onload=alert(1)>{{7*7}}{%raw%}"
TURNED = "safe \u202egpj.exe\u2066\u0000\u0007 end"
ADDRESSES = [
    "javascript:alert(1)", " javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", "\x01javascript:x",
    "data:text/html,<script>x</script>", "vbscript:x", "file:///etc/passwd", "//evil.example/x", "/local", "?x", "#x",
    "https://", "https:evil.example", "https://bank.example@evil.example/", "https://bank.example\\@evil.example",
    "http://[::1", "mailto:javascript:x", "",
]  # fmt: skip


def scribble(*blocks: Any, badges: tuple[str, ...] = ()) -> None:
    from scribbling_app import hooks  # type: ignore[import-not-found]

    hooks.panel[:] = blocks
    hooks.badge[:] = badges


async def test_nothing_that_an_app_writes_becomes_markup(world: World) -> None:
    await world.install("scribbling_app")
    await world.task(f"task {EVIL}")
    scribble(
        Text([EVIL, Link(EVIL, "https://example.org/"), Code(EVIL), Who(EVIL)]),  # type: ignore[arg-type]
        Table([EVIL, EVIL], [[EVIL], [Code(EVIL), EVIL, EVIL]], EVIL),
        ListBlock([EVIL, EVIL]),
        Image("https://example.org/x.png", EVIL),
        Chart("bar", [Series(EVIL, [(EVIL, 1.0)])], EVIL, EVIL),
        Chart("line", [Series(EVIL, [(EVIL, 1.0)])], EVIL, EVIL),
        badges=(EVIL[:40],),
    )
    page = await world.page()
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "iframe", "style", "object", "form", "input", "button", "base"}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "srcdoc")]
    assert page.text.count(EVIL) >= 15
    assert "49" not in page.text


@pytest.mark.parametrize("address", ADDRESSES)
async def test_only_plain_addresses_become_links(world: World, address: str) -> None:
    await world.install("scribbling_app")
    scribble(Text([Link("press here", address)]), Image(address, "look here"))
    page = await world.page()
    assert "press here" in page.text
    assert "look here" in page.text
    assert not [one for tag, one in page.elements if tag == "a" and one.get("rel")]


async def test_a_link_says_where_it_leads_and_tells_nobody_where_from(world: World) -> None:
    await world.install("scribbling_app")
    scribble(
        Text([Link("Your bank", "https://evil.example/login?to=https://bank.example")]),
        Text([Link("docs.example", "http://docs.example:8080/")]),
        Text([Link("write", "mailto:bo@example.org")]),
        Text([Link("", "https://bare.example/")]),
    )
    page = await world.page()
    assert "Your bank (evil.example)" in page.text
    assert "docs.example (" not in page.text
    assert "write (bo@example.org)" in page.text
    assert "https://bare.example/" in page.text
    links = [one for tag, one in page.elements if tag == "a" and one.get("rel")]
    assert len(links) == 4
    assert {one["rel"] for one in links} == {"noopener noreferrer nofollow"}
    assert all("target" not in one for one in links)


async def test_text_that_turns_its_neighbours_around_is_isolated(world: World) -> None:
    await world.install("scribbling_app")
    await world.task("summary \u202eesrever")
    scribble(Text([TURNED]), Table([TURNED], [[TURNED]], TURNED), badges=("\u202ebadge",))
    page = await world.page()
    assert not set(page.html) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u0000\u0007")
    assert page.html.count("<bdi>safe gpj.exe end</bdi>") == 4
    assert "<bdi>summary esrever</bdi>" in page.html


async def test_what_is_too_large_or_no_text_at_all_leaves_the_page_whole(world: World) -> None:
    await world.install("scribbling_app")
    await world.task("Oil the crane")
    for blocks in (
        [Text(["x" * 1_000_000])],
        [Text(["\ud800"])],
        [Chart("bar", [Series("n", [("a", float("nan"))])], "")],
    ):
        scribble(*blocks)
        page = await world.page()
        assert "Oil the crane" in page.text
        assert "scribbling-app: board_panel" in page.text
        assert len(page.body) < 30_000


async def test_odd_shapes_and_ends_of_the_calendar_are_drawn_somehow(world: World) -> None:
    await world.install("scribbling_app")
    await world.task("Oil the crane")
    scribble(
        Text([]),
        ListBlock([]),
        Table([], []),
        Table(["one"], [[], ["a", "b", "c"]]),
        Chart("bar", [], ""),
        Chart("line", [Series("", [])], "", "empty"),
        Chart("bar", [Series("s", [("", -1e308), ("", 1e308)])], "far"),
        Text([When(dt.datetime.min.replace(tzinfo=dt.UTC)), When(dt.datetime.max.replace(tzinfo=dt.UTC))]),
        Badge(""),
        Text(["the end"]),
    )
    page = await world.page()
    assert "the end" in page.text
    assert "nan" not in page.html
    assert "inf" not in page.html.replace("information", "")


async def test_the_page_stays_small_whatever_an_app_draws(world: World) -> None:
    await world.install("scribbling_app")
    wide = [[""] * 80 for _ in range(100)]
    scribble(
        Chart("bar", [Series("s", [("", 1.0)] * 2000) for _ in range(2)], "many"),
        Table([""] * 80, wide),
    )
    page = await world.page()
    assert "3760 more points are not drawn" in page.text
    assert len(page.body) < 500_000


async def test_long_names_are_cut(world: World) -> None:
    harbour, board = world.ids["Harbour"], world.ids["Harbour board"]
    names = (harbour, board, "l" * 20_000)
    label = await world.platform.db.write(lambda conn: projects.add_label(conn, *names, colour=None))
    somebody = await world.person("P" * 200)
    await world.task("s" * 1000, labels=[label], assignees=[somebody])
    page = await world.page()
    for letter, length in (("s", 400), ("l", 40), ("P", 60)):
        assert letter * (length - 1) + "…" in page.text
    assert len(page.body) < 20_000


@pytest.mark.parametrize("package", ["hanging_app", "blocking_app", "raising_app", "wrong_type_app", "huge_app"])
async def test_an_app_that_misbehaves_costs_its_limit_and_only_its_own_part(open_world: Any, package: str) -> None:
    async with open_world(task_saving=0.3, task_badges=0.3, board_panel=0.3) as world:
        await world.organisation("Harbour", admin="ada")
        await world.install("drawing_app")
        bad = await world.install(package)
        await world.task("Oil the crane")
        await world.page()  # apps are imported at their first call, which is not what is measured
        started = time.perf_counter()
        text = (await world.page()).text
        assert time.perf_counter() - started < 5
        assert "Oil the crane" in text
        assert "Harbour board for" in text
        assert f"{bad.id}: board_panel" in text


async def test_an_app_that_is_slow_to_start_is_left_out_until_it_has(world: World) -> None:
    await world.install("starting_app")
    await world.task("Oil the crane")
    platform = world.platform
    parts = (platform.db, platform.directory, platform.questions, platform.grants, platform.clock)
    world.site = site.site(board.Services(*parts, patience=0.2), platform.entrance())
    text = (await world.page()).text
    assert "Oil the crane" in text
    assert "Some apps are still starting" in text
    sys.modules["starting_app.hooks"].go_on.set()
    async with asyncio.timeout(10):
        while "Started at last" not in (text := (await world.page()).text):
            await asyncio.sleep(0)
    assert "Some apps are still starting" not in text


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that are run meanwhile, without how many values they are given."""
    statements: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        statements.append(re.sub(r"\((?:\?,? ?)+\)", "(?)", statement))

    sa.event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sa.event.remove(Engine, "before_cursor_execute", note)


async def test_the_number_of_queries_does_not_grow_with_the_tasks(open_world: Any) -> None:
    async def statements(count: int) -> list[str]:
        async with open_world() as world:
            await world.organisation("Harbour", admin="ada")
            crew = [await world.person(f"Person {number}") for number in range(5)]
            await world.install("drawing_app")
            await world.install("scribbling_app")
            scribble(Text(["Hello"]), badges=("one", "two"))
            for number in range(count):
                await world.task(f"task {number}", assignees=[crew[number % len(crew)]])
            with counted() as found:
                text = (await world.page()).text
            assert text.count("#") == count
            return found

    few, many = await statements(5), await statements(150)
    assert len(few) > 10
    assert set(many) == set(few)
    assert len(many) < len(few) + 10  # what two apps are given at once may be recorded in one commit or in two


def test_the_patience_of_the_page_is_longer_than_the_limits_of_its_questions() -> None:
    from assigntask_sdk.hooks import Hooks

    assert 2 * max(Hooks.all["task_badges"].limit, Hooks.all["board_panel"].limit) < board.PATIENCE
