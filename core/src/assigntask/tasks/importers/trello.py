"""Reads a board that Trello exported as JSON (board menu, "Print, export, and share", "Export as JSON").

The format is not specified by Trello; what is known of it is in `trello_keys`. Exports differ with their age, so keys
may be missing or null. Only a file that is no board, or whose ids are no text, is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from .board import Board, Report, Status, Task
from .refusal import ImportRefused
from .tally import Tally
from .trello_actions import read_story, report_older_comments
from .trello_cards import Surroundings, keyed_cards, read_task
from .trello_checklists import find_checklists
from .trello_document import MIB, load
from .trello_keys import survey
from .trello_labels import read_labels
from .trello_node import Node
from .trello_people import read_roster

__all__ = ["ImportRefused", "read"]

LIMIT = 50 * MIB
UNSORTED = "Unsorted"
_STEPS_BETWEEN_NEWS = 100


def read(data: bytes | BinaryIO, *, limit: int = LIMIT, progress: Callable[[int, int], None] | None = None) -> Board:
    """The whole board. `limit` is in bytes; `progress(done, total)` counts cards and actions, the last call is total.

    Raises ImportRefused, and nothing else whatever the bytes are.
    """
    tally = Tally()
    board = Node("", load(data, limit), tally)
    board_id = board.reference("id") or ""
    cards, actions = board.nodes("cards"), board.nodes("actions")
    keyed = keyed_cards(cards, tally)
    steps = _Steps(len(keyed) + len(actions), progress)
    roster = read_roster(board, keyed.values(), actions)
    labels = read_labels(board, board_id, keyed.values())
    statuses = _statuses(board)
    story = read_story(actions, frozenset(keyed), roster, steps.step)
    report_older_comments(actions, keyed, story, tally)
    unsorted = f"{board_id}:unsorted"
    around = Surroundings(
        frozenset(status.source_id for status in statuses),
        unsorted,
        labels,
        roster,
        find_checklists(board, keyed),
        story,
    )
    tasks = []
    for index, (source_id, card) in enumerate(keyed.items()):
        tasks.append(read_task(source_id, card, index, around))
        steps.step()
    if any(task.status == unsorted for task in tasks):
        statuses.append(_unsorted(unsorted, statuses))
    survey("board", board)
    steps.finish()
    return _finished(board, board_id, statuses, tasks, around)


@dataclass(slots=True)
class _Steps:
    total: int
    progress: Callable[[int, int], None] | None
    done: int = 0

    def step(self) -> None:
        self.done += 1
        if self.progress and self.done % _STEPS_BETWEEN_NEWS == 0 and self.done < self.total:
            self.progress(self.done, self.total)

    def finish(self) -> None:
        if self.progress:
            self.progress(self.total, self.total)


def _statuses(board: Node) -> list[Status]:
    found: dict[str, Status] = {}
    for index, node in enumerate(board.nodes("lists")):
        source_id = node.reference("id")
        if source_id is None:
            board.tally.add("lists without an id", "No card can name them.", example=node.path)
        elif source_id in found:
            board.tally.add("repeated lists", "The same id comes twice; the first is read.", example=source_id)
        else:
            survey("list", node)
            name = node.text("name").strip() or f"List {index + 1}"
            found[source_id] = Status(source_id, name, node.flag("closed"), node.position(index))
    return sorted(found.values(), key=lambda status: status.position)


def _unsorted(source_id: str, statuses: list[Status]) -> Status:
    last = statuses[-1].position if statuses else 0.0
    return Status(source_id, UNSORTED, False, last + 65536.0)


def _finished(board: Node, board_id: str, statuses: list[Status], tasks: list[Task], around: Surroundings) -> Board:
    labels, people = around.labels.labels(), around.roster.people()
    checklists = [checklist for task in tasks for checklist in task.checklists]
    items = [item for checklist in checklists for item in checklist.items]
    counts = {
        "statuses": len(statuses),
        "archived statuses": sum(status.archived for status in statuses),
        "tasks": len(tasks),
        "archived tasks": sum(task.archived for task in tasks),
        "labels": len(labels),
        "people": len(people),
        "people who left": sum(not person.present for person in people),
        "checklists": len(checklists),
        "checklist items": len(items),
        "checklist items done": sum(item.done for item in items),
        "comments": sum(len(task.comments) for task in tasks),
        "attachments": sum(len(task.attachments) for task in tasks),
    }
    return Board(
        source_id=board_id,
        name=board.text("name").strip() or "Untitled board",
        description=board.text("desc"),
        archived=board.flag("closed"),
        url=board.text("url").strip() or board.text("shortUrl").strip() or None,
        statuses=tuple(statuses),
        labels=labels,
        people=people,
        tasks=tuple(tasks),
        report=Report(counts, board.tally.left_out()),
    )
