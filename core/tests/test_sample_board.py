"""The sample organisation is complete, and as fresh as the day on which it is loaded."""

from collections import Counter
from datetime import date, timedelta

from assigntask import sample
from assigntask.tasks.importers.trello import read


def test_the_sample_fits_its_people_and_moves_to_yesterday() -> None:
    today = date(2031, 2, 3)
    data, people = sample.load(today)
    board = read(data)
    user_names = [person.user_name for person in people.people]
    assert sorted(user_names) == sorted(person.user_name or "" for person in board.people)
    assert set(people.task_type_of_card) == {task.source_id for task in board.tasks}
    assert set(people.task_type_of_card.values()) == set(people.task_types)
    sizes = Counter(person.department for person in people.people)
    assert [sizes[name] for name in people.departments] == [6, 5, 3]
    assert [person.role for person in people.people].count("admin") == 1
    assert all(person.email.endswith(("@example.org", "@example.com", "@example.net")) for person in people.people)
    moments = [entry.created_at for task in board.tasks for entry in task.comments if entry.created_at]
    moments += [task.updated_at for task in board.tasks if task.updated_at]
    assert max(moments).date() == today - timedelta(days=1)


def test_the_sample_is_rich_enough_to_show_everything() -> None:
    data, _ = sample.load(date(2031, 2, 3))
    board = read(data)
    counts = board.report.read
    assert counts["tasks"] >= 30 and counts["archived statuses"] == 1 and counts["archived tasks"] == 1
    assert counts["comments"] >= 20 and counts["checklist items"] >= 15 and counts["attachments"] >= 8
    assert all(task.created_at and task.created_by for task in board.tasks)
    assert all(bool(task.done_at) == task.done for task in board.tasks)
    dues = [task.due.day for task in board.tasks if task.due and not task.done]
    assert min(dues) < date(2031, 2, 2) < max(dues)
    assert any(entry.mentions for task in board.tasks for entry in task.comments)
    links = [entry.url for task in board.tasks for entry in task.attachments]
    assert all(url.startswith("https://example.org/") for url in links)
    assert b"trello.com" not in data


def test_the_sample_has_the_same_ids_on_every_day() -> None:
    first, second = (read(sample.load(day)[0]) for day in (date(2030, 1, 1), date(2031, 7, 9)))
    assert [task.source_id for task in first.tasks] == [task.source_id for task in second.tasks]
    moved = [(a.created_at, b.created_at) for a, b in zip(first.tasks, second.tasks, strict=True)]
    assert {b - a for a, b in moved if a and b} == {date(2031, 7, 9) - date(2030, 1, 1)}
