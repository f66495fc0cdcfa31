"""Checklists of a Trello board: listed on the board, or, in some exports, inside their cards."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .board import Checklist, ChecklistItem
from .trello_keys import survey
from .trello_node import Node
from .trello_people import Roster


@dataclass(slots=True)
class Checklists:
    """Checklist objects by the id of their card, in the file's order, each once."""

    by_card: dict[str, list[Node]] = field(default_factory=dict)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def put(self, card: str, node: Node) -> None:
        source_id = node.reference("id") or node.path
        if (card, source_id) not in self._seen:
            self._seen.add((card, source_id))
            self.by_card.setdefault(card, []).append(node)


def find_checklists(board: Node, cards: Mapping[str, Node]) -> Checklists:
    """Ties each checklist to its card: by its `idCard`, by the card's `idChecklists`, or by standing in the card."""
    found, owners = Checklists(), _owners(cards)
    for node in board.nodes("checklists"):
        source_id = node.reference("id")
        card = node.reference("idCard") or (owners.pop(source_id, None) if source_id else None)
        owners.pop(source_id or "", None)
        if card is not None and card in cards:
            found.put(card, node)
        else:
            why = "The file does not hold the card that they belong to."
            board.tally.add("checklists without their card", why, example=source_id or node.path)
    for card, card_node in cards.items():
        for node in card_node.nodes("checklists"):
            owners.pop(node.reference("id") or "", None)
            found.put(card, node)
    for source_id in owners:
        why = "Cards name them, and the file does not hold them."
        board.tally.add("checklists known only by id", why, example=source_id)
    return found


def read_checklists(nodes: Iterable[Node], card: Node, roster: Roster) -> tuple[Checklist, ...]:
    """In order of position. An item without a state takes it from the card's `checkItemStates` (older exports)."""
    states = {state.reference("idCheckItem"): state.text("state") for state in card.nodes("checkItemStates")}
    found = []
    for index, node in enumerate(nodes):
        survey("checklist", node)
        items = [_item(item, place, states, roster) for place, item in enumerate(node.nodes("checkItems"))]
        found.append(
            Checklist(
                node.reference("id"),
                node.text("name").strip() or "Checklist",
                node.position(index),
                tuple(sorted(items, key=lambda item: item.position)),
            )
        )
    return tuple(sorted(found, key=lambda checklist: checklist.position))


def _item(node: Node, place: int, states: Mapping[str | None, str], roster: Roster) -> ChecklistItem:
    survey("item", node)
    source_id = node.reference("id")
    state = node.text("state") or (states.get(source_id, "") if source_id else "")
    return ChecklistItem(
        source_id,
        node.text("name"),
        state == "complete",
        node.position(place),
        node.due("due"),
        roster.known(node.reference("idMember"), "assignees of checklist items"),
    )


def _owners(cards: Mapping[str, Node]) -> dict[str, str]:
    return {checklist: card for card, node in cards.items() for checklist in node.references("idChecklists")}
