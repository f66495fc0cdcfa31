"""Files that are no board, and boards with any damage: refused with a code, or read without a loss."""

import dataclasses
import io
import json
import math
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assigntask import sample
from assigntask.tasks.importers.board import Board
from assigntask.tasks.importers.refusal import ImportRefused
from assigntask.tasks.importers.trello import read

ADA, BO = "5f0000000000000000000001", "5f0000000000000000000002"
LIST, CARD = "5f00000000000000000000a1", "5f00000000000000000000c1"


def board_json(**changes: Any) -> dict[str, Any]:
    """The least that is a board: one list, one card."""
    return {
        "id": "5f00000000000000000000b1",
        "name": "A board",
        "lists": [{"id": LIST, "name": "To do", "closed": False, "pos": 1}],
        "cards": [{"id": CARD, "name": "A card", "idList": LIST}],
        **changes,
    }


def read_json(value: object) -> Board:
    return read(json.dumps(value).encode())


def comment(number: int = 1, *, card: str = CARD, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"5f00000000000000{number:08x}",
        "type": "commentCard",
        "date": "2021-03-01T10:00:00.000Z",
        "idMemberCreator": ADA,
        "data": {"text": f"comment {number}", "card": {"id": card}},
        **changes,
    }


def refused(data: bytes, **options: Any) -> ImportRefused:
    with pytest.raises(ImportRefused) as caught:
        read(data, **options)
    return caught.value


@pytest.mark.parametrize("key", ["lists", "cards", "members", "labels", "checklists", "actions", "memberships"])
def test_null_or_nothing_where_a_list_is_expected_is_an_empty_list(key: str) -> None:
    without = board_json()
    without.pop(key, None)
    for value in (board_json(**{key: None}), without):
        assert len(read_json(value).tasks) == (0 if key == "cards" else 1)


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "not_json", "line 1, column 1"),
        (b'{"id": "x",\n "name" 3}', "not_json", "line 2, column 9"),
        (b"<!DOCTYPE html><p>Log in", "not_json", "looks like a web page"),
        (b'{"id": "x", "cards": [NaN]}', "not_json", "NaN"),
        (b'{"id": "x", "cards": [' + b"9" * 5000 + b"]}", "not_json", "too long"),
        (b'{"id": "\xe9"}', "not_utf8", "byte 9"),
        ('{"id": "x"}'.encode("utf-16"), "not_utf8", "byte 1"),
        (b"[" * 100_000, "import_too_deep", "nests"),
        (b'{"a":' * 100_000, "import_too_deep", "nests"),
        (b"[]", "not_a_board", "not an object"),
        (b"null", "not_a_board", "not an object"),
        (b"{}", "not_a_board", "lacks id, name, lists, cards"),
        (b'{"id": "x", "idBoard": "y", "name": "a single card"}', "not_a_board", "lacks lists, cards"),
        (b'{"id": null, "name": "n", "lists": [], "cards": []}', "not_a_board", "a value for id"),
    ],
)
def test_what_is_no_board_is_refused_and_told_how_to_get_one(data: bytes, code: str, words: str) -> None:
    error = refused(data)
    assert error.code == code
    assert words in error.message and "Export as JSON" in error.message


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"id": 5}, "id "),
        ({"cards": {}}, "cards "),
        ({"cards": [5]}, "cards[0] "),
        ({"cards": [{"id": "a"}, {"id": 7}]}, "cards[1].id "),
        ({"cards": [{"id": "a", "idList": 7}]}, "cards[0].idList "),
        ({"cards": [{"id": "a", "name": ["x"]}]}, "cards[0].name "),
        ({"cards": [{"id": "a", "closed": "perhaps"}]}, "cards[0].closed "),
        ({"cards": [{"id": "a", "pos": []}]}, "cards[0].pos "),
        ({"cards": [{"id": "a", "idMembers": [{}]}]}, "cards[0].idMembers[0] "),
        ({"cards": [{"id": "a\n\ud800"}]}, "cards[0].id "),
        ({"lists": "none"}, "lists "),
        ({"actions": [{"id": "a", "data": "x"}]}, "actions[0].data "),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_place(changes: dict[str, Any], path: str) -> None:
    error = refused(json.dumps(board_json(**changes)).encode())
    assert error.code == "import_wrong_type"
    assert error.message.startswith(path)


class Endless(io.RawIOBase):
    """A stream that would never end, and knows how much was taken from it."""

    taken = 0

    def read(self, size: int = -1, /) -> bytes:
        assert size > 0
        self.taken += size
        return b" " * size


def test_a_file_over_the_limit_is_refused_before_it_is_parsed_or_read_to_its_end() -> None:
    assert refused(b"[" * 200, limit=199).code == "import_too_large"
    endless = Endless()
    with pytest.raises(ImportRefused) as caught:
        read(endless, limit=3_000_000)  # type: ignore[arg-type]
    assert (caught.value.code, endless.taken) == ("import_too_large", 3_000_001)
    assert "2 MiB" in caught.value.message


def test_a_file_of_too_many_values_is_refused_before_they_fill_the_memory() -> None:
    error = refused(b'{"id": "x", "cards": [' + b"[]," * 3_000_000 + b"[]]}")
    assert error.code == "import_too_large"
    assert "5,000,000 values" in error.message


def test_a_file_exactly_at_the_limit_is_read_from_a_stream_too() -> None:
    data = b"\xef\xbb\xbf" + json.dumps(board_json()).encode()
    assert read(io.BytesIO(data), limit=len(data)) == read(data)


def test_progress_rises_to_the_number_of_cards_and_actions() -> None:
    calls: list[tuple[int, int]] = []
    cards = [{"id": str(n), "name": "A", "idList": LIST} for n in range(150)]
    data = json.dumps(board_json(cards=cards, actions=[comment(n) for n in range(150)])).encode()
    read(data, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(100, 300), (200, 300), (300, 300)]


# Any damage


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    entries: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield (*path, key)
        yield from places(entry, (*path, key))


SAMPLE = sample.load(date(2031, 2, 3))[0]
PLACES = list(places(json.loads(SAMPLE)))
# Most places lie in the actions; the few near the top matter as much.
ANY_PLACE = st.one_of(st.sampled_from(PLACES), st.sampled_from([place for place in PLACES if len(place) <= 3]))
GONE = object()
NOTHING = st.sampled_from([GONE, None])
ANYTHING = st.sampled_from([GONE, None, 5, -1, 1e300, math.pi, "x", "", "\0\ud800", [], {}, True, False, [None], [{}]])


def damaged(changes: list[tuple[tuple[str | int, ...], object]]) -> dict[str, Any]:
    board: dict[str, Any] = json.loads(SAMPLE)
    for path, value in changes:
        holder: Any = board
        try:
            for key in path[:-1]:
                holder = holder[key]
            if value is GONE:
                del holder[path[-1]]
            else:
                holder[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    return board


def card_ids(board: dict[str, Any]) -> set[str]:
    return {card["id"] for card in board.get("cards") or [] if isinstance(card, dict) and card.get("id")}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(ANY_PLACE, NOTHING), min_size=1, max_size=30))
def test_whatever_is_missing_only_refusals_are_raised_and_no_card_is_lost(changes: Any) -> None:
    value = damaged(changes)
    try:
        board = read_json(value)
    except ImportRefused as error:
        assert error.code == "not_a_board"
        return
    assert {task.source_id for task in board.tasks} == card_ids(value)
    assert_sound(board)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(ANY_PLACE, ANYTHING), min_size=1, max_size=6))
def test_whatever_is_wrong_is_read_or_refused_with_a_code(changes: Any) -> None:
    value = damaged(changes)
    try:
        board = read_json(value)
    except ImportRefused as error:
        assert error.code in {"not_a_board", "import_wrong_type"}
        return
    assert {task.source_id for task in board.tasks} == card_ids(value)
    assert_sound(board)


def assert_sound(board: Board) -> None:
    """Every reference leads to an entry of the board, and every text can be stored."""
    people = {person.source_id for person in board.people}
    statuses = {status.source_id for status in board.statuses}
    labels = {label.source_id for label in board.labels}
    for task in board.tasks:
        authors = {task.created_by, *(entry.author for entry in task.comments)}
        authors |= {entry.author for entry in task.attachments}
        authors |= {item.assignee for checklist in task.checklists for item in checklist.items}
        mentioned = {person for entry in task.comments for person in entry.mentions}
        assert (authors - {None}) | mentioned | set(task.assignees) <= people
        assert task.status in statuses and set(task.labels) <= labels and task.summary
    written = json.dumps(dataclasses.asdict(board), default=str, ensure_ascii=False)
    assert "\\u0000" not in written and written.encode()
    assert all(line.why and (line.how_many is None or line.how_many > 0) for line in board.report.left_out)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_code(data: bytes) -> None:
    assert refused(data).code in {"not_utf8", "not_json", "not_a_board"}
