"""What the tests of the whole host share: apps of the bench, and everything that a database holds."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy.engine import Connection, Engine, make_url

from assigntask.app import Platform
from assigntask.db import tables as t
from assigntask_sdk.apps import InstalledApp, find_app

HERE = Path(__file__).parent
FOLDERS = (HERE / "apps", HERE.parent / "core" / "tests" / "apps")

BenchApp = Callable[[str], InstalledApp]
Dump = Callable[[Platform], Awaitable[dict[str, list[tuple[Any, ...]]]]]


@pytest.fixture
def forgetful() -> Iterator[None]:
    """Forgets the apps of the bench afterwards, so that their code starts afresh in each test."""
    path = list(sys.path)
    yield
    sys.path[:] = path
    packages = {app.name for folder in FOLDERS for app in folder.iterdir()}
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]


@pytest.fixture
def bench_app(forgetful: None) -> BenchApp:
    """An app of the bench by the name of its package."""

    def find(package: str) -> InstalledApp:
        return find_app(next(folder / package for folder in FOLDERS if (folder / package).is_dir()))

    return find


def rows_of_everything(conn: Connection) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table.name: sorted(
            (tuple(row) for row in conn.execute(sa.select(table))), key=lambda row: [str(value) for value in row]
        )
        for table in t.metadata.sorted_tables
    }


@pytest.fixture
def dump() -> Dump:
    """All rows of all tables, sorted: equal before and after means that nothing was changed."""

    async def everything(platform: Platform) -> dict[str, list[tuple[Any, ...]]]:
        return await platform.db.read(rows_of_everything)

    return everything


# --- watching statements ----------------------------------------------------------------------------------------------

HOST_WIDE: Mapping[tuple[str, str], str] = {
    ("assigntask.people.organisations", "listed"): "which organisations there are: the operator's list",
    ("assigntask.people.organisations", "by_name"): "an organisation is found by its name before its id is known",
    ("assigntask.people.organisations", "create"): "it has no id yet",
    ("assigntask.hooks.lines", "due"): "a wake-up: for whom something waits; ids only",
    ("assigntask.actions.forgetting", "_back"): "a sweep: whom an older copy brought back; ids only",
    ("assigntask.ledger.sealing", "waiting_organisations"): "a wake-up: whose entries wait for their place; ids only",
    ("assigntask.installations.wiping", "due"): "a sweep: whose retention is over; ids only",
    ("assigntask.api.idempotency", "sweep"): "a sweep: answers that were kept long enough",
    ("assigntask.erasures.rows", "overdue"): "a sweep: what was asked too long ago; ids only",
    ("assigntask.actions.forgetting", "_all_forgotten"): "a sweep: whose key may still be there; ids only",
    ("assigntask.files.sweeping", "sweep"): "a sweep: what never became an attachment",
    ("assigntask.jobs.rows", "sweep"): "a sweep: jobs that ended long ago",
    ("assigntask.events.sweeping", "sweep"): "a sweep: what was told, or given up, long ago; ids only",
    ("assigntask.schedules.runs", "due"): "a wake-up: whose schedule is due; ids and names only",
    ("assigntask.people.sessions", "redeem"): "whose sign-in link it is, the digest of its 256 random bits says",
    ("assigntask.people.sessions", "find"): "whose session it is, the digest of its 256 random bits says",
    ("assigntask.people.sessions", "sweep"): "a sweep: sessions and links whose time is over",
    ("assigntask.oauth.clients", "by_id"): "a client's id is unique on the host, and says whose it is",
    (
        "assigntask.oauth.clients",
        "by_metadata_url",
    ): "a client that names itself by an address does not say whose it is",
    ("assigntask.oauth.known_clients", "load"): "a client's id is unique on the host, and says whose it is",
    ("assigntask.oauth.tokens", "issued"): "the digest of 256 random bits says whose it is",
    ("assigntask.oauth.codes", "find"): "the digest of 256 random bits says whose it is",
    ("assigntask.oauth.refreshing", "find"): "the digest of 256 random bits says whose it is",
    ("assigntask.oauth.sweeping", "sweep"): "a sweep: what has expired, whosever it was",
    ("assigntask.hooks.standing", "read"): "how much waits on this host: counts and ages, for its operator",
    ("assigntask.delivery.dialled", "dialling_in"): "an engine: whose app is at the end of one connection; ids only",
    ("assigntask.hooks.lines", "wake"): "an app that dials in has come: what waits for it, everywhere; no values",
    ("assigntask.delivery.remotes", "_installed_anywhere"): "whether a remote app may go: one id of any organisation",
}
"""Functions whose statements are the host's own, and why."""

OF_ORGANISATIONS = frozenset(table.name for table in t.metadata.sorted_tables if "organisation_id" in table.c)
PLACE = re.compile(r"(?:\bFROM|\bJOIN|\bUPDATE|\bINTO|,)\s+(\w+)(?:\s+AS\s+(\w+))?(?!\s*=|[\w.])")


class Watch:
    """`complaints`: statements that are not held to one organisation. `acting` and `others`: ids of organisations."""

    allowed = HOST_WIDE

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.seen = 0
        self.host_wide: set[tuple[str, str]] = set()
        self.acting: str | None = None
        self.others: frozenset[str] = frozenset()

    def look(self, _conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        tables = {match[1]: match[2] or match[1] for match in PLACE.finditer(statement)}
        held = {name: known for name, known in tables.items() if name in OF_ORGANISATIONS or name == "organisation"}
        if not held:
            return
        self.seen += 1
        allowed = [place for place in _callers() if place in HOST_WIDE]
        if allowed:
            self.host_wide.add(allowed[0])
            return
        loose = [name for name, known in held.items() if not _held(statement, name, known)]
        if loose:
            self.complaints.append(f"{', '.join(loose)} in: {statement}")
        for row in parameters if many else [parameters]:
            values = set(row.values() if isinstance(row, Mapping) else row)
            if self.acting is not None and (self.acting not in values or values & self.others):
                self.complaints.append(f"not held to the organisation: {statement}")


def _held(statement: str, name: str, known: str) -> bool:
    column = "id" if name == "organisation" else "organisation_id"
    if re.match(rf"INSERT INTO {name}\b", statement):
        return re.search(rf"\([^)]*\b{column}\b[^)]*\)", statement) is not None
    return re.search(rf"\b{known}\.{column}\s*(?:=|IN\b)|=\s*{known}\.{column}\b", statement) is not None


def _callers() -> Iterator[tuple[str, str]]:
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        yield frame.f_globals.get("__name__", ""), frame.f_code.co_name


@contextmanager
def _watching() -> Iterator[Watch]:
    watch = Watch()
    sa.event.listen(Engine, "before_cursor_execute", watch.look)
    try:
        yield watch
    finally:
        sa.event.remove(Engine, "before_cursor_execute", watch.look)


Watching = Callable[[], AbstractContextManager[Watch]]


@pytest.fixture
def watching() -> Watching:
    """`with watching() as watch:` looks at every statement meanwhile, on every database."""
    return _watching


# --- a served host ----------------------------------------------------------------------------------------------------


class Visitor:
    """Somebody with a browser who is signed in at a host on this machine, by a link."""

    def __init__(self, address: str, link: str) -> None:
        self.http = httpx2.Client(base_url=address, trust_env=False, timeout=30)
        signed_in = self.post("/sign-in", {"link": link}).status_code == 303
        if not signed_in:
            self.http.close()
        assert signed_in, "a link works once: somebody else used it"

    def post(self, path: str, fields: Mapping[str, str]) -> httpx2.Response:
        """A form of the host's own page."""
        return self.http.post(path, data=dict(fields), headers={"origin": str(self.http.base_url).rstrip("/")})

    def authorize(self, query: Mapping[str, str]) -> Mapping[str, str]:
        """Allows all that is asked; what the app is told."""
        page = self.http.get("/oauth/authorize", params=dict(query))
        assert page.status_code == 200, page.text
        form = page.text[page.text.index('<form method="post" action="/oauth/authorize"') :]
        sealed = re.search(r'name="form" value="([^"]+)"', form)
        assert sealed is not None
        ticked = dict.fromkeys(re.findall(r'type="checkbox"[^>]* name="([^"]+)"', form), "yes")
        answer = self.post("/oauth/authorize", {"form": sealed[1], "decision": "allow", **ticked})
        assert answer.status_code == 303, answer.text
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


class ServedHost:
    """A host in a process of its own. `facts`: where it is, and who and what is there."""

    def __init__(self, process: subprocess.Popen[str], database: str, folder: Path) -> None:
        self._process = process
        self.database, self.folder = database, folder
        self.facts: dict[str, Any] = self._read()
        self._visitors: dict[str, Visitor] = {}

    @property
    def address(self) -> str:
        """Where this process listens; where the host says that it is, is `facts["issuer"]`."""
        return str(self.facts["address"])

    def act(self, do: str, by: str, **facts: str) -> None:
        """What a person does, through this process: an act of `oauth_host.Acts`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, "by": by, **facts}) + "\n")
        self._process.stdin.flush()
        assert self._read() == {"done": True}

    def visitor(self, name: str) -> Visitor:
        """A person at their browser, signed in."""
        if name not in self._visitors:
            self._visitors[name] = Visitor(self.address, self.facts["links"][name])
        return self._visitors[name]

    def close(self) -> None:
        for visitor in self._visitors.values():
            visitor.http.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("{"), "the host stopped; its errors are above"
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def serving_host(database: str, folder: Path, first: ServedHost | None = None) -> Iterator[ServedHost]:
    """`first`: another process on the same database, which is there already."""
    given = {"database": database, "folder": str(folder), "first": first.facts if first else None}
    environ = {**os.environ, "SSL_CERT_FILE": str(folder / "vendor.pem")}  # the one certificate that it trusts
    words = [sys.executable, str(HERE / "oauth_host.py"), json.dumps(given)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ) as process:
        host = None
        try:
            host = ServedHost(process, database, folder)
            yield host
        finally:
            if host is not None:
                host.close()
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(timeout=30) == 0


def certify(folder: Path) -> None:
    """A certificate for this machine, which vouches for itself, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    places = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(places), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    (folder / "vendor.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "vendor.key").write_bytes(secret)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def served_host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedHost]:
    """One for all tests that ask for it, on one worker: they end nothing but apps and people that are theirs alone."""
    folder = tmp_path_factory.mktemp("served")
    certify(folder)
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("sqlite_template"), folder / "assigntask.db")
        with serving_host(f"sqlite:///{folder / 'assigntask.db'}", folder) as host:
            yield host
        return
    supply, server = request.getfixturevalue("postgresql_supply"), request.getfixturevalue("postgresql_server")
    name = supply.take()
    with serving_host(make_url(server).set(database=name).render_as_string(hide_password=False), folder) as host:
        yield host
    supply.drop(name)


@pytest.fixture(scope="session")
def second_host(served_host: ServedHost) -> Iterator[ServedHost]:
    """Another process on the database of `served_host`, with the same keys."""
    with serving_host(served_host.database, served_host.folder, served_host) as host:
        yield host


# --- programs that others wrote ---------------------------------------------------------------------------------------

NPM = HERE / "npm"
RunNode = Callable[[str, str], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def run_node() -> RunNode:
    """`run_node(script, input)`: the JSON lines that a script in `npm/` writes."""
    node = shutil.which("node")
    assert node is not None, "Node.js 20 or newer is missing: install it, then run `make test`"
    assert (NPM / "node_modules").is_dir(), "its packages are missing: run `make test`, which installs them"

    def run(script: str, given: str) -> list[dict[str, Any]]:
        words = [node, script]
        done = subprocess.run(words, cwd=NPM, input=given, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run
