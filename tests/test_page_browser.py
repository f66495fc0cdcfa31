"""The first page in a real browser: over the sample, and over an organisation whose apps mean harm."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, Request, sync_playwright

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

SERVER = Path(__file__).parent / "page_server.py"
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PAGES = {"sample": "/", "hostile": "/?organisation=" + quote("Zebra & <b>sons</b>"), "error": "/nowhere"}
WIDTHS = (320, 1440)
SCHEMES = ("light", "dark")

SIDEWAYS = "() => document.documentElement.scrollWidth > window.innerWidth"
TOO_WIDE = """() => [...document.querySelectorAll("body *")]
  .filter(e => !e.closest(".board, .wide, .unseen, .skip, svg, pre code"))
  .filter(e => e.getBoundingClientRect().right > innerWidth + 0.5)
  .map(e => e.outerHTML.slice(0, 200))"""
SPILLED = """() => [...document.querySelectorAll(".card, .panel, .app, .badge, .column")]
  .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a server in a process of its own."""
    with subprocess.Popen([sys.executable, SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            line = server.stdout.readline().strip()
            assert line.startswith("http://127.0.0.1:"), "the server did not start; its errors are above"
            yield line
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=15)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Started once. No other kind of test runs meanwhile: this one leaves a running event loop in the thread."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path is not None, "Chromium is missing: install it, or set CHROMIUM to its path"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, headless=True, args=list(QUIET))
        yield started
        started.close()


@dataclass
class Visit:
    """A page and what happened while it was open."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    received: int = 0

    def note(self, request: Request) -> None:
        self.asked.append(request.url)

    def weigh(self, request: Request) -> None:
        sizes = request.sizes()
        self.received += sizes["responseBodySize"] + sizes["responseHeadersSize"]


@contextmanager
def visit(
    browser: Browser, url: str, *, width: int = 1440, scheme: str = "light", script: bool = True
) -> Iterator[Visit]:
    """Nothing may be complained about, and nothing asked for elsewhere."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
        java_script_enabled=script,
    )
    page = context.new_page()
    seen = Visit(page)
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("dialog", lambda dialog: seen.complaints.append(f"dialog: {dialog.message}"))
    page.on("request", seen.note)
    page.on("requestfinished", seen.weigh)
    try:
        page.goto(url)
        yield seen
        origin = urlsplit(url)[:2]
        assert [one for one in seen.asked if urlsplit(one)[:2] != origin] == []
        expected = "status of 404" if url.endswith(PAGES["error"]) else None  # the browser's own note of it
        assert [one for one in seen.complaints if expected is None or expected not in one] == []
    finally:
        context.close()


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("screenshots")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_pages_are_accessible_and_keep_their_shape(
    browser: Browser, address: str, screenshots: Path, name: str, width: int, scheme: str
) -> None:
    with visit(browser, address + PAGES[name], width=width, scheme=scheme) as seen:
        seen.page.screenshot(path=screenshots / f"{name}-{width}-{scheme}.png", full_page=True)
        assert not seen.page.evaluate(SIDEWAYS)
        assert seen.page.evaluate(TOO_WIDE) == []
        assert seen.page.evaluate(SPILLED) == []
        found = Axe().run(seen.page).response["violations"]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


def test_the_sample_is_all_there_and_small(browser: Browser, address: str) -> None:
    with visit(browser, address) as seen:
        page = seen.page
        assert page.locator(".card").count() > 20
        assert page.locator(".panel").get_by_role("heading", name="Reporting").count() == 1
        assert page.locator(".panel svg rect").count() > 5
        assert page.locator("#apps ~ .apps").get_by_role("heading", name="Reporting").count() == 1
        assert {urlsplit(one).path for one in seen.asked} <= {"/", "/static/style.css", "/static/icon.svg"}
        assert 10_000 < seen.received < 100_000


def test_without_scripts_it_is_the_same_page(browser: Browser, address: str) -> None:
    with visit(browser, address) as seen:
        with_scripts = seen.page.locator("main").inner_text()
    with visit(browser, address, script=False) as seen:
        assert seen.page.locator("main").inner_text() == with_scripts
        details = seen.page.locator("details").first
        assert not details.get_by_text("due dates").is_visible()
        details.locator("summary").click()
        assert details.get_by_text("due dates").is_visible()


def test_nothing_of_a_hostile_app_runs_or_leads_anywhere_odd(browser: Browser, address: str) -> None:
    with visit(browser, address + PAGES["hostile"]) as seen:
        page = seen.page
        assert "window.ran = 1" in page.locator(".panel").first.inner_text()
        for words in ("press", "turned around"):
            assert page.locator(".panel").get_by_role("link", name=words).count() == 0
        assert page.evaluate("() => document.scripts.length") == 0
        assert page.evaluate("() => window.ran") is None
        schemes = page.evaluate("() => [...new Set([...document.links].map(link => link.protocol))].sort()")
        assert schemes == ["http:", "https:"]
        assert page.get_by_role("heading", name="App directory").is_visible()


def test_the_keyboard_reaches_the_board_and_scrolls_it(browser: Browser, address: str) -> None:
    with visit(browser, address, width=320) as seen:
        page = seen.page
        skip = page.get_by_role("link", name="Skip to the board")
        page.keyboard.press("Tab")
        assert skip.evaluate("link => link === document.activeElement && link.getBoundingClientRect().top >= 0")
        page.keyboard.press("Enter")
        assert page.evaluate("() => document.activeElement.id") == "board"
        page.keyboard.press("Tab")
        board = page.get_by_role("region", name="Columns of the board")
        assert board.evaluate("board => board === document.activeElement")
        assert board.evaluate("board => getComputedStyle(board).outlineStyle") == "solid"
        page.keyboard.press("ArrowRight")
        page.wait_for_function("() => document.activeElement.scrollLeft > 0", timeout=5000)


def test_organisations_and_projects_are_chosen_by_links(browser: Browser, address: str) -> None:
    with visit(browser, address) as seen:
        page = seen.page
        page.get_by_role("navigation", name="Organisations").get_by_role("link", name="Zebra").click()
        assert "Zebra" in page.get_by_role("heading", level=1).inner_text()
        projects = page.get_by_role("navigation", name="Projects")
        projects.get_by_role("link", name="Project 7", exact=True).click()
        assert page.get_by_role("heading", level=2).first.inner_text() == "Project 7"
        assert projects.locator("[aria-current]").inner_text() == "Project 7"
