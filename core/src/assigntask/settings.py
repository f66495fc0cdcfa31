"""What an operator can set, from the environment (`ASSIGNTASK_…`) and the command line."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from assigntask.errors import HostError

DATA_FOLDER = Path("data")
LOOPBACK_NETWORKS = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long what the authorization server gives out can be used. `refresh`: since it was used last."""

    code: dt.timedelta = dt.timedelta(seconds=60)
    access: dt.timedelta = dt.timedelta(hours=1)
    refresh: dt.timedelta = dt.timedelta(days=30)
    overlap: dt.timedelta = dt.timedelta(hours=24)  # of old and new credentials, after a rotation


@dataclass(frozen=True, slots=True)
class Limits:
    """What one installation may ask of the API."""

    requests: int = 600  # in `window`
    window: dt.timedelta = dt.timedelta(minutes=1)
    file_bytes: int = 25 * 1024 * 1024  # of one attached file


@dataclass(frozen=True, slots=True)
class Settings:
    """`keys` is a folder, outside the database and its backups. `subject_keys` is a database URL of its own."""

    database: str
    keys: Path | None
    subject_keys: str
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    strict: bool = False  # blocks over the limits are errors, as in tests
    hook_limits: Mapping[str, float] = field(default_factory=dict)  # seconds, where they are not the contract's
    lease: dt.timedelta = dt.timedelta(seconds=150)  # of a delivery: longer than an import and the longest call
    lines: int = 64  # installations that one process tells beside each other
    heartbeat: float = 2.0  # seconds between two signs of life of a process that works; after three it counts as dead
    stop_within: float = 10.0  # seconds in which calls that are under way may end, once a process is to stop
    # Where people and apps find this host, without a slash at the end; "": where it listens. The issuer of its tokens.
    url: str = ""
    lifetimes: Lifetimes = Lifetimes()
    limits: Limits = Limits()
    # Networks that are not public and that outgoing requests may go to all the same, such as "127.0.0.0/8".
    outgoing_allow: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, *, database: str | None = None, data: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> Settings:
        """`database` goes before ASSIGNTASK_DATABASE, and that before a file in the data folder.

        Keys lie in ASSIGNTASK_KEYS, or beside the database file, or in the data folder.
        """
        env = os.environ if environ is None else environ
        folder = data or Path(env.get("ASSIGNTASK_DATA", DATA_FOLDER))
        url = database or env.get("ASSIGNTASK_DATABASE") or f"sqlite:///{folder / 'assigntask.db'}"
        if url.startswith("sqlite:///"):
            folder = Path(url.removeprefix("sqlite:///")).parent if data is None else folder
        keys = Path(env.get("ASSIGNTASK_KEYS", folder / "keys"))
        subject_keys = env.get("ASSIGNTASK_SUBJECT_KEYS", f"sqlite:///{keys / 'subjects.db'}")
        return cls(
            url,
            keys,
            subject_keys,
            dict(env),
            url=address_of(env.get("ASSIGNTASK_URL", "")),
            lifetimes=lifetimes_of(env),
            limits=limits_of(env),
            outgoing_allow=networks_of(env.get("ASSIGNTASK_OUTGOING_ALLOW", "")),
        )

    @classmethod
    def in_memory(cls) -> Settings:
        """Nothing outlives the process. Keys are random."""
        secrets = {
            f"ASSIGNTASK_KEY_{name}": b64encode(os.urandom(32)).decode()
            for name in ("LEDGER", "PAIRWISE", "SUBJECTS", "CREDENTIALS")
        }
        return cls("sqlite://", None, "sqlite://", secrets, url="https://assigntask.example")


def address_of(text: str) -> str:
    """Raises HostError `setting_invalid` for what is no origin: https, or http to this machine."""
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        raise _invalid("ASSIGNTASK_URL", "an address such as https://tasks.example.org") from None
    origin = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not (
        origin and port_is_one and parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and local))
    ):
        raise _invalid("ASSIGNTASK_URL", "an address such as https://tasks.example.org, without a path")
    return f"{parts.scheme}://{parts.netloc}"


def lifetimes_of(env: Mapping[str, str]) -> Lifetimes:
    """ASSIGNTASK_CODE_SECONDS, _ACCESS_SECONDS, _REFRESH_DAYS, _OVERLAP_HOURS. Raises HostError `setting_invalid`."""
    usual = Lifetimes()
    return Lifetimes(
        code=_span(env, "ASSIGNTASK_CODE_SECONDS", dt.timedelta(seconds=1), usual.code),
        access=_span(env, "ASSIGNTASK_ACCESS_SECONDS", dt.timedelta(seconds=1), usual.access),
        refresh=_span(env, "ASSIGNTASK_REFRESH_DAYS", dt.timedelta(days=1), usual.refresh),
        overlap=_span(env, "ASSIGNTASK_OVERLAP_HOURS", dt.timedelta(hours=1), usual.overlap),
    )


def limits_of(env: Mapping[str, str]) -> Limits:
    """ASSIGNTASK_API_REQUESTS (a minute), ASSIGNTASK_FILE_BYTES. Raises HostError `setting_invalid`."""
    usual = Limits()
    return Limits(
        requests=_number(env, "ASSIGNTASK_API_REQUESTS", usual.requests),
        file_bytes=_number(env, "ASSIGNTASK_FILE_BYTES", usual.file_bytes),
    )


def log_form_of(env: Mapping[str, str]) -> Literal["lines", "json"]:
    """ASSIGNTASK_LOG. Raises HostError `setting_invalid`."""
    match env.get("ASSIGNTASK_LOG") or "lines":
        case "lines":
            return "lines"
        case "json":
            return "json"
        case _:
            raise _invalid("ASSIGNTASK_LOG", "lines, or json")


def place_of(text: str) -> tuple[str, int]:
    """HOST:PORT of ASSIGNTASK_METRICS, an address of version 6 in brackets. Raises HostError `setting_invalid`."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None or parts.netloc != text or parts.username is not None:
        raise _invalid("ASSIGNTASK_METRICS", "where monitors find this process, such as 127.0.0.1:9090")
    return host, port


def networks_of(text: str) -> tuple[str, ...]:
    """Networks, apart by commas. Raises HostError `setting_invalid`."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    try:
        return tuple(str(ipaddress.ip_network(name)) for name in names)
    except ValueError:
        raise _invalid("ASSIGNTASK_OUTGOING_ALLOW", "networks such as 10.1.0.0/16, apart by commas") from None


def _span(env: Mapping[str, str], name: str, unit: dt.timedelta, usual: dt.timedelta) -> dt.timedelta:
    return unit * _number(env, name, usual // unit)


def _number(env: Mapping[str, str], name: str, usual: int) -> int:
    text = env.get(name, "")
    if not text:
        return usual
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 10**10):
        raise _invalid(name, "a whole number above 0")
    return int(text)


def _invalid(name: str, wanted: str) -> HostError:
    return HostError("setting_invalid", f"{name} can't be taken: give {wanted}.", setting=name)
