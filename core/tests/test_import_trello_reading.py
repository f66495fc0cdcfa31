"""Reading a board that Trello exported, of whatever age: each part of it, and what is left out."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from assigntask.tasks.importers.board import Board, Due, LeftOut, Task
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


def read_card(**changes: Any) -> Task:
    (task,) = read_json(board_json(cards=[{"id": CARD, "name": "A card", "idList": LIST, **changes}])).tasks
    return task


def comment(number: int = 1, *, card: str = CARD, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"5f00000000000000{number:08x}",
        "type": "commentCard",
        "date": "2021-03-01T10:00:00.000Z",
        "idMemberCreator": ADA,
        "data": {"text": f"comment {number}", "card": {"id": card}},
        **changes,
    }


def left_out(board: Board, what: str) -> LeftOut:
    (line,) = [line for line in board.report.left_out if line.what == what]
    return line


# Cards


def test_a_card_without_its_creation_takes_the_time_from_its_id() -> None:
    task = read_card(id="63792d01b9fe8801a15d116c")
    assert (task.created_at, task.created_by) == (datetime(2022, 11, 19, 19, 22, 41, tzinfo=UTC), None)
    assert read_card(id="not-an-object-id").created_at is None


@pytest.mark.parametrize("kind", ["createCard", "copyCard", "convertToCardFromCheckItem", "emailCard"])
def test_a_card_is_made_by_whoever_its_creation_names(kind: str) -> None:
    made = comment(type=kind, memberCreator={"id": ADA, "fullName": "Ada", "username": "ada"})
    (task,) = read_json(board_json(actions=[made])).tasks
    assert (task.created_at, task.created_by) == (datetime(2021, 3, 1, 10, tzinfo=UTC), ADA)


def test_dates_are_utc_and_a_bare_day_has_no_time() -> None:
    task = read_card(due="2024-05-31T23:30:00.000-02:00", start="2024-05-01")
    assert task.due == Due(date(2024, 6, 1), datetime(2024, 6, 1, 1, 30, tzinfo=UTC))
    assert task.start == date(2024, 5, 1)
    assert read_card(due="2024-05-31").due == Due(date(2024, 5, 31), None)


@pytest.mark.parametrize("bad", ["soon", "2024-13-01", 17, True, [], "0001-01-01T00:00:00+14:00"])
def test_an_unreadable_date_is_left_out_and_reported(bad: object) -> None:
    board = read_json(board_json(cards=[{"id": CARD, "name": "A card", "idList": LIST, "due": bad}]))
    assert board.tasks[0].due is None
    assert left_out(board, "dates that cannot be read").examples == ("cards[0].due",)


def test_numbers_in_text_are_numbers_and_nonsense_falls_back_to_the_order_of_the_file() -> None:
    task = read_card(pos="16384.5", idShort="7")
    assert (task.position, task.number) == (16384.5, 7)
    for nonsense in ("bottom", "1e999", "nan", None, True, 10**400):
        assert read_card(pos=nonsense).position == 65536.0


def test_a_done_card_knows_since_when() -> None:
    def marked(number: int, day: int, done: bool) -> dict[str, Any]:
        return comment(
            number,
            type="updateCard",
            date=f"2021-03-{day:02}T10:00:00.000Z",
            data={"card": {"id": CARD, "dueComplete": done}, "old": {"dueComplete": not done}},
        )

    renamed = comment(9, type="updateCard", data={"card": {"id": CARD, "dueComplete": True}, "old": {"name": "x"}})
    card = {"id": CARD, "name": "A card", "idList": LIST, "dueComplete": True}
    actions = [renamed, marked(3, 9, True), marked(2, 5, False), marked(1, 2, True)]
    (task,) = read_json(board_json(cards=[card], actions=actions)).tasks
    assert (task.done, task.done_at) == (True, datetime(2021, 3, 9, 10, tzinfo=UTC))
    (opened,) = read_json(board_json(cards=[{**card, "dueComplete": False}], actions=actions)).tasks
    assert (opened.done, opened.done_at) == (False, None)


def test_an_old_card_tells_in_its_badges_that_it_is_done() -> None:
    assert read_card(badges={"dueComplete": True}).done
    assert not read_card(badges={"dueComplete": True}, dueComplete=False).done


def test_cards_of_a_list_that_is_missing_are_kept_in_an_unsorted_status() -> None:
    cards = [{"id": "a", "name": "Lost", "idList": "gone"}, {"id": "b", "name": "No list"}]
    board = read_json(board_json(cards=cards))
    assert [status.name for status in board.statuses] == ["To do", "Unsorted"]
    assert {task.status for task in board.tasks} == {board.statuses[-1].source_id}
    assert left_out(board, "lists of cards").examples == ("a", "b")


def test_there_is_no_unsorted_status_when_every_card_has_its_list() -> None:
    assert [status.name for status in read_json(board_json()).statuses] == ["To do"]


def test_a_card_without_a_name_is_kept_under_a_stand_in() -> None:
    assert [read_card(name=name).summary for name in (None, "", "  ")] == ["Untitled card"] * 3


def test_a_card_without_an_id_and_a_repeated_one_are_left_out_and_named() -> None:
    card = {"id": CARD, "name": "First", "idList": LIST}
    board = read_json(board_json(cards=[card, {**card, "name": "Second"}, {"name": "Nameless"}]))
    assert [task.summary for task in board.tasks] == ["First"]
    assert left_out(board, "repeated cards").examples == (CARD,)
    assert left_out(board, "cards without an id").examples == ("cards[2]",)


def test_text_that_no_database_can_hold_is_repaired() -> None:
    board = read_json(board_json(cards=[{"id": CARD, "name": "a\0b", "desc": "x\ud800y", "idList": LIST}]))
    assert (board.tasks[0].summary, board.tasks[0].description) == ("a\ufffdb", "x\ufffdy")
    assert left_out(board, "texts with impossible characters").how_many == 2


# People


def test_members_who_left_are_known_from_actions_and_cards() -> None:
    by_bo = comment(memberCreator={"id": BO, "fullName": "Bo Left", "username": "boleft"}, idMemberCreator=BO)
    gone = "5f0000000000000000000003"
    board = read_json(
        board_json(
            members=[{"id": ADA, "fullName": "Ada Here", "username": "ada"}],
            actions=[by_bo],
            cards=[{"id": CARD, "name": "A card", "idList": LIST, "idMembers": [ADA, gone, None, ADA]}],
        )
    )
    assert [(person.name, person.user_name, person.present) for person in board.people] == [
        ("Ada Here", "ada", True),
        ("Bo Left", "boleft", False),
        ("Former member 000003", None, False),
    ]
    assert board.tasks[0].assignees == (ADA, gone)
    assert board.tasks[0].comments[0].author == BO
    assert left_out(board, "names of former members").examples == (gone,)


def test_a_closed_account_is_not_present() -> None:
    board = read_json(
        board_json(
            members=[{"id": ADA, "fullName": "Ada", "username": "ada"}],
            memberships=[{"idMember": ADA, "deactivated": True}],
        )
    )
    assert [person.present for person in board.people] == [False]


def test_somebody_known_only_by_what_was_copied_from_a_template_is_no_person() -> None:
    card = {
        "id": CARD,
        "name": "A card",
        "idList": LIST,
        "attachments": [{"id": "f", "name": "f", "url": "https://example.org/f", "idMember": BO}],
    }
    board = read_json(board_json(cards=[card]))
    assert board.people == () and board.tasks[0].attachments[0].author is None
    assert left_out(board, "authors of attachments").examples == (BO,)


# Comments


def test_mentions_are_resolved_by_user_name_and_stay_in_the_text() -> None:
    text = "@Ada, ask @bo_2. Then @ada again, @nobody, and not mail@ada.example.org"
    members = [{"id": ADA, "fullName": "Ada", "username": "ada"}, {"id": BO, "fullName": "Bo", "username": "bo_2"}]
    said = comment(data={"text": text, "card": {"id": CARD}})
    (entry,) = read_json(board_json(members=members, actions=[said])).tasks[0].comments
    assert (entry.text, entry.mentions) == (text, (ADA, BO))


def test_a_comment_whose_card_is_missing_is_left_out_and_named() -> None:
    board = read_json(board_json(actions=[comment(1, card="gone"), comment(2, data=None)]))
    line = left_out(board, "comments without their card")
    assert (line.how_many, len(line.examples)) == (2, 2)
    assert board.tasks[0].comments == ()


def test_a_copied_comment_is_a_comment_and_a_repeated_one_is_read_once() -> None:
    board = read_json(board_json(actions=[comment(1, type="copyCommentCard"), comment(2), comment(2)]))
    assert [entry.text for entry in board.tasks[0].comments] == ["comment 1", "comment 2"]
    assert left_out(board, "repeated actions").how_many == 1


def test_a_comment_is_edited_when_it_or_a_later_action_says_so() -> None:
    edit = comment(9, type="updateComment", date="2021-03-04T10:00:00.000Z", data={"action": {"id": comment(1)["id"]}})
    own = comment(2, data={"text": "b", "card": {"id": CARD}, "dateLastEdited": "2021-03-02T10:00:00.000Z"})
    first, second = read_json(board_json(actions=[edit, own, comment(1)])).tasks[0].comments
    assert first.edited_at == datetime(2021, 3, 4, 10, tzinfo=UTC)
    assert second.edited_at == datetime(2021, 3, 2, 10, tzinfo=UTC)


def test_comments_that_the_limit_cut_off_are_counted_from_the_badges() -> None:
    cards = [{"id": CARD, "name": "A card", "idList": LIST, "badges": {"comments": 1234}}]
    board = read_json(board_json(cards=cards, actions=[comment(number) for number in range(1000)]))
    line = left_out(board, "older comments")
    assert (line.how_many, line.examples) == (234, (CARD,))
    assert "newest 1,000 actions" in line.why


def test_a_cut_without_badges_is_said_without_a_number() -> None:
    board = read_json(board_json(actions=[comment(number) for number in range(1000)]))
    assert left_out(board, "older comments").how_many is None


def test_comments_that_are_missing_for_another_reason_are_counted_too() -> None:
    cards = [{"id": CARD, "name": "A card", "idList": LIST, "badges": {"comments": 2}}]
    assert left_out(read_json(board_json(cards=cards)), "comments that are not in the file").how_many == 2


# Checklists, labels, attachments


def test_checklists_are_found_on_the_board_by_their_card_or_inside_it() -> None:
    items = [{"id": "i2", "name": "two", "pos": 2, "state": "complete"}, {"id": "i1", "name": "one", "pos": 1}]
    by_card = {"id": "k1", "name": "By card", "idCard": CARD, "pos": 3, "checkItems": items}
    listed = {"id": "k2", "name": "Listed", "pos": 2, "checkItems": None}
    inside = {"id": "k3", "name": "Inside", "pos": 1, "checkItems": []}
    card = {
        "id": CARD,
        "name": "A card",
        "idList": LIST,
        "idChecklists": ["k2", "k1", "k9"],
        "checklists": [inside, by_card],
        "checkItemStates": [{"idCheckItem": "i1", "state": "complete"}],
    }
    board = read_json(board_json(cards=[card], checklists=[by_card, listed, {"id": "k4", "idCard": "gone"}]))
    checklists = board.tasks[0].checklists
    assert [checklist.name for checklist in checklists] == ["Inside", "Listed", "By card"]
    assert [(item.text, item.done) for item in checklists[-1].items] == [("one", True), ("two", True)]
    assert left_out(board, "checklists without their card").examples == ("k4",)
    assert left_out(board, "checklists known only by id").examples == ("k9",)


def test_an_item_without_a_state_is_open() -> None:
    card = {"checklists": [{"id": "k", "name": "K", "checkItems": [{"id": "i", "name": "open"}]}]}
    assert not read_card(**card).checklists[0].items[0].done


def test_an_item_keeps_its_due_date_and_assignee() -> None:
    item = {"id": "i", "name": "x", "due": "2024-05-31T12:00:00.000Z", "idMember": ADA}
    cards = [{"id": CARD, "name": "A", "idList": LIST, "checklists": [{"id": "k", "name": "K", "checkItems": [item]}]}]
    board = read_json(board_json(cards=cards, members=[{"id": ADA, "username": "ada"}]))
    (read_item,) = board.tasks[0].checklists[0].items
    assert (read_item.assignee, read_item.due) == (
        ADA,
        Due(date(2024, 5, 31), datetime(2024, 5, 31, 12, tzinfo=UTC)),
    )


def test_labels_of_an_old_export_are_put_together_from_the_cards() -> None:
    cards = [
        {"id": "a", "name": "A", "idList": LIST, "labels": [{"color": "red", "name": "Hot"}]},
        {"id": "b", "name": "B", "idList": LIST, "labels": [{"color": "red", "name": "Hot"}, {"color": "blue"}]},
    ]
    board = read_json(board_json(cards=cards, labelNames={"red": "Hot", "green": "Cool", "lime": ""}))
    assert [(label.name, label.color) for label in board.labels] == [
        ("Hot", "red"),
        ("Cool", "green"),
        ("", "blue"),
    ]
    assert board.tasks[0].labels[0] == board.tasks[1].labels[0]
    assert len({label.source_id for label in board.labels}) == 3


def test_an_attachment_that_no_link_could_open_is_left_out() -> None:
    links = [
        {"id": "1", "name": "script", "url": "javascript:alert(1)"},
        {"id": "2", "name": "none", "url": None},
        {"name": "", "url": "HTTPS://example.org/x"},
    ]
    board = read_json(board_json(cards=[{"id": CARD, "name": "A", "idList": LIST, "attachments": links}]))
    (attachment,) = board.tasks[0].attachments
    assert (attachment.name, attachment.source_id) == ("HTTPS://example.org/x", "HTTPS://example.org/x")
    assert left_out(board, "attachments without a web address").examples == ("1", "2")


# What is left out


def test_what_tasks_here_do_not_have_is_counted() -> None:
    card = {
        "id": CARD,
        "name": "A",
        "idList": LIST,
        "stickers": [{}, {}],
        "idMembersVoted": [ADA, BO],
        "customFieldItems": [{"id": "v"}],
        "pluginData": [{"id": "p"}],
        "cover": {"color": "red", "size": "full"},
        "coordinates": {"latitude": 1, "longitude": 2},
        "address": "Somewhere",
        "dueReminder": -1,
        "holograms": 3,
    }
    board = read_json(board_json(cards=[card], customFields=[{"id": "f"}], prefs={"background": "blue"}))
    counted = {line.what: line.how_many for line in board.report.left_out}
    assert counted == {
        "stickers": 2,
        "votes": 2,
        "values of custom fields": 1,
        "data of Power-Ups": 1,
        "covers": 1,
        "places on the map": 1,
        "unknown keys of a card": 1,
        "custom fields": 1,
        "backgrounds and board settings": 1,
    }
    assert left_out(board, "unknown keys of a card").examples == ("holograms",)
    assert left_out(board, "stickers").examples == (CARD,)


def test_the_report_stays_short_whatever_the_file_invents() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    kinds = [comment(n, type=f"{letters[n // 26]}{letters[n % 26]}") for n in range(26 * 26)]
    report = read_json(board_json(actions=kinds, members=[{"id": ADA, "username": "ada"}])).report
    assert len(report.left_out) <= 201
    assert sum(line.how_many or 0 for line in report.left_out) == 26 * 26
