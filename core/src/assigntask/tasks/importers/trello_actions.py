"""What a Trello export tells only in its actions: comments, who made a card and when, since when it is done."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from .board import Comment
from .tally import Tally
from .trello_keys import survey
from .trello_node import Node, made_at
from .trello_people import Roster

# An export holds at most this many actions, the newest.
ACTIONS_IN_AN_EXPORT = 1000

_COMMENTS = frozenset({"commentCard", "copyCommentCard"})
_CREATIONS = frozenset({"createCard", "copyCard", "convertToCardFromCheckItem", "emailCard"})
_UNKNOWN = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Creation:
    at: datetime | None
    by: str | None


@dataclass(slots=True)
class Story:
    """By card id. `comments` are in the file's order until `read_story` returns: then oldest first."""

    comments: dict[str, list[Comment]] = field(default_factory=dict)
    creations: dict[str, Creation] = field(default_factory=dict)
    done_at: dict[str, datetime] = field(default_factory=dict)


def read_story(actions: Iterable[Node], cards: frozenset[str], roster: Roster, step: Callable[[], None]) -> Story:
    """`cards` are the ids in the file, `step` is called once per action."""
    reading = _Reading(cards, roster)
    seen: set[str] = set()
    for action in actions:
        step()
        source_id = action.reference("id")
        if source_id is not None and source_id in seen:
            action.tally.add("repeated actions", "The same id comes twice.", example=source_id)
            continue
        if source_id is not None:
            seen.add(source_id)
        reading.take(action, source_id)
    return reading.finished()


@dataclass(slots=True)
class _Reading:
    cards: frozenset[str]
    roster: Roster
    story: Story = field(default_factory=Story)
    edits: dict[str, datetime] = field(default_factory=dict)

    def take(self, action: Node, source_id: str | None) -> None:
        kind, data = action.text("type"), action.node("data")
        card = data.node("card").reference("id") or data.reference("idCard")
        if kind in _COMMENTS:
            self._take_comment(action, source_id, card)
            return
        if kind in _CREATIONS and card in self.cards:
            by = self.roster.known(_author(action), "makers of cards")
            self.story.creations.setdefault(card, Creation(action.moment("date"), by))
            return
        if kind == "updateComment":
            self._take_edit(data.node("action").reference("id"), action.moment("date"))
        if kind == "updateCard" and card in self.cards and _marks_done(data):
            self._take_done(card, action.moment("date"))
        why = "History is not carried over; when a card was made, marked complete or commented on is."
        shown = kind if kind.isascii() and kind.isalpha() and len(kind) <= 60 else "of an unnamed kind"
        action.tally.add(f"history: {shown}", why, example=source_id)

    def finished(self) -> Story:
        for card, comments in self.story.comments.items():
            edited = [
                replace(comment, edited_at=comment.edited_at or self.edits.get(comment.source_id))
                for comment in comments
            ]
            self.story.comments[card] = sorted(
                edited, key=lambda comment: (comment.created_at or _UNKNOWN, comment.source_id)
            )
        return self.story

    def _take_comment(self, action: Node, source_id: str | None, card: str | None) -> None:
        data, tally = action.node("data"), action.tally
        text = data.text("text")
        if card is None or card not in self.cards:
            why = "The file does not hold the card that they were written on."
            tally.add("comments without their card", why, example=source_id or action.path)
        elif source_id is None:
            why = "Without an id a second import could not tell them from new ones."
            tally.add("comments without an id", why, example=action.path)
        elif not text.strip():
            tally.add("empty comments", "There is no text in them.", example=source_id)
        else:
            survey("comment", action)
            comment = Comment(
                source_id=source_id,
                author=self.roster.known(_author(action), "authors of comments"),
                text=text,
                created_at=action.moment("date") or made_at(source_id),
                edited_at=data.moment("dateLastEdited"),
                mentions=self.roster.mentioned(text),
            )
            self.story.comments.setdefault(card, []).append(comment)

    def _take_edit(self, comment: str | None, at: datetime | None) -> None:
        """A comment in an export already has its newest text; the action only tells when it got it."""
        if comment is not None and at is not None:
            self.edits[comment] = max(at, self.edits.get(comment, at))

    def _take_done(self, card: str, at: datetime | None) -> None:
        """Of several times, the last: a card may have been opened again in between."""
        if at is not None:
            self.story.done_at[card] = max(at, self.story.done_at.get(card, at))


def _author(action: Node) -> str | None:
    return action.reference("idMemberCreator") or action.node("memberCreator").reference("id")


def _marks_done(data: Node) -> bool:
    return data.node("card").flag("dueComplete") and "dueComplete" in data.node("old").fields


def report_older_comments(actions: Sequence[Node], cards: Mapping[str, Node], story: Story, tally: Tally) -> None:
    """A card's badges count its comments, so what an export's limit cut off can be counted, where it has badges."""
    cut = len(actions) >= ACTIONS_IN_AN_EXPORT
    if cut:
        why = (
            "The export holds the newest 1,000 actions; older comments are not in it. "
            "Trello's workspace export, or its API, gives the rest."
        )
    else:
        why = "The cards count more comments than the file holds."
    counted = False
    for source_id, card in cards.items():
        badges = card.node("badges")
        counted = counted or badges.has("comments")
        missing = (badges.whole("comments") or 0) - len(story.comments.get(source_id, ()))
        if missing > 0:
            tally.add(
                "older comments" if cut else "comments that are not in the file", why, count=missing, example=source_id
            )
    if cut and not counted:
        tally.add_uncounted("older comments", why)
