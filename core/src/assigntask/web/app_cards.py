"""The app directory: what each app would get, where it stands, and the command that shows more. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assigntask.installations.installations import Installation
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.blocks import Tone
from assigntask_sdk.details import DETAILS, SCOPES, details_of
from assigntask_sdk.manifest import Manifest

_INSTALLED = ("active", "disabled")
_STATES: Mapping[str, tuple[str, Tone]] = {
    "requested": ("requested, not decided", "warning"),
    "declined": ("declined", "plain"),
    "active": ("active", "good"),
    "disabled": ("disabled", "warning"),
    "uninstalled": ("uninstalled", "plain"),
}
_NOT_INSTALLED: tuple[str, Tone] = ("not installed", "plain")  # as is what was wiped: nothing of it is left


@dataclass(frozen=True, slots=True)
class Terminal:
    """What commands for this page's viewer have in common. `database` None: it is not to be written on a page."""

    organisation: str
    acting: str
    database: str | None
    program: str = "assigntask"

    def command(self, *words: str, acting: bool = False) -> str:
        """To be pasted into a shell as it stands."""
        place = [("--organisation", self.organisation)]
        place += [("--as", self.acting)] if acting else []
        place += [("--database", self.database)] if self.database else []
        return " \\\n  ".join([f"{self.program} {shlex.join(words)}", *map(shlex.join, place)])


@dataclass(frozen=True, slots=True)
class Ask:
    """One scope or power, with the vendor's reason and the details that it opens, in the catalogue's words.

    `left_out`: the app is installed without it.
    """

    words: str
    reason: str
    required: bool
    left_out: bool
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asks:
    """All that a manifest asks for."""

    vendor: str
    country: str
    version: str
    scopes: Sequence[Ask]
    powers: Sequence[Ask]
    contacts: Sequence[str]
    egress: Sequence[str]
    retention_days: int


@dataclass(frozen=True, slots=True)
class AppCard:
    """`asks` None: the app can't be read, and `error` with its `code` says why. `pending`: a newer version waits."""

    id: str
    name: str
    state: str
    tone: Tone
    asks: Asks | None
    error: str
    code: str
    pending: str
    command_words: str
    command: str


def cards(offered: Sequence[InstalledApp], known: Sequence[Installation], terminal: Terminal) -> list[AppCard]:
    """By id: what this host offers, and what is installed though its code is gone.

    `known`: the organisation's installations, oldest first; the newest of an app tells its state.
    """
    newest = {each.app_id: each for each in known}
    found = [_card(app, newest.get(app.id), terminal) for app in offered]
    gone = newest.keys() - {app.id for app in offered}
    found += [_gone(newest[app_id], terminal) for app_id in gone if newest[app_id].state in _INSTALLED]
    return sorted(found, key=lambda card: card.id)


def _card(app: InstalledApp, standing: Installation | None, terminal: Terminal) -> AppCard:
    state, tone = _STATES.get(standing.state, _NOT_INSTALLED) if standing is not None else _NOT_INSTALLED
    if app.manifest is None:
        why = app.error.message if app.error is not None else "its manifest can't be read"
        code = app.error.code if app.error is not None else "app_broken"
        state = "broken" if standing is None or standing.state not in _INSTALLED else f"{state}, and broken"
        return AppCard(app.id, app.id, state, "bad", None, why, code, "", "", "")
    words, command = _preview(app.id, standing, terminal)
    return AppCard(
        id=app.id,
        name=app.manifest.name,
        state=state,
        tone=tone,
        asks=_asks(app.manifest, standing),
        error="",
        code="",
        pending=standing.pending_version or "" if standing is not None else "",
        command_words=words,
        command=command,
    )


def _gone(standing: Installation, terminal: Terminal) -> AppCard:
    words, command = _preview(standing.app_id, standing, terminal)
    why = "Its code is no longer on this host: install its package again, or uninstall the app."
    state = f"{_STATES[standing.state][0]}, and missing"
    return AppCard(standing.app_id, standing.app_id, state, "bad", None, why, "app_missing", "", words, command)


def _preview(app_id: str, standing: Installation | None, terminal: Terminal) -> tuple[str, str]:
    """What a command tells before anybody decides, and the command."""
    if standing is not None and standing.state in _INSTALLED:
        if standing.pending_version is not None:
            words = f"What version {standing.pending_version} would newly get"
            return words, terminal.command("apps", "upgrade", app_id, "--dry-run", acting=True)
        return "What it was granted, and never used", terminal.command("apps", "show", app_id)
    if standing is not None and standing.state == "uninstalled":
        words = "What it would get if it came back"
        return words, terminal.command("apps", "restore", app_id, "--dry-run", acting=True)
    words = "What it would get, with real values"
    return words, terminal.command("apps", "install", app_id, "--dry-run", acting=True)


def _asks(manifest: Manifest, standing: Installation | None) -> Asks:
    granted = standing.scopes if standing is not None and standing.state in _INSTALLED else None

    def lines(*, power: bool) -> list[Ask]:
        return [
            Ask(
                words=SCOPES[scope].words,
                reason=reason,
                required=scope in manifest.scopes.required,
                left_out=granted is not None and scope not in granted,
                details=tuple(DETAILS[name].words for name in sorted(details_of([scope]))),
            )
            for scopes in (manifest.scopes.required, manifest.scopes.optional)
            for scope, reason in scopes.items()
            if SCOPES[scope].power is power
        ]

    return Asks(
        vendor=manifest.vendor.name,
        country=manifest.vendor.country,
        version=manifest.version,
        scopes=lines(power=False),
        powers=lines(power=True),
        contacts=[
            f"of the {contact}: {', '.join(DETAILS[name].words for name in wanted)}"
            for contact, wanted in manifest.contacts.items()
        ],
        egress=manifest.egress,
        retention_days=manifest.retention_days,
    )
