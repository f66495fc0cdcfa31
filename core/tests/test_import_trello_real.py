"""Everything in a board that Trello really exported arrives."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assigntask.tasks.importers.board import Board, LeftOut
from assigntask.tasks.importers.trello import read

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "trello-board.json"


def left_out(board: Board, what: str) -> LeftOut:
    (line,) = [line for line in board.report.left_out if line.what == what]
    return line


@pytest.fixture(scope="module")
def real() -> Board:
    if not REAL.exists():
        pytest.skip("the real export is not here")
    return read(REAL.read_bytes())


def test_the_real_board_arrives_with_every_list_and_the_archived_one(real: Board) -> None:
    assert (real.name, real.archived) == ("Simple Project Board", False)
    assert real.url == "https://trello.com/b/joJVJ2KP/simple-project-board"
    assert [(status.name[:5], status.archived) for status in real.statuses] == [
        ("BRAIN", False),
        ("TODO ", False),
        ("DOING", False),
        ("DONE!", False),
        ("some ", True),
    ]


def test_the_real_board_arrives_with_every_card_in_its_list(real: Board) -> None:
    raw = json.loads(REAL.read_bytes())
    assert {task.source_id: (task.summary, task.description, task.status) for task in real.tasks} == {
        card["id"]: (card["name"].strip(), card["desc"], card["idList"]) for card in raw["cards"]
    }
    assert [task.summary for task in real.tasks if task.archived] == ["archived card in DONE"]


def test_the_real_checklists_keep_the_state_of_each_item(real: Board) -> None:
    found = [
        (task.source_id, checklist.name, item.text, item.done)
        for task in real.tasks
        for checklist in task.checklists
        for item in checklist.items
    ]
    expected = [
        (checklist["idCard"], checklist["name"], item["name"], item["state"] == "complete")
        for checklist in json.loads(REAL.read_bytes())["checklists"]
        for item in checklist["checkItems"]
    ]
    assert Counter(found) == Counter(expected)
    assert sum(done for *_, done in found) == 7


def test_the_real_comments_keep_author_time_and_order(real: Board) -> None:
    (task,) = [task for task in real.tasks if len(task.comments) == 3]
    assert [entry.created_at.isoformat() for entry in task.comments if entry.created_at] == [
        "2022-11-21T19:23:46.824000+00:00",
        "2022-11-21T19:48:43.185000+00:00",
        "2022-11-21T19:48:52.870000+00:00",
    ]
    assert task.comments[0].text == "this is a comment. \n\nAlso, I just updated this comment. "
    assert task.comments[0].edited_at == datetime(2022, 11, 21, 19, 25, 10, 732000, tzinfo=UTC)
    (person,) = real.people
    assert (person.name, person.user_name, person.present) == ("Trello Sample User", "usersample26", True)
    assert {entry.author for task in real.tasks for entry in task.comments} == {person.source_id}
    assert real.report.read["comments"] == 4


def test_the_real_attachments_arrive_as_links(real: Board) -> None:
    found = {entry.source_id: entry for task in real.tasks for entry in task.attachments}
    assert len(found) == 5
    pdf = found["637a0c363ac8dc0668d6428a"]
    assert (pdf.name, pdf.mime, pdf.size) == ("test.pdf", "application/pdf", 7340)
    assert pdf.url.startswith("https://trello.com/") and pdf.url.endswith("/download/test.pdf")
    assert pdf.created_at == datetime(2022, 11, 20, 11, 15, 2, 267000, tzinfo=UTC)
    assert left_out(real, "contents of uploaded files").how_many == 5


def test_the_real_labels_arrive_also_without_name_or_colour(real: Board) -> None:
    assert len(real.labels) == 8
    by_id = {label.source_id: (label.name, label.color) for label in real.labels}
    assert sum(name == "" for name, _ in by_id.values()) == 5
    (task,) = [task for task in real.tasks if len(task.labels) == 2]
    assert [by_id[label] for label in task.labels] == [("label without color", None), ("green label", "green")]


def test_what_the_real_export_holds_beyond_is_reported_with_no_key_unknown(real: Board) -> None:
    whats = {line.what for line in real.report.left_out}
    assert {"covers", "backgrounds and board settings", "previews of attachments"} <= whats
    assert left_out(real, "history: updateCard").how_many == 10
    assert not [what for what in whats if what.startswith(("unknown", "comments", "older", "lists"))]
