"""Who is on a Trello board: its members, and who left but still stands behind cards and comments."""

import re
from collections.abc import Collection

from .board import Person
from .tally import Tally
from .trello_keys import survey
from .trello_node import Node

# Not after a letter or a dot: "ada@example.org" mentions nobody.
_MENTION = re.compile(r"(?<![\w.@-])@([A-Za-z0-9_]+)")


class Roster:
    """Collects people in the order in which the file names them; the first who has a name keeps it."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._people: dict[str, Person] = {}
        self._by_user_name: dict[str, str] = {}

    def add(self, node: Node, *, present: bool) -> str | None:
        """Takes in a member object (`id`, `fullName`, `username`); returns its id, None where it has none."""
        source_id = node.reference("id")
        if source_id is None:
            return None
        name, user_name = node.text("fullName").strip(), node.text("username").strip()
        known = self._people.get(source_id)
        if known is None or (known.user_name is None and (name or user_name)):
            person = Person(
                source_id,
                name or user_name or _stand_in(source_id),
                user_name or None,
                present or (known is not None and known.present),
            )
            self._people[source_id] = person
            if person.user_name:
                self._by_user_name.setdefault(person.user_name.casefold(), source_id)
        return source_id

    def add_by_id(self, source_id: str | None) -> None:
        """For whoever must be named although the file may hold no more than the id: assignees, authors."""
        if source_id is not None and source_id not in self._people:
            self._people[source_id] = Person(source_id, _stand_in(source_id), None, False)
            why = "They left the board and the file gives only their id; a stand-in name takes the place."
            self._tally.add("names of former members", why, example=source_id)

    def known(self, source_id: str | None, role: str) -> str | None:
        """None for an id of somebody who was never on this board: a template's maker stands in what was copied."""
        if source_id is None or source_id in self._people:
            return source_id
        why = "The file gives only the id of somebody who does not otherwise appear on this board."
        self._tally.add(role, why, example=source_id)
        return None

    def mentioned(self, text: str) -> tuple[str, ...]:
        found = (self._by_user_name.get(name.casefold()) for name in _MENTION.findall(text))
        return tuple(dict.fromkeys(source_id for source_id in found if source_id is not None))

    def people(self) -> tuple[Person, ...]:
        return tuple(self._people.values())


def read_roster(board: Node, cards: Collection[Node], actions: Collection[Node]) -> Roster:
    """Members first, so that their own entry wins over how cards and actions name them.

    Whoever acted on the board or has a card is on it, even where the file has no more than the id.
    """
    roster = Roster(board.tally)
    closed = {
        membership.reference("idMember") for membership in board.nodes("memberships") if membership.flag("deactivated")
    }
    for member in board.nodes("members"):
        if roster.add(member, present=member.reference("id") not in closed) is None:
            board.tally.add("members without an id", "Nothing could refer to them.", example=member.path)
        survey("member", member)
    for card in cards:
        for member in card.nodes("members"):
            roster.add(member, present=False)
    for action in actions:
        roster.add(action.node("memberCreator"), present=False)
        roster.add(action.node("member"), present=False)
    for action in actions:
        roster.add_by_id(action.reference("idMemberCreator"))
    for card in cards:
        for source_id in card.references("idMembers"):
            roster.add_by_id(source_id)
    return roster


def _stand_in(source_id: str) -> str:
    return f"Former member {source_id[-6:]}"
