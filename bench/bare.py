"""The peers: the same work as short as it can be written, with nothing of what the host adds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import psycopg

from assigntask.db.sqlite_connection import connect as connect_sqlite
from assigntask.people.facts import PersonFacts
from assigntask.tasks.facts import TaskFacts
from assigntask_sdk.records import DepartmentCount, Person, PersonId, Task

TABLE = "bench_floor"


@dataclass(frozen=True, slots=True)
class Builder:
    """Makes the records that the gate makes for an app which may see everything of a task and of the people in it.

    People, the apps' ids for them and the sizes of departments are in hand. One person named several times in
    one list of tasks is made once.
    """

    people: Mapping[str, PersonFacts]
    ids: Mapping[str, str]
    sizes: Mapping[str, int]
    names: bool = True  # False: of people no more than who they are, which is what a task holds unless asked for more

    def one(self, facts: TaskFacts) -> Task:
        return self._task(facts, {})

    def several(self, facts: Sequence[TaskFacts]) -> tuple[Task, ...]:
        made: dict[str, Person] = {}
        return tuple(self._task(each, made) for each in facts)

    def _task(self, facts: TaskFacts, made: dict[str, Person]) -> Task:
        return Task(
            {
                "id": facts.id,
                "version": facts.version,
                "number": facts.number,
                "project": facts.project,
                "summary": facts.summary,
                "description": facts.description,
                "type": facts.type,
                "status": facts.status,
                "labels": facts.labels,
                "start": facts.start,
                "due": facts.due,
                "created": facts.created,
                "updated": facts.updated,
                "done": facts.done,
                "archived": facts.archived,
                "checklists": facts.checklists,
                "departments": self._departments(facts.assignees),
                "assignees": tuple([self._person(each, made) for each in facts.assignees]),
                "creator": self._person(facts.creator, made) if facts.creator else None,
            }
        )

    def _person(self, person_id: str, made: dict[str, Person]) -> Person:
        person = made.get(person_id)
        if person is None:
            facts = self.people[person_id]
            known = {"id": PersonId(self.ids[person_id]), "version": facts.version, "withheld": False}
            if self.names:
                known |= {"name": facts.name, "user_name": facts.user_name, "email": facts.email}
            person = made[person_id] = Person(known)
        return person

    def _departments(self, assignees: Sequence[str]) -> tuple[DepartmentCount, ...]:
        counts: dict[str, int] = {}
        for each in assignees:
            name = self.people[each].department
            if name is not None:
                counts[name] = counts.get(name, 0) + 1
        return tuple([DepartmentCount(name, counts[name], self.sizes[name]) for name in sorted(counts)])


@dataclass(frozen=True, slots=True)
class Floor:
    """INSERT and COMMIT of one row of `size` bytes, over and over, by `writers` with a connection each.

    `shared`: all through one connection instead, which spares SQLite's writers their wait for each other.
    """

    url: str
    size: int
    writers: int
    shared: bool = False

    def create(self) -> None:
        columns = "id INTEGER PRIMARY KEY" if self._is_sqlite else "id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
        statement = f"CREATE TABLE IF NOT EXISTS {TABLE} ({columns}, body TEXT NOT NULL)"
        if self._is_sqlite:
            with closing(connect_sqlite(self._path)) as raw:
                raw.execute(statement)
        else:
            with psycopg.connect(self.url, autocommit=True) as conn:
                conn.execute(statement)

    def rate(self, seconds: float) -> float:
        """Rows per second. Blocks."""
        write = self._sqlite if self._is_sqlite else self._postgresql
        hands = 1 if self.shared else self.writers
        ready = threading.Barrier(hands + 1)
        with ThreadPoolExecutor(hands) as pool:
            counts = [pool.submit(write, seconds, ready) for _ in range(hands)]
            ready.wait()
            begun = time.perf_counter()
            rows = sum(count.result() for count in counts)
            return rows / (time.perf_counter() - begun)

    @property
    def _is_sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    @property
    def _path(self) -> str:
        return self.url.removeprefix("sqlite:///")

    def _sqlite(self, seconds: float, ready: threading.Barrier) -> int:
        body, insert = "x" * self.size, f"INSERT INTO {TABLE} (body) VALUES (?)"  # noqa: S608 - our own table
        with closing(connect_sqlite(self._path)) as raw:

            def write() -> None:
                raw.execute("BEGIN IMMEDIATE")
                raw.execute(insert, (body,))
                raw.execute("COMMIT")

            return _while_there_is_time(write, seconds, ready)

    def _postgresql(self, seconds: float, ready: threading.Barrier) -> int:
        body, insert = "x" * self.size, f"INSERT INTO {TABLE} (body) VALUES (%s)"  # noqa: S608 - our own table
        with psycopg.connect(self.url, autocommit=True) as conn:  # the server commits in the same trip

            def write() -> None:
                conn.execute(insert, (body,), prepare=True)

            return _while_there_is_time(write, seconds, ready)


def _while_there_is_time(write: Callable[[], None], seconds: float, ready: threading.Barrier) -> int:
    write()
    ready.wait()
    until = time.perf_counter() + seconds
    count = 0
    while time.perf_counter() < until:
        write()
        count += 1
    return count
