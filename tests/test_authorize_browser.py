"""The authorize page in a real browser: accessible at every width, by keyboard alone, and without scripts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, sync_playwright

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

SERVER = Path(__file__).parent / "authorize_server.py"
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
SIDEWAYS = "() => document.documentElement.scrollWidth > window.innerWidth"
TOO_WIDE = """() => [...document.querySelectorAll("body *")]
  .filter(e => !e.closest(".unseen, pre code") && e.getBoundingClientRect().right > innerWidth + 0.5)
  .map(e => e.outerHTML.slice(0, 200))"""


@dataclass(frozen=True)
class Served:
    address: str
    vendor: str
    clients: dict[str, str]
    links: dict[str, list[str]]

    def link(self, name: str) -> str:
        return f"{self.address}/sign-in?link={self.links[name].pop()}"

    def asking(self, app: str = "asking-app", **changes: str) -> str:
        given = {
            "client_id": self.clients[app], "response_type": "code", "redirect_uri": f"{self.vendor}/back",
            "state": "s-1", "code_challenge": CHALLENGE, "code_challenge_method": "S256", **changes,
        }  # fmt: skip
        return f"{self.address}/oauth/authorize?{urlencode(given)}"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """By a server in a process of its own."""
    with subprocess.Popen([sys.executable, SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            line = server.stdout.readline()
            assert line.startswith("{"), "the server did not start; its errors are above"
            yield Served(**json.loads(line))
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


@contextmanager
def opened(browser: Browser, *expected: str, **options: Any) -> Iterator[Page]:
    """Nothing may be complained about but what is `expected`."""
    context = browser.new_context(**options)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield page
        assert [each for each in complaints if not any(words in each for words in expected)] == []
    finally:
        context.close()


def sign_in(page: Page, served: Served, name: str) -> None:
    page.goto(served.link(name))
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()


def answered(page: Page, served: Served) -> dict[str, list[str]]:
    page.wait_for_url(f"{served.vendor}/**")
    return parse_qs(urlsplit(page.url).query)


PAGES = {
    "consent": ("Ben", {}),
    "admin": ("Ada", {}),
    "step-up": ("Dee", {}),
    "nothing-new": ("Dee", {"scope": "tasks:read"}),
    "objected": ("Cem", {}),
    "hostile": ("Ben", {"app": "hostile-app"}),
}


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("screenshots")


def assert_sound(page: Page, picture: Path) -> None:
    page.screenshot(path=picture, full_page=True)
    assert not page.evaluate(SIDEWAYS)
    assert page.evaluate(TOO_WIDE) == []
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1440, "dark")])
def test_pages_are_accessible_and_keep_their_shape(
    browser: Browser, served: Served, screenshots: Path, width: int, scheme: str
) -> None:
    look: dict[str, Any] = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    for name, (person, changes) in PAGES.items():
        with opened(browser, "status of 403", **look) as page:
            sign_in(page, served, person)
            back = {"redirect_uri": f"{served.vendor}/{'b' * 400}"} if name == "hostile" else {}
            page.goto(served.asking(**{**changes, **back}))
            assert_sound(page, screenshots / f"{name}-{width}-{scheme}.png")
            assert page.evaluate("() => window.ran") is None
    with opened(browser, "status of 401", "status of 400", **look) as page:
        page.goto(served.link("Ben"))
        assert_sound(page, screenshots / f"link-{width}-{scheme}.png")
        page.goto(served.asking())
        assert_sound(page, screenshots / f"needed-{width}-{scheme}.png")
        page.goto(f"{served.address}/sign-in")
        assert_sound(page, screenshots / f"sign-in-{width}-{scheme}.png")
        sign_in(page, served, "Ben")
        page.goto(served.asking(redirect_uri="https://elsewhere.example/"))
        assert_sound(page, screenshots / f"refused-{width}-{scheme}.png")


@pytest.mark.parametrize("script", [True, False])
def test_somebody_allows_a_part_and_is_sent_back_with_a_code(browser: Browser, served: Served, script: bool) -> None:
    with opened(browser, java_script_enabled=script) as page:
        sign_in(page, served, "Ben")
        page.goto(served.asking())
        page.get_by_label("create, change and archive tasks").uncheck()
        page.get_by_text("What it gets").first.click()
        page.get_by_text("task summaries").wait_for()
        page.get_by_role("button", name="Allow", exact=True).click()
        answer = answered(page, served)
        assert answer["code"][0].startswith("ac_")
        assert (answer["state"], answer["iss"]) == (["s-1"], [served.address])


def test_the_keyboard_alone_is_enough(browser: Browser, served: Served) -> None:
    with opened(browser) as page:
        sign_in(page, served, "Ada")
        page.goto(served.asking(scope="comments:read tasks:write"))
        box = page.get_by_label("read comments", exact=True)
        _tab_to(page, "read comments")
        assert box.evaluate("box => getComputedStyle(box).outlineStyle") == "solid"
        page.keyboard.press("Space")
        assert not box.is_checked()
        _tab_to(page, "Allow")
        page.keyboard.press("Enter")
        assert answered(page, served)["code"]


def test_nothing_ticked_is_said_and_saying_no_sends_back(browser: Browser, served: Served) -> None:
    with opened(browser, "status of 400") as page:
        sign_in(page, served, "Ada")
        page.goto(served.asking(scope="people:email"))
        page.get_by_role("checkbox").uncheck()
        page.get_by_role("button", name="Allow", exact=True).click()
        assert "Nothing is ticked." in page.get_by_role("alert").inner_text()
        page.get_by_role("button", name="Don't allow").click()
        answer = answered(page, served)
        assert (answer["error"], "code" in answer) == (["access_denied"], False)


def test_another_site_can_not_press_the_button(browser: Browser, served: Served) -> None:
    with opened(browser, "status of 403") as page:
        sign_in(page, served, "Ada")
        page.goto(f"{served.vendor}/evil")
        page.get_by_role("button", name="Go").click()
        page.wait_for_url(f"{served.address}/**")
        assert "cross_site" in page.locator("body").inner_text()


def test_signing_out_by_its_button_ends_the_session(browser: Browser, served: Served) -> None:
    with opened(browser, "status of 401") as page:
        sign_in(page, served, "Ben")
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("heading", name="You are signed out").wait_for()
        page.goto(served.asking())
        page.get_by_role("heading", name="Sign in first").wait_for()


def _tab_to(page: Page, words: str) -> None:
    """Presses Tab until what has these words is focused."""
    name = "() => { const e = document.activeElement; return (e.labels?.[0] ?? e).innerText.trim() }"
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate(name) == words:
            return
    raise AssertionError(f"{words!r} can't be reached by Tab")
