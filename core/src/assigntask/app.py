"""The whole host, wired. Everything above is given its parts here; nothing reaches for a global."""

from __future__ import annotations

import asyncio
import datetime as dt
import hmac
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection
from starlette.types import ASGIApp

from assigntask.actions.checklists import ChecklistActions
from assigntask.actions.deliveries import DeliveryActions
from assigntask.actions.forgetting import Forgetting
from assigntask.actions.imports import Imports
from assigntask.actions.objections import Objections
from assigntask.actions.organisations import Founding
from assigntask.actions.people import PeopleActions
from assigntask.actions.projects import ProjectActions
from assigntask.actions.signing_in import SigningIn
from assigntask.actions.tasks import TaskActions
from assigntask.api import idempotency
from assigntask.api.app import api
from assigntask.api.services import ApiServices
from assigntask.context.access import Services
from assigntask.context.factory import ContextFactory
from assigntask.db.announcing import Announcement
from assigntask.db.database import Database
from assigntask.db.migrate import migrate
from assigntask.db.tables import metadata
from assigntask.delivery.carrier import RemoteCarrier
from assigntask.delivery.connecting import Connecting, Connections
from assigntask.delivery.dialled import DueLines
from assigntask.delivery.handover import Handover
from assigntask.delivery.remotes import Remotes
from assigntask.events import sweeping as events
from assigntask.events.events import QUEUED
from assigntask.files import sweeping as files
from assigntask.gate.gate import Gate
from assigntask.grants.grants import Grants
from assigntask.hooks import problems, standing
from assigntask.hooks.events import Events
from assigntask.hooks.loop import AppLoop
from assigntask.hooks.notices import Notices
from assigntask.hooks.proxy import Proxies
from assigntask.hooks.questions import Questions
from assigntask.hooks.registry import Registry
from assigntask.installations import admission
from assigntask.installations.directory import Directory
from assigntask.installations.installing import Installing
from assigntask.installations.leaving import Leaving
from assigntask.installations.settings import Settings as AppSettings
from assigntask.installations.upgrading import Checked, Upgrading
from assigntask.jobs import rows as app_jobs
from assigntask.jobs.engine import DRAIN, SCHEDULE, SEAL, SWEEP, Engine, Line, Wakeup
from assigntask.jobs.loop import Loop
from assigntask.ledger.keys import KeyRing
from assigntask.ledger.ledger import Ledger
from assigntask.ledger.subjects import SubjectKeys
from assigntask.metrics.meter import SILENT, Meter
from assigntask.metrics.standing import Standing
from assigntask.oauth import par
from assigntask.oauth import sweeping as oauth
from assigntask.oauth.authorizing import Authorizing
from assigntask.oauth.credentials import Credentials
from assigntask.oauth.endpoints import endpoints
from assigntask.oauth.metadata_documents import MetadataDocuments
from assigntask.oauth.server import OAuthServer
from assigntask.oauth.tokens import Tokens
from assigntask.outgoing.client import Outgoing
from assigntask.people import organisations
from assigntask.schedules import runs as schedules
from assigntask.settings import Settings
from assigntask.web import health
from assigntask.web.board import Services as PageServices
from assigntask.web.entrance import Entrance
from assigntask.web.forms import Forms
from assigntask.web.front import Front
from assigntask.web.observed import Observed
from assigntask.web.readiness import Readiness
from assigntask.web.site import LOOPBACK, site
from assigntask_sdk.apps import InstalledApp

Clock = Callable[[], dt.datetime]
MakeRegistry = Callable[[Callable[[str], InstalledApp]], Registry]

SETTLE_SECONDS = 10.0
FETCHED_BYTES = 64 * 1024
SWEPT_ROWS = 10_000  # of one kind that have expired, at a time
ROUND = 50  # notices for one installation before the next has its turn


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True, slots=True)
class Swept:
    """What was due and is done: installations wiped, people whose key was still there, entries sealed."""

    wiped: tuple[str, ...]
    forgotten: tuple[str, ...]
    sealed: int
    delivered: int

    def to_json(self) -> dict[str, Any]:
        return {
            "wiped": list(self.wiped),
            "forgotten": list(self.forgotten),
            "sealed": self.sealed,
            "delivered": self.delivered,
        }


class Platform:
    """Belongs to the event loop in which it was opened."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        keys: KeyRing,
        subject_keys: SubjectKeys,
        directory: Directory,
        clock: Clock,
        registry: MakeRegistry,
        meter: Meter = SILENT,
    ) -> None:
        self.settings = settings
        self.meter = meter
        self.db = db
        self.keys = keys
        self.subject_keys = subject_keys
        self.clock = clock
        self.ledger = Ledger(db, keys, subject_keys, clock)
        self.grants = Grants(db, keys.pairwise())
        self.gate = Gate(db, self.ledger, clock)

        self.app_loop = AppLoop()
        self.registry = registry(self._admitted)
        self.proxies = Proxies(db, self.app_loop, self.registry, clock, limits=settings.hook_limits, meter=meter)
        self.questions = Questions(db, self.gate, self.grants, self.proxies, clock, strict=settings.strict)
        self.notices = Notices(
            db,
            self.gate,
            self.grants,
            self.proxies,
            self.ledger,
            clock,
            lease=settings.lease,
            at_once=settings.lines,
            meter=meter,
        )

        self.tasks = TaskActions(db, self.questions, clock)
        self.checklists = ChecklistActions(db, self.questions, clock)
        self.projects = ProjectActions(db, clock)
        self.people = PeopleActions(db, clock)
        self.objections = Objections(db, self.ledger, clock)
        self.forgetting = Forgetting(db, self.ledger, subject_keys, clock)
        # Never rotated either: with another key everything would come in once more.
        outside = hmac.digest(keys.pairwise(), b"assigntask imports", "sha256")
        self.founding = Founding(db, outside, clock)
        self.imports = Imports(db, outside, clock)
        self.import_key = outside

        # Apps that run elsewhere: how they are found, called, and given what they need for it.
        self.outgoing = Outgoing(settings.outgoing_allow)
        self.credentials = Credentials(db, self.ledger, keys, clock, settings)
        self.connections = Connections()
        self.remotes = Remotes(db, self.outgoing, clock, directory.packages, self.connections.way)
        handover = Handover(db, self.credentials, clock, lambda: self.settings.url)
        self.carrier = RemoteCarrier(db, self.remotes, self.credentials, handover, keys, clock)
        self.connecting = Connecting(db, self.remotes, self.connections, clock, lambda: self.wake(DRAIN))

        self.directory = directory.with_remote(self.remotes.offered)
        self.installing = Installing(db, self.directory, self.ledger, clock)
        self.upgrading = Upgrading(db, self.directory, self.ledger, clock)
        self.leaving = Leaving(db, self.directory, self.ledger, clock)
        self.app_settings = AppSettings(db, clock)
        self.deliveries = DeliveryActions(db, self.ledger, clock)

        self.signing_in = SigningIn(db, self.ledger, clock)
        documents = MetadataDocuments(self._fetch, clock)
        self.authorizing = Authorizing(db, self.ledger, clock, lambda: self.settings.url, settings.lifetimes, documents)
        self.tokens = Tokens(db, self.grants, keys, clock)
        self.oauth = OAuthServer(db, self.grants, keys, clock, settings, self._fetch, documents=documents, meter=meter)

        # Actions ask the apps, and the apps act: the circle is closed here.
        services = Services(
            db,
            self.gate,
            self.grants,
            self.tasks,
            subject_keys,
            clock,
            self.questions.refresh,
            self.checklists,
            settings.limits.file_bytes,
        )
        self.contexts = ContextFactory(services, problems, Events(db, self.gate, self.grants))
        self.proxies.connect(self.contexts, self.carrier)

        self._engine: Engine | None = None
        db.listen(self._announced)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings,
        *,
        clock: Clock = now,
        directory: Directory | None = None,
        registry: MakeRegistry = Registry,
        meter: Meter = SILENT,
    ) -> AsyncIterator[Platform]:
        """Migrates, opens, and closes everything at the end. Raises DatabaseError, LedgerError."""
        in_memory = settings.database == "sqlite://"
        if not in_memory:
            await asyncio.to_thread(_migrate, settings.database)
        async with Database.open(settings.database, meter=meter) as db:
            if in_memory:
                await db.write(metadata.create_all)  # nothing there to upgrade from
            # Keys are made for an empty database only: fresh ones would hide that the old ones are lost.
            keys = KeyRing.open(settings.keys, settings.environ, create=await db.read(_is_empty))
            subject_keys = SubjectKeys(settings.subject_keys, keys)
            try:
                platform = cls(settings, db, keys, subject_keys, directory or Directory(), clock, registry, meter)
                try:
                    yield platform
                finally:
                    await platform.stop()
                    await platform.app_loop.close()
                    await platform.outgoing.close()
                    await platform.ledger.close()
            finally:
                subject_keys.close()

    async def start(self, *, works: bool = True) -> None:
        """What a server does beside answering: deliver, seal, sweep, follow the installed code. Ends with `open`.

        `works=False`, on PostgreSQL: it leaves that to other processes, and only has them woken.

        Raises HostError `work_tables_refused`, DatabaseError.
        """
        await self.upgrading.check()
        if self._engine is None:
            self._engine = self._engine_of(works=works)
        await self._engine.start()

    async def stop(self) -> None:
        """Ends what `start` began, in order: what is being told is finished, or given back at once."""
        if self._engine is not None:
            await asyncio.gather(self._engine.stop(), self.notices.close(self.settings.stop_within))

    def wake(self, name: str, lines: Collection[Line] = ()) -> None:
        """Has the engine look now; nothing where none runs. See `Engine.wake`."""
        if self._engine is not None:
            self._engine.wake(name, lines)

    async def settle(self, seconds: float = SETTLE_SECONDS) -> int:
        """Delivers what waits for apps in this process, for so long at most, and seals; how many were delivered."""
        total = 0
        try:
            async with asyncio.timeout(seconds):
                while delivered := await self.drain():
                    total += delivered
        except TimeoutError:
            pass  # what is left waits in the database, for the next process that drains
        await self.ledger.seal()
        return total

    async def drain(self) -> int:
        """One round over all installations that something waits for."""
        return await self.notices.drain_due(limit=ROUND)

    async def follow(self) -> list[Checked]:
        """Reads the manifests of remote apps again, and compares all apps with what was accepted of them."""
        await self.remotes.refresh()
        return await self.upgrading.check()

    async def sweep(self) -> Swept:
        await self.follow()
        wiped = await self.leaving.sweep()
        forgotten = await self.forgetting.sweep()
        await self._sweep_left_over()
        await self._schedule()
        sealed = await self.ledger.seal()
        delivered = await self.settle()
        return Swept(tuple(each.installation_id for each in wiped), tuple(forgotten), sealed, delivered)

    def site(self, hosts: Sequence[str] = LOOPBACK, program: str = "assigntask") -> ASGIApp:
        """All that is answered here. `hosts`: under which names pages are; `program`: how commands on them begin."""
        services = PageServices(self.db, self.directory, self.questions, self.grants, self.clock, program=program)
        url, limits = (lambda: self.settings.url), self.settings.limits
        outside = ApiServices(
            self.db, self.tokens, self.grants, self.contexts, limits, self.clock, url, self.deliveries
        )
        programs = [
            *endpoints(self.oauth),
            par.endpoint(self.oauth, self.db, self.clock),
            self.connecting.route(),
            *health.routes(Readiness(self.db, self.keys, self.subject_keys).trouble),
        ]
        front = Front(site(services, self.entrance(), hosts), api(outside), programs)
        return Observed(front, self.meter)

    async def standing(self) -> Standing:
        """How much waits on the whole host."""
        return await self.db.read(standing.read, self.clock())

    def entrance(self) -> Entrance:
        """Whom the pages let in, and what they ask them."""
        forms = Forms(self.keys, self.clock)
        days = self.settings.lifetimes.refresh.days
        return Entrance(self.signing_in, self.authorizing, forms, lambda: self.settings.url, days)

    async def _fetch(self, url: str) -> bytes:
        """A client's metadata, or its keys."""
        return (await self.outgoing.get(url, limit_bytes=FETCHED_BYTES)).body

    def _admitted(self, app_id: str) -> InstalledApp:
        """The app's code, unless it is not what was accepted under its id and version. Runs in a loader's thread."""
        app = self.directory.get(app_id)
        self.db.read_inline(admission.check, app)
        return app

    def _announced(self, announced: Collection[Announcement]) -> None:
        lines = [(ids[0], ids[1]) for name, *ids in announced if name == QUEUED]
        if lines:
            self.wake(DRAIN, lines)

    def _engine_of(self, *, works: bool) -> Engine:
        wakeups = (
            Wakeup(SCHEDULE, 5.0, self._schedule),
            Wakeup(SEAL, 1.0, self._seal),
            Wakeup(SWEEP, 600.0, self._sweep),
        )
        if self.db.dialect == "sqlite":
            return Loop((Wakeup(DRAIN, 0.5, self.notices.start_due), *wakeups))
        from assigntask.jobs.procrastinate import Lines, Pace, Procrastinate  # noqa: PLC0415 - for PostgreSQL alone

        due = DueLines(self.db, self.connections, self.clock)
        lines = Lines(due, self.connections.any, self.notices.offer, self.notices.run, self.settings.lines)
        return Procrastinate(self.db.url, lines, wakeups, works=works, pace=Pace(self.settings.heartbeat))

    async def _schedule(self) -> None:
        """Starts the schedules that are due. What they queue is drained at once, as any notice is."""
        while await self.db.write(schedules.due, self.clock()):
            pass

    async def _seal(self) -> None:
        await self.ledger.seal()

    async def _sweep(self) -> None:
        await self.follow()
        await self.leaving.sweep()
        await self.forgetting.sweep()
        await self._sweep_left_over()

    async def _sweep_left_over(self) -> None:
        """What has expired, ended long ago, or never was finished. What is too much at once waits for the next."""
        await self.db.write(files.sweep, self.clock())
        await self.db.write(app_jobs.sweep, self.clock())
        await self.db.write(events.sweep, self.clock(), SWEPT_ROWS)
        await self.db.write(oauth.sweep, self.clock(), SWEPT_ROWS)
        await self.db.write(idempotency.sweep, self.clock(), SWEPT_ROWS)
        await self.signing_in.sweep()


def _migrate(url: str) -> None:
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    migrate(url)


def _is_empty(conn: Connection) -> bool:
    return not organisations.listed(conn)
