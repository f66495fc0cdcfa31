"""What an upgrade asks for beyond what was agreed to."""

from __future__ import annotations

import pytest

from assigntask_sdk.manifest import compare, parse

OPTIONAL = '\n[scopes.optional]\n"people:name" = "to show names"\n'


def changed(text: str, good: str, bad: str) -> str:
    assert good in text
    return text.replace(good, bad, 1)


def test_the_same_manifest_asks_for_nothing(manifest_text: str) -> None:
    manifest = parse(manifest_text)
    difference = compare(manifest, manifest)
    assert not difference.asks_more
    assert difference.details_added == {}


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('due"]', 'due", "task.done"]'),
        ("task_badges", "task_changed = []\ntask_badges"),
        ('"tasks:read"', '"tasks:people" = "why"\n"tasks:read"'),
        ('"tasks:read"', '"tasks:write" = "why"\n"tasks:read"'),
        ("[hooks]", '[scopes.optional]\n"people:name" = "why"\n[hooks]'),
        ("[hooks]", '[contacts]\ninstaller = ["person.email"]\n[hooks]'),
        ("sdk = 1", "sdk = 1\nretention_days = 31"),
        ("sdk = 1", 'sdk = 1\negress = ["api.vendor.example"]'),
        ("[hooks]", '[oauth]\nredirect_uris = ["https://vendor.example/back"]\n[hooks]'),
        ("[hooks]", '[oauth]\nclient_metadata = "https://vendor.example/client"\n[hooks]'),
        ("sdk = 1", 'sdk = 1\non_failure = "refuse"'),
        ('"NZ"', '"AU"'),
        ('"Vendor"', '"Another vendor"'),
    ],
)
def test_more_in_one_direction_is_less_in_the_other(manifest_text: str, good: str, bad: str) -> None:
    less, more = parse(manifest_text), parse(changed(manifest_text, good, bad))
    assert compare(less, more).asks_more
    vendor = less.vendor != more.vendor
    assert compare(more, less).asks_more == vendor


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("1.0.0", "1.1.0"),
        ("to show what is due", "to show it better"),
        ("help@vendor.example", "hello@vendor.example"),
        ("task_badges", "upgraded = []\ntask_badges"),
        ("sdk = 1", "sdk = 1\nretention_days = 3"),
    ],
)
def test_other_words_or_less_ask_for_nothing(manifest_text: str, good: str, bad: str) -> None:
    assert not compare(parse(manifest_text), parse(changed(manifest_text, good, bad))).asks_more


def test_a_scope_that_becomes_required_asks_and_one_that_becomes_optional_does_not(manifest_text: str) -> None:
    optional = parse(manifest_text + OPTIONAL)
    required = parse(changed(manifest_text, '"tasks:read"', '"people:name" = "to show names"\n"tasks:read"'))
    difference = compare(optional, required)
    assert difference.asks_more
    assert difference.required_added == difference.optional_removed == {"people:name"}
    assert not compare(required, optional).asks_more


def test_a_difference_names_hook_and_detail(manifest_text: str) -> None:
    new = parse(changed(manifest_text, 'task_badges = ["task.due"]', 'task_panel = ["task.due", "task.done"]'))
    difference = compare(parse(manifest_text), new)
    assert difference.details_added == {"task_panel": {"task.due", "task.done"}}
    assert difference.details_removed == {"task_badges": {"task.due"}}
    assert (difference.hooks_added, difference.hooks_removed) == ({"task_panel"}, {"task_badges"})


def test_another_path_of_the_same_place_asks_for_nothing(manifest_text: str) -> None:
    old = changed(manifest_text, "[hooks]", '[oauth]\nredirect_uris = ["https://vendor.example/back"]\n[hooks]')
    new = changed(old, "https://vendor.example/back", "https://vendor.example/later")
    assert parse(old).digest != parse(new).digest
    assert not compare(parse(old), parse(new)).asks_more


def test_a_difference_names_the_places_that_people_would_newly_be_sent_to(manifest_text: str) -> None:
    old = changed(manifest_text, "[hooks]", '[oauth]\nredirect_uris = ["http://127.0.0.1/back"]\n[hooks]')
    new = changed(old, "http://127.0.0.1/back", "https://Vendor.example:8443/back")
    difference = compare(parse(old), parse(new))
    assert difference.origins_added == {"https://vendor.example:8443"}
    assert difference.origins_removed == {"http://127.0.0.1"}
