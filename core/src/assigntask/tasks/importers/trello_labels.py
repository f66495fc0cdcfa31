"""The labels of a Trello board. Exports from before 2015 have none of their own: cards carry colour and name."""

from collections.abc import Iterable

from .board import Label
from .tally import Tally
from .trello_keys import survey
from .trello_node import Node


class Labels:
    """Labels by id, in the file's order; one without an id gets one made of its colour and name."""

    def __init__(self, board_id: str, tally: Tally) -> None:
        self._board_id = board_id
        self._tally = tally
        self._labels: dict[str, Label] = {}

    def add(self, node: Node) -> str:
        name, color = node.text("name").strip(), node.text("color").strip() or None
        source_id = node.reference("id") or self._without_id(name, color)
        self._labels.setdefault(source_id, Label(source_id, name, color))
        return source_id

    def of_card(self, card: Node) -> tuple[str, ...]:
        """The card's labels, by `idLabels` and by its own copies of them, each once."""
        found: list[str] = [self.add(node) for node in card.nodes("labels")]
        for source_id in card.references("idLabels"):
            if source_id in self._labels:
                found.append(source_id)
            else:
                why = "The file does not hold the labels: neither name nor colour is known."
                self._tally.add("labels known only by id", why, example=source_id)
        return tuple(dict.fromkeys(found))

    def labels(self) -> tuple[Label, ...]:
        return tuple(self._labels.values())

    def _without_id(self, name: str, color: str | None) -> str:
        for label in self._labels.values():
            if (label.name, label.color) == (name, color):
                return label.source_id
        return f"{self._board_id}:label:{color or ''}:{name}"


def read_labels(board: Node, board_id: str, cards: Iterable[Node]) -> Labels:
    """The board's labels; where it lists none, those of `labelNames` (colour to name) that have a name."""
    labels = Labels(board_id, board.tally)
    nodes = board.nodes("labels")
    for node in nodes:
        labels.add(node)
        survey("label", node)
    if not nodes:
        names = board.node("labelNames")
        for color in names.fields:
            if name := names.text(color).strip():
                labels.add(Node(names.at(color), {"name": name, "color": color}, board.tally))
    for card in cards:
        for node in card.nodes("labels"):
            labels.add(node)
    return labels
