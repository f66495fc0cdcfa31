"""`Client`: the host's API with the names of `ctx`."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx2

from ..deliveries import Health
from ..records import PersonId, TaskId
from .access import Auth
from .address import api_url, segment
from .attachments import ClientAttachments
from .calls import Calls, OnWait
from .deliveries import ClientDeliveries
from .pages import Progress
from .people import ClientDepartments, ClientOrganisation, ClientPeople, ClientProjects, ClientTaskTypes
from .reading import value
from .retrying import Patience
from .stores import ClientStorage
from .tasks import ClientChecklists, ClientComments, ClientTasks
from .work import ClientEvents, ClientJobs, ClientProblems, ClientSettings

TIMEOUT = 30.0
_AGENT = "assigntask-sdk/1"


class Client:
    """One installation's way to its host, for as long as `async with` or until `aclose`.

        async with Client("https://tasks.example", ClientCredentials(client_id, client_secret)) as client:
            async for task in client.tasks.list(fields=["summary", "due"]):
                ...

    `base_url`: the host's address or the API's; https, or this very machine. `person`: as whom to call, see
    `as_person`. `timeout`: seconds for each single answer. `on_wait(seconds, error)` is told before a call waits to be
    tried again, `progress(items)` after each page of a long list. `transport` takes the network's place.

    Methods, parameters, answers and errors are those of `assigntask_sdk.context`; what has no class of its own there
    is an `ApiError`. Raises ApiError `address_refused`.
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
        api = api_url(base_url)
        self._http = httpx2.AsyncClient(
            timeout=timeout, transport=transport, headers={"user-agent": _AGENT, "accept": "application/json"}
        )
        self.owns_connections = True
        self._use(Calls(self._http, api, auth, person=person, patience=patience, on_wait=on_wait), progress)

    def _use(self, calls: Calls, progress: Progress | None) -> None:
        self._calls = calls
        self._progress = progress
        self.tasks = ClientTasks(calls, progress)
        self.comments = ClientComments(calls)
        self.checklists = ClientChecklists(calls)
        self.people = ClientPeople(calls, progress)
        self.projects = ClientProjects(calls)
        self.organisation = ClientOrganisation(calls)
        self.departments = ClientDepartments(calls)
        self.task_types = ClientTaskTypes(calls)
        self.attachments = ClientAttachments(calls)
        own = calls.with_person(None)  # what is the app's own is so whoever it acts for
        self.storage = ClientStorage(own, progress)
        self.problems = ClientProblems(own)
        self.events = ClientEvents(own)
        self.jobs = ClientJobs(own)
        self.settings = ClientSettings(own)
        self.deliveries = ClientDeliveries(own, progress)

    def __repr__(self) -> str:
        return f"Client({self._calls.api!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections, unless they belong to the client that this one was made of."""
        if self.owns_connections:
            await self._http.aclose()

    def as_person(self, person: PersonId) -> Client:
        """The same with that person's rights: grant ∩ what the person may do. Each of its calls finds out whether
        there is such a person, and whether they take part where something is written."""
        return self._made(self._calls.with_person(person))

    def with_auth(self, auth: Auth) -> Client:
        """The same connections with other rights, such as those of one hook call's token."""
        return self._made(self._calls.with_auth(auth))

    async def installation(self) -> dict[str, Any]:
        """The app's id and version, its state, and the scopes that were granted. It needs no scope."""
        found: dict[str, Any] = await self._calls.get("/installation")
        return found

    async def health(self) -> Health:
        """How this installation does, in figures and in words. A person's token needs `deliveries:manage`."""
        return value(Health, await self._calls.with_person(None).get("/health"))

    async def refresh(self, task: TaskId) -> None:
        """What this app shows on the task is out of date: the host asks again. Raises NotFound."""
        await self._calls.post(f"/tasks/{segment(task, 'task')}/refresh", idempotent=True)

    def _made(self, calls: Calls) -> Client:
        client = object.__new__(Client)
        client._http = self._http
        client.owns_connections = False
        client._use(calls, self._progress)
        return client
