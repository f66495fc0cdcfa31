"""The host that `assigntask dev` runs, as a process of its own: each reload starts it afresh.

It belongs to a throw-away folder and one developer: the app is admitted as it stands, and an admin of the sample
organisation agrees to whatever it asks for.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.engine import Connection

from assigntask.app import Platform
from assigntask.cli import sample_organisation
from assigntask.cli.dev_lines import Lines
from assigntask.cli.failures import describe
from assigntask.cli.program import program
from assigntask.cli.serving import until_stopped
from assigntask.errors import HostError
from assigntask.hooks import problems
from assigntask.hooks.registry import Registry
from assigntask.installations import admission, installations
from assigntask.installations.directory import Directory
from assigntask.installations.upgrading import newer
from assigntask.people import organisations
from assigntask.people.facts import Doer
from assigntask.settings import LOOPBACK_NETWORKS, Settings
from assigntask.web.site import LOOPBACK
from assigntask_sdk.apps import AppBroken, Hook, InstalledApp, find_app, find_apps, load_hooks
from assigntask_sdk.context import Ctx

PROBLEM_SECONDS = 0.5
SETTLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """`taken`: the descriptor of a socket that listens at `url`. `remote`: where the app serves, if on its own."""

    path: str
    data: str
    taken: int
    url: str
    remote: str | None
    as_json: bool

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class ShownRegistry(Registry):
    """The host's own; what the app's functions raise is shown as it is."""

    def __init__(self, find: Callable[[str], InstalledApp], lines: Lines) -> None:
        super().__init__(find)
        self._found, self._lines = find, lines

    async def implementation(self, app_id: str, hook: str) -> Hook | None:
        function = await super().implementation(app_id, hook)
        return None if function is None else self._shown(app_id, hook, function)

    def _shown(self, app_id: str, hook: str, function: Hook) -> Hook:
        async def shown(ctx: Ctx, ask: Any) -> Any:
            try:
                return await function(ctx, ask)
            except Exception as error:
                self._lines.raised(self._found(app_id), hook, error)
                raise

        return shown


def main(wanted: Wanted) -> int:
    """The exit status: 0 stopped, 1 could not start."""
    lines = Lines(as_json=wanted.as_json)
    _log(lines)
    try:
        app = _found(wanted, lines)
        asyncio.run(_serve(wanted, app, lines))
    except (HostError, AppBroken, OSError) as error:
        failure = describe(error)
        lines.say("error", code=failure.code, message=failure.message)
        return 1
    return 0


def _found(wanted: Wanted, lines: Lines) -> InstalledApp:
    """The app, whose code is loaded to see whether it can be. Raises AppBroken for a manifest that can't be used."""
    app = find_app(Path(wanted.path))
    if wanted.remote is None:
        try:
            load_hooks(app)
        except AppBroken as error:
            lines.say("error", code=error.code, message=error.message)
            if error.__cause__ is not None:
                lines.raised(app, "its import", error.__cause__)
    return app


async def _serve(wanted: Wanted, app: InstalledApp, lines: Lines) -> None:
    data = Path(wanted.data)
    settings = Settings.of(database=f"sqlite:///{data / 'assigntask.db'}", data=data, environ={})
    settings = replace(settings, url=wanted.url, strict=True, outgoing_allow=LOOPBACK_NETWORKS)
    here: list[InstalledApp] = [] if wanted.remote is not None else [app]
    others = [other for other in find_apps() if other.id != app.id]
    async with Platform.open(
        settings,
        directory=Directory(lambda: [*others, *here]),
        registry=lambda find: ShownRegistry(find, lines),
    ) as platform:
        await sample_organisation.fill(platform, platform.clock())
        if wanted.remote is not None:
            await _register(platform, app.id, wanted.remote)
        else:
            here[:] = [await platform.db.read(as_next_version, app)]
        with until_stopped(platform.site(LOOPBACK, program())) as server, _ended_with_parent(server):
            serving = asyncio.ensure_future(server.serve(sockets=[socket.socket(fileno=wanted.taken)]))
            try:
                version = await _installed(platform, app.id, lines)
                await platform.settle(SETTLE_SECONDS)  # `installed`, and a service's credentials
                await platform.start()
                lines.say("serving", app=app.id, version=version, url=wanted.url, data=wanted.data)
                watching = asyncio.ensure_future(_watch_problems(platform, lines))
                await serving
                watching.cancel()
            finally:
                server.should_exit = True
                await serving


async def _register(platform: Platform, app_id: str, url: str) -> None:
    if any(remote.app_id == app_id for remote in await platform.remotes.listed()):
        [remote] = await platform.remotes.refresh(app_id)
        if remote.error is not None:
            raise HostError("manifest_unreadable", remote.error)
    else:
        await platform.remotes.add(url)


async def _installed(platform: Platform, app_id: str, lines: Lines) -> str:
    """The version that holds, once an admin agreed to all that the app asks for now."""
    doer = await platform.db.read(_admin)
    before = await platform.db.read(installations.find, doer.organisation_id, app_id)
    if before is None or before.state == "requested":
        return _said(lines, "installed", app_id, (await platform.installing.install(doer, app_id)).version)
    for refused in await platform.upgrading.check(app_id):
        if refused.code is not None:
            platform.db.read_inline(admission.check, platform.directory.get(app_id))
    now = await platform.db.read(installations.require, doer.organisation_id, app_id)
    if now.pending_version is not None:
        now = await platform.upgrading.upgrade(doer, app_id)
    return now.version if now.version == before.version else _said(lines, "upgraded", app_id, now.version)


def _said(lines: Lines, event: str, app_id: str, version: str) -> str:
    lines.say(event, app=app_id, version=version)
    return version


def _admin(conn: Connection) -> Doer:
    """Of the first organisation that has one. Raises HostError `admin_missing`."""
    for organisation in organisations.listed(conn):
        admin = sample_organisation.admin_of(conn, organisation.id)
        if admin is not None:
            return Doer(organisation.id, admin.id, "admin")
    raise HostError("admin_missing", "No organisation there has an admin: name another folder with --data.")


def as_next_version(conn: Connection, app: InstalledApp) -> InstalledApp:
    """The app under a version that was not accepted with another manifest: while it is written, nobody raises it.

    The file's version, or that of the latest install and then the next patch releases.
    """
    manifest = app.usable()
    version = manifest.version
    for organisation in organisations.listed(conn):
        found = installations.find(conn, organisation.id, app.id)
        if found is not None and newer(found.version, version):
            version = found.version
    while True:
        candidate = manifest.model_copy(update={"version": version})
        if _digest(conn, app.id, version) in (None, candidate.digest):
            return replace(app, manifest=candidate)
        major, minor, patch = version.split(".")
        version = f"{major}.{minor}.{int(patch) + 1}"


def _digest(conn: Connection, app_id: str, version: str) -> str | None:
    try:
        return admission.manifest_of(conn, app_id, version).digest
    except HostError:
        return None


async def _watch_problems(platform: Platform, lines: Lines) -> None:
    """Problems are rows: what was reported since the last look is shown."""
    organisation_id = (await platform.db.read(_admin)).organisation_id
    shown: dict[str, int] = {}
    while True:
        for problem in await platform.db.read(problems.listed, organisation_id):
            if shown.get(problem.key) != problem.count:
                shown[problem.key] = problem.count
                lines.say("problem", key=problem.key, severity=problem.severity, text=problem.text, count=problem.count)
        await asyncio.sleep(PROBLEM_SECONDS)


@contextmanager
def _ended_with_parent(server: Any) -> Iterator[None]:
    """stdin is a pipe that nobody writes to: it ends when the process that watches the files is gone."""
    loop = asyncio.get_running_loop()

    def ended() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            loop.remove_reader(sys.stdin.fileno())
            server.should_exit = True

    loop.add_reader(sys.stdin.fileno(), ended)
    try:
        yield
    finally:
        loop.remove_reader(sys.stdin.fileno())


def _log(lines: Lines) -> None:
    structlog.configure(
        processors=[structlog.processors.add_log_level, lines.log_to],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, force=True)


if __name__ == "__main__":
    sys.exit(main(Wanted(**json.loads(sys.argv[1]))))
