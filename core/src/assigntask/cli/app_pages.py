"""Apps on the terminal: the directory, a manifest, an installation, and what an install would share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assigntask.cli.app_facts import Installed, Listed
from assigntask.cli.page import Page, counted, shown
from assigntask.grants.grant import assurance
from assigntask.installations.consent import DetailLine, Preview, ScopeLine
from assigntask.installations.directory import DIALS_IN, runs_elsewhere
from assigntask.installations.installations import Installation
from assigntask_sdk.apps import InstalledApp
from assigntask_sdk.details import DETAILS, SCOPES
from assigntask_sdk.manifest import Manifest, origins


def write_listing(page: Page, rows: Sequence[Listed]) -> None:
    page.table(
        ("App", "Name", "Version", "Vendor", "State"),
        ((row.id, row.name, row.version, row.vendor, _state(row)) for row in rows),
        nothing="No app is installed on this host.",
    )
    for row in rows:
        if row.error is not None:
            page.line(f"{row.id}: {row.error['message']} [{row.error['code']}]")


def _state(row: Listed) -> str:
    state = row.state or ("" if row.error is None else "broken")
    return f"{state}, {row.pending} waits for an admin" if row.pending else state


def manifest_json(app: InstalledApp) -> dict[str, Any]:
    """The manifest as it was written, and where its code comes from."""
    manifest = app.usable()
    return {
        **manifest.model_dump(mode="json"),
        "manifest_digest": manifest.digest,
        "distribution": app.distribution,
        "distribution_version": app.distribution_version,
        "content_digest": app.content_digest,
        "assurance": assurance(remote=runs_elsewhere(app)),
    }


def write_manifest(page: Page, app: InstalledApp) -> None:
    manifest = app.usable()
    page.heading(f"{manifest.name} {manifest.version} ({manifest.id})")
    page.facts(
        {
            "Vendor": f"{manifest.vendor.name}, {manifest.vendor.country}",
            "Contact": manifest.vendor.contact,
            "Privacy": manifest.vendor.privacy,
            **_place(app),
            "Connects to": ", ".join(manifest.egress) or "no other host",
            "Sends people to": ", ".join(sorted(origins(manifest))) or None,
            "Keeps its data": f"{counted(manifest.retention_days, 'day')} after it is uninstalled",
        }
    )
    _asks(page, "It needs to", manifest.scopes.required)
    _asks(page, "It may be allowed to", manifest.scopes.optional)
    _hooks(page, manifest)
    for contact, details in manifest.contacts.items():
        page.line(f"It is told, of the {contact} contact: {', '.join(DETAILS[name].words for name in details)}.")


def _place(app: InstalledApp) -> dict[str, str]:
    if not runs_elsewhere(app):
        return {"Code": f"{app.distribution} {app.distribution_version}, trusted by the operator"}
    where = "its vendor's machine, which dials in" if app.distribution == DIALS_IN else app.distribution
    return {"Runs at": f"{where}: it can have nothing but what the host passes to it"}


def _asks(page: Page, words: str, scopes: Mapping[str, str]) -> None:
    if scopes:
        page.line()
        page.heading(f"{words}:")
    for scope, reason in scopes.items():
        power = ", a power" if SCOPES[scope].power else ""
        page.indented(f"{SCOPES[scope].words} ({scope}{power})")
        page.indented(f"because: {reason}", 4)


def _hooks(page: Page, manifest: Manifest) -> None:
    if manifest.hooks:
        page.line()
        page.table(
            ("Hook", "Details that it gets there"),
            ((hook, ", ".join(details) or "only ids") for hook, details in sorted(manifest.hooks.items())),
        )


def write_installation(page: Page, installation: Installation) -> None:
    page.facts(
        {
            "State": installation.state,
            "Version": installation.version,
            "Waiting for an admin": installation.pending_version,
            "Granted": ", ".join(sorted(installation.scopes)),
            "Left out": ", ".join(sorted(installation.declined)),
            "Reach": "all projects"
            if installation.projects is None
            else counted(len(installation.projects), "project"),
            "Contacts told": ", ".join(sorted(installation.contacts)),
            "For one person alone": "yes" if installation.only_person_id else None,
            "Settings": ", ".join(f"{name}={value}" for name, value in sorted(installation.settings.items())),
            "Wiped": f"after {shown(installation.wipe_at)}" if installation.wipe_at else None,
            "Id": installation.id,
        }
    )


def write_installed(page: Page, installed: Installed) -> None:
    page.line()
    page.heading("In this organisation")
    write_installation(page, installed.installation)
    if installed.unused_scopes:
        page.line(f"Granted, and nothing of it was ever released: {', '.join(installed.unused_scopes)}.")
    if installed.unused_details:
        page.line(f"Details that it could get and never got: {', '.join(installed.unused_details)}.")
    for hook, breaker in installed.breakers.items():
        if breaker.state != "closed":
            page.line(f"{hook} is left alone after {counted(breaker.failures, 'failure')}: {breaker.last_error}")
    for problem in installed.problems:
        page.line(f"{problem.severity}, {problem.count} ×: {problem.text}")


def write_preview(page: Page, preview: Preview) -> None:
    change = f"from {preview.from_version} to {preview.version}" if preview.from_version else preview.version
    page.heading(f"{preview.name} {change} ({preview.app}), by {preview.vendor['name']}, {preview.vendor['country']}")
    page.line(f"Contact: {preview.vendor['contact']}. Privacy policy: {preview.vendor['privacy']}.")
    page.line(preview.assurance_words)
    _lines(page, "It would be allowed to", preview.scopes)
    _lines(page, "It would have these powers", preview.powers)
    _details(page, preview.details)
    _handed_over(page, preview)
    reach = "all projects, also later ones" if preview.projects is None else ", ".join(preview.projects)
    page.line()
    page.facts(
        {
            "Reach": reach,
            "Ways out": ", ".join(preview.channels),
            "Connects to": ", ".join(preview.egress) or "no other host",
            "Sends people to": ", ".join(preview.sends_people_to) or None,
            "Keeps its data": f"{counted(preview.retention_days, 'day')} after it is uninstalled",
            "Left out": counted(preview.people_left_out, "person", "people") + ", who objected or are restricted",
            "For you alone": "yes" if preview.alone else None,
        }
    )
    page.line()
    page.line("This was a dry run: nothing was changed, and nothing was shared.")


def _lines(page: Page, words: str, lines: Sequence[ScopeLine]) -> None:
    if lines:
        page.line()
        page.heading(f"{words}:")
    for line in lines:
        marks = [line.scope, "required" if line.required else "optional"]
        marks += [] if line.granted else ["left out"]
        marks += ["newly asked"] if line.newly else []
        page.indented(f"{line.words} ({', '.join(marks)})")
        page.indented(f"because: {line.reason}", 4)


def _details(page: Page, details: Sequence[DetailLine]) -> None:
    if details:
        page.line()
        page.heading("It would get:")
        page.table(
            ("Detail", "In words", "Kind", "Records", "People", "Such as"),
            ((line.detail, line.words, line.kind, line.records, line.people, _samples(line)) for line in details),
        )


def _samples(line: DetailLine) -> str:
    cut = [" ".join(in_words(value).split()) for value in line.samples]
    return "; ".join(value if len(value) <= 40 else f"{value[:39]}…" for value in cut[:2])


def in_words(value: Any) -> str:
    """A value of the catalogue as people know it: a status by its name, something due by its day."""
    match value:
        case {"name": name, "items": list(items)}:
            return f"{name}: {in_words(items)}"
        case {"name": name} | {"text": name} | {"day": name}:
            return str(name)
        case dict():
            return ", ".join(f"{key} {in_words(each)}" for key, each in value.items())
        case list() | tuple():
            return ", ".join(in_words(each) for each in value)
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)


def _handed_over(page: Page, preview: Preview) -> None:
    for contact in preview.contacts:
        if contact.left_out is not None:
            page.line(f"The {contact.contact} contact would not be told: {contact.left_out}.")
        else:
            values = ", ".join(f"{detail} {value}" for detail, value in contact.values.items())
            page.line(f"At once it would be told of {contact.name}, the {contact.contact} contact: {values}.")
    if preview.hooks:
        page.line()
        page.table(
            ("Hook", "Kind", "Details that it would get there"),
            ((line.hook, line.kind, ", ".join(line.details) or "only ids") for line in preview.hooks),
        )
    if preview.details:
        page.line(preview.ids_words)
