"""Links in the documents lead somewhere, and every page can be found from the first one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path for pattern in ("*.md", "docs/*.md", "core/*.md", "sdk/*.md", "plugins/*/*.md") for path in ROOT.glob(pattern)
)
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
LOOPBACK = "http://127.0.0.1:8000"
ELSEWHERE = {LOOPBACK, "https://semver.org/"}


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text("utf-8"))


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """File and anchor of each link to a page of our own."""
    for target in LINK.findall(prose(page)):
        if target in ELSEWHERE:
            continue
        assert "://" not in target, f"{page.name} leads elsewhere: {target}"
        name, _, anchor = target.partition("#")
        yield ((page.parent / name).resolve() if name else page), anchor


def anchors(page: Path) -> set[str]:
    """As GitHub and most others make them: small letters, hyphens for blanks, no other punctuation."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(prose(page)))
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in links(page):
        assert target.exists(), f"{page.name} leads to {target}"
        if anchor:
            assert anchor in anchors(target), f"{page.name} leads to #{anchor} in {target.name}"


def test_every_page_is_found_from_the_first() -> None:
    seen = {ROOT / "README.md"}
    waiting = list(seen)
    while waiting:
        for target, _ in links(waiting.pop()):
            if target.suffix == ".md" and target not in seen:
                seen.add(target)
                waiting.append(target)
    alone = {ROOT / "core" / "README.md"}  # the page of the distribution, for those who have only that
    assert set(PAGES) - seen == alone


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_named_in_the_text_are_there(page: Path) -> None:
    for name in re.findall(r"`((?:sdk|core|plugins|tests|docs|bench|requirements)/[\w./*-]*)`", prose(page)):
        assert list(ROOT.glob(name.rstrip("/"))), f"{page.name} names {name}"
