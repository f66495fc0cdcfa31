"""Cards of a Trello board as tasks."""

from collections.abc import Sequence
from dataclasses import dataclass

from .board import Attachment, Task
from .tally import Tally
from .trello_actions import Creation, Story
from .trello_checklists import Checklists, read_checklists
from .trello_keys import survey
from .trello_labels import Labels
from .trello_node import Node, made_at
from .trello_people import Roster

UNTITLED = "Untitled card"
_NO_CREATION = Creation(None, None)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a card refers to. `unsorted` is the status of cards whose list the file does not hold."""

    statuses: frozenset[str]
    unsorted: str
    labels: Labels
    roster: Roster
    checklists: Checklists
    story: Story


def keyed_cards(cards: Sequence[Node], tally: Tally) -> dict[str, Node]:
    """Cards by id. One without an id, or whose id came before, is left out and reported."""
    keyed: dict[str, Node] = {}
    for card in cards:
        source_id = card.reference("id")
        if source_id is None:
            why = "Without an id a second import could not tell them from new ones."
            tally.add("cards without an id", why, example=card.path)
        elif source_id in keyed:
            tally.add("repeated cards", "The same id comes twice; the first is read.", example=source_id)
        else:
            keyed[source_id] = card
    return keyed


def read_task(source_id: str, card: Node, index: int, around: Surroundings) -> Task:
    """`index` is the card's place in the file, for cards without a position."""
    survey("card", card)
    creation = around.story.creations.get(source_id, _NO_CREATION)
    created_at = creation.at or made_at(source_id)
    touched_at = card.moment("dateLastActivity") or created_at
    done = card.flag("dueComplete") or (not card.has("dueComplete") and card.node("badges").flag("dueComplete"))
    members = card.references("idMembers") or [
        member for node in card.nodes("members") if (member := node.reference("id")) is not None
    ]
    return Task(
        source_id=source_id,
        number=card.whole("idShort"),
        summary=_summary(card, source_id),
        description=card.text("desc"),
        status=_status(card, source_id, around),
        archived=card.flag("closed"),
        position=card.position(index),
        due=card.due("due"),
        start=card.day("start"),
        done=done,
        done_at=around.story.done_at.get(source_id) if done else None,
        created_at=created_at,
        created_by=creation.by,
        updated_at=max(touched_at, created_at) if touched_at and created_at else touched_at,
        assignees=tuple(dict.fromkeys(members)),
        labels=around.labels.of_card(card),
        checklists=read_checklists(around.checklists.by_card.get(source_id, ()), card, around.roster),
        comments=tuple(around.story.comments.get(source_id, ())),
        attachments=_attachments(card, around.roster),
    )


def _summary(card: Node, source_id: str) -> str:
    name = card.text("name").strip()
    if not name:
        why = f"The cards have none and are called “{UNTITLED}”."
        card.tally.add("names of cards", why, example=source_id)
    return name or UNTITLED


def _status(card: Node, source_id: str, around: Surroundings) -> str:
    status = card.reference("idList")
    if status in around.statuses:
        return status
    why = "The file does not hold the list of these cards; they are all here, in the status “Unsorted”."
    card.tally.add("lists of cards", why, example=source_id)
    return around.unsorted


def _attachments(card: Node, roster: Roster) -> tuple[Attachment, ...]:
    found: dict[str, Attachment] = {}
    for node in card.nodes("attachments"):
        url = node.text("url").strip()
        source_id = node.reference("id") or url
        if not url.lower().startswith(("https://", "http://")):
            why = "They have no web address (http or https) that a link could lead to."
            card.tally.add("attachments without a web address", why, example=source_id or node.path)
            continue
        if source_id in found:
            card.tally.add("repeated attachments", "The same id comes twice.", example=source_id)
            continue
        survey("attachment", node)
        if node.flag("isUpload"):
            why = "An export holds no files. The link is kept: opening it may need an account at Trello."
            card.tally.add("contents of uploaded files", why, example=source_id)
        found[source_id] = Attachment(
            source_id,
            node.text("name").strip() or node.text("fileName").strip() or url,
            url,
            roster.known(node.reference("idMember"), "authors of attachments"),
            node.moment("date"),
            node.text("mimeType") or None,
            node.whole("bytes"),
        )
    return tuple(found.values())
