"""`[schedule]` in app.toml: five fields, nothing more often than every five minutes, and a hook that is called."""

from __future__ import annotations

import pytest

from assigntask_sdk.manifest import ManifestError, parse

TAKEN = [
    "*/5 * * * *",
    "30 6 * * mon",
    "0 9 * * MON-FRI",
    "0 0 29 2 *",
    "0 0 1,15 jan-jun 7",
    "58,2 9 * * *",  # two minutes after nine, and two minutes before ten
    "10-50/20 8-18 * * 1-5",
]

REFUSED = [
    ("*/4 * * * *", "sooner than 5 minutes"),
    ("*/7 * * * *", "sooner than 5 minutes"),  # the 56th minute, and the next hour's first
    ("58,2 * * * *", "sooner than 5 minutes"),
    ("59,1 0,23 * * *", "sooner than 5 minutes"),
    ("* * * * *", "sooner than 5 minutes"),
    ("@daily", "five fields"),
    ("* * * * * *", "five fields"),
    ("0 25 * * *", "no such time"),
    ("0 0 30 2 *", "no such time"),
    ("*/0 1 * * *", "no such time"),
    ("5-1 9 * * *", "the minute can't be"),
    ("r 9 * * *", "the minute can't be"),
    ("0 0 l * *", "the day of the month can't be"),
    ("0 0 * * 1#2", "the day of the week can't be"),
    ("0 0 * * 1-fri", "the day of the week can't be"),
    ("0 0 * january *", "the month can't be"),
]


def text(manifest_text: str, schedule: str, hooks: str = "scheduled = []") -> str:
    return f"{manifest_text}{hooks}\n[schedule]\n{schedule}\n"


@pytest.mark.parametrize("cron", TAKEN)
def test_a_schedule_is_taken_as_it_is_written(manifest_text: str, cron: str) -> None:
    assert parse(text(manifest_text, f'weekly = "{cron}"')).schedule == {"weekly": cron}


@pytest.mark.parametrize(("cron", "words"), REFUSED)
def test_a_schedule_that_is_not_kept_is_refused_with_its_line(manifest_text: str, cron: str, words: str) -> None:
    whole = text(manifest_text, f'weekly = "{cron}"')
    with pytest.raises(ManifestError) as caught:
        parse(whole)
    [problem] = caught.value.problems
    assert (problem.code, problem.key) == ("manifest_value", "schedule.weekly")
    assert problem.line == whole[: whole.index("weekly")].count("\n") + 1
    assert words in problem.message


@pytest.mark.parametrize(
    ("schedule", "hooks", "code", "key", "words"),
    [
        ("weekly = 5", "scheduled = []", "manifest_value", "schedule.weekly", "five fields"),
        ('Weekly = "0 6 * * 1"', "scheduled = []", "manifest_value", "schedule.Weekly", "small letters"),
        ('weekly = "0 6 * * 1"', "", "manifest_missing", "schedule", "scheduled = []"),
        ('weekly = "0 6 * * 1"', 'scheduled = ["task.due"]', "manifest_unknown_detail", "hooks.scheduled", "write []"),
        (
            "\n".join(f'at_{number} = "0 6 * * 1"' for number in range(21)),
            "scheduled = []", "manifest_value", "schedule", "at most 20",
        ),
    ],
)  # fmt: skip
def test_a_table_of_schedules_is_checked(
    manifest_text: str, schedule: str, hooks: str, code: str, key: str, words: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        parse(text(manifest_text, schedule, hooks))
    assert [(problem.code, problem.key) for problem in caught.value.problems] == [(code, key)]
    assert words in caught.value.message


def test_a_manifest_without_schedules_keeps_its_digest(manifest_text: str) -> None:
    assert "schedule" not in parse(manifest_text).model_dump(exclude_defaults=True)
