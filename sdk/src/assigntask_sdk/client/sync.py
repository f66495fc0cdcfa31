"""`SyncClient`: the same client for code that blocks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

import httpx2

from ..records import AttachmentId, PersonId, TaskId
from ..storage import Operation
from .access import Auth
from .attachments import ClientAttachments
from .blocking import Blocking, BlockingPart, Iterating, Portal
from .calls import OnWait
from .client import TIMEOUT, Client
from .deliveries import ClientDeliveries
from .pages import Progress
from .people import ClientDepartments, ClientOrganisation, ClientPeople, ClientProjects, ClientTaskTypes
from .retrying import Patience
from .stores import ClientStorage, ClientStore
from .tasks import ClientChecklists, ClientComments, ClientTasks
from .values import Chunk
from .work import ClientEvents, ClientJobs, ClientProblems, ClientSettings


class SyncTasks(BlockingPart[ClientTasks]):
    get = Blocking(ClientTasks.get)
    get_many = Blocking(ClientTasks.get_many)
    list = Iterating(ClientTasks.list)
    create = Blocking(ClientTasks.create)
    edit = Blocking(ClientTasks.edit)
    comment = Blocking(ClientTasks.comment)
    archive = Blocking(ClientTasks.archive)


class SyncComments(BlockingPart[ClientComments]):
    list = Blocking(ClientComments.list)


class SyncChecklists(BlockingPart[ClientChecklists]):
    add = Blocking(ClientChecklists.add)
    add_item = Blocking(ClientChecklists.add_item)
    set_done = Blocking(ClientChecklists.set_done)


class SyncPeople(BlockingPart[ClientPeople]):
    get = Blocking(ClientPeople.get)
    get_many = Blocking(ClientPeople.get_many)
    list = Iterating(ClientPeople.list)


class SyncProjects(BlockingPart[ClientProjects]):
    get = Blocking(ClientProjects.get)
    list = Blocking(ClientProjects.list)


class SyncOrganisation(BlockingPart[ClientOrganisation]):
    get = Blocking(ClientOrganisation.get)


class SyncDepartments(BlockingPart[ClientDepartments]):
    list = Blocking(ClientDepartments.list)


class SyncTaskTypes(BlockingPart[ClientTaskTypes]):
    list = Blocking(ClientTaskTypes.list)


class SyncAttachments(BlockingPart[ClientAttachments]):
    list = Blocking(ClientAttachments.list)
    add = Blocking(ClientAttachments.add)
    content = Iterating(ClientAttachments.content)
    remove = Blocking(ClientAttachments.remove)

    def add_file(self, task: TaskId, name: str, content: Iterable[bytes], *, key: str) -> AttachmentId:
        """`content`: pieces, such as `[data]` or an open binary file. They are read in a thread, as they are sent."""
        return self._portal.call(lambda: self._part.add_file(task, name, _pieces(iter(content)), key=key))


class SyncStore(BlockingPart[ClientStore]):
    get = Blocking(ClientStore.get)
    get_many = Blocking(ClientStore.get_many)
    scan = Iterating(ClientStore.scan)
    commit = Blocking(ClientStore.commit)

    def apply(self, operations: Iterable[Operation]) -> None:
        """Any number of operations, in chunks that are each all or nothing."""
        chunk = Chunk()
        for operation in operations:
            if full := chunk.add(operation):
                self.commit(*full)
        if rest := chunk.rest():
            self.commit(*rest)


class SyncStorage(SyncStore):
    """The installation's own store; sub-stores go with their task or person."""

    def __init__(self, part: ClientStorage, portal: Portal) -> None:
        super().__init__(part, portal)
        self._storage = part

    def task(self, id: TaskId) -> SyncStore:
        return SyncStore(self._storage.task(id), self._portal)

    def person(self, id: PersonId) -> SyncStore:
        return SyncStore(self._storage.person(id), self._portal)


class SyncProblems(BlockingPart[ClientProblems]):
    report = Blocking(ClientProblems.report)
    clear = Blocking(ClientProblems.clear)
    list = Blocking(ClientProblems.list)


class SyncEvents(BlockingPart[ClientEvents]):
    list = Blocking(ClientEvents.list)


class SyncJobs(BlockingPart[ClientJobs]):
    start = Blocking(ClientJobs.start)
    get = Blocking(ClientJobs.get)
    list = Blocking(ClientJobs.list)
    progress = Blocking(ClientJobs.progress)


class SyncSettings(BlockingPart[ClientSettings]):
    get = Blocking(ClientSettings.get)


class SyncDeliveries(BlockingPart[ClientDeliveries]):
    list = Iterating(ClientDeliveries.list)
    get = Blocking(ClientDeliveries.get)
    replay = Blocking(ClientDeliveries.replay)
    replay_since = Blocking(ClientDeliveries.replay_since)


class SyncClient(BlockingPart[Client]):
    """`Client`, blocking. It may be used by several threads at once; `with` or `close` ends it.

    Its calls run in a thread of its own. There `on_wait`, `progress` and an Auth's `on_rotated` are called too: they
    must not use this client. What each parameter means, `Client` says.
    """

    def __init__(
        self,
        base_url: str,
        auth: Auth,
        *,
        person: PersonId | None = None,
        timeout: float = TIMEOUT,
        transport: httpx2.AsyncBaseTransport | None = None,
        on_wait: OnWait | None = None,
        progress: Progress | None = None,
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> None:
        client = Client(
            base_url,
            auth,
            person=person,
            timeout=timeout,
            transport=transport,
            on_wait=on_wait,
            progress=progress,
            patience=patience,
        )
        self._use(client, Portal())

    def _use(self, client: Client, portal: Portal) -> None:
        super().__init__(client, portal)
        self.tasks = SyncTasks(client.tasks, portal)
        self.comments = SyncComments(client.comments, portal)
        self.checklists = SyncChecklists(client.checklists, portal)
        self.people = SyncPeople(client.people, portal)
        self.projects = SyncProjects(client.projects, portal)
        self.organisation = SyncOrganisation(client.organisation, portal)
        self.departments = SyncDepartments(client.departments, portal)
        self.task_types = SyncTaskTypes(client.task_types, portal)
        self.attachments = SyncAttachments(client.attachments, portal)
        self.storage = SyncStorage(client.storage, portal)
        self.problems = SyncProblems(client.problems, portal)
        self.events = SyncEvents(client.events, portal)
        self.jobs = SyncJobs(client.jobs, portal)
        self.settings = SyncSettings(client.settings, portal)
        self.deliveries = SyncDeliveries(client.deliveries, portal)

    installation = Blocking(Client.installation)
    health = Blocking(Client.health)
    refresh = Blocking(Client.refresh)

    def __repr__(self) -> str:
        return f"Sync{self._part!r}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the calls that run, the connections and the thread, unless they belong to the client that this one
        was made of."""
        if self._part.owns_connections:
            self._portal.close(self._part.aclose)

    def as_person(self, person: PersonId) -> SyncClient:
        """The same with that person's rights, on the same connections."""
        client = object.__new__(SyncClient)
        client._use(self._part.as_person(person), self._portal)
        return client


async def _pieces(content: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Reading a file may wait for a disk, so it is done in a thread."""
    following: Callable[[], Any] = lambda: next(content, None)  # noqa: E731
    while (piece := await asyncio.to_thread(following)) is not None:
        yield piece
