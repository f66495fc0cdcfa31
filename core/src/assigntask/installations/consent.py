"""What somebody sees before they agree: the whole of it, in the catalogue's words. Pure; nothing happens here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from pydantic_core import to_jsonable_python

from assigntask.grants.grant import assurance
from assigntask.installations.agreement import Agreement
from assigntask.installations.contacts import LeftOut, value_of
from assigntask.installations.directory import DIALS_IN
from assigntask.installations.samples import Sample
from assigntask.ledger.channel import Channel
from assigntask_sdk.details import DETAILS, SCOPES, details_of
from assigntask_sdk.hooks import Hooks
from assigntask_sdk.manifest import Difference, Manifest, origins

TRUSTED = (
    "This app runs inside the host. The operator trusts its code: the record says what the host passed to it, "
    "not what it could take."
)
ENFORCED = (
    "This app runs on its vendor's machine, {place}. It can have nothing but what the host passes to it, and the "
    "record says all of that."
)
IDS = (
    "Where no name is shared, people are ids that differ from app to app. Vendors who read the same tasks "
    "can still compare what is written in them, and an e-mail address ends that protection."
)


@dataclass(frozen=True, slots=True)
class DetailLine:
    """A detail in the catalogue's words. `records` and `people` are counts of today, `samples` real values."""

    detail: str
    scope: str
    words: str
    kind: str
    about: str
    category: str | None
    records: int | None
    people: int | None
    samples: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ScopeLine:
    """A scope or power, with the vendor's reason. `newly`: it was not agreed to before."""

    scope: str
    words: str
    reason: str
    required: bool
    granted: bool
    newly: bool
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HookLine:
    """When the app is asked or told something, and the details it gets there."""

    hook: str
    kind: Literal["question", "notice"]
    details: tuple[str, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContactLine:
    """A contact and what the app is told about them. `left_out` says why it is told nothing."""

    contact: str
    details: tuple[str, ...]
    person_id: str | None
    name: str | None
    values: Mapping[str, Any]
    left_out: LeftOut | None


@dataclass(frozen=True, slots=True)
class Preview:
    """`projects` None: all of them, later ones too. `people_left_out`: objected, or restricted.

    `origin`: where a remote app answers, or "connected" where it dials in; None for one that runs inside the host.
    """

    app: str
    name: str
    version: str
    from_version: str | None
    manifest_digest: str
    notice_digest: str
    vendor: Mapping[str, str]
    assurance: str
    assurance_words: str
    origin: str | None
    ids_words: str
    alone: bool
    scopes: tuple[ScopeLine, ...]
    powers: tuple[ScopeLine, ...]
    details: tuple[DetailLine, ...]
    hooks: tuple[HookLine, ...]
    contacts: tuple[ContactLine, ...]
    channels: tuple[str, ...]
    egress: tuple[str, ...]
    sends_people_to: tuple[str, ...]
    retention_days: int
    on_failure: str
    projects: tuple[str, ...] | None
    people_left_out: int

    def to_json(self) -> dict[str, Any]:
        body: dict[str, Any] = to_jsonable_python(self)
        return body


def preview(
    agreement: Agreement,
    samples: Mapping[str, Sample],
    *,
    people_left_out: int,
    accepted: Manifest | None = None,
    difference: Difference | None = None,
) -> Preview:
    """`accepted` and `difference`: from what was agreed to before, for an upgrade."""
    manifest = agreement.manifest
    lines = _scope_lines(agreement, difference)
    return Preview(
        app=manifest.id,
        name=manifest.name,
        version=manifest.version,
        from_version=accepted.version if accepted is not None else None,
        manifest_digest=manifest.digest,
        notice_digest=notice_digest(agreement),
        vendor=manifest.vendor.model_dump(mode="json"),
        assurance=assurance(remote=agreement.origin is not None),
        assurance_words=assurance_words(agreement.origin),
        origin=agreement.origin,
        ids_words=IDS,
        alone=agreement.alone,
        scopes=tuple(line for line in lines if not SCOPES[line.scope].power),
        powers=tuple(line for line in lines if SCOPES[line.scope].power),
        details=tuple(_detail_line(name, samples.get(name)) for name in sorted(details_of(agreement.granted))),
        hooks=_hook_lines(agreement),
        contacts=_contact_lines(agreement),
        channels=channels(agreement),
        egress=manifest.egress,
        sends_people_to=tuple(sorted(origins(manifest))),
        retention_days=manifest.retention_days,
        on_failure=manifest.on_failure,
        projects=None if agreement.projects is None else tuple(sorted(agreement.projects.values())),
        people_left_out=people_left_out,
    )


def assurance_words(origin: str | None) -> str:
    if origin is None:
        return TRUSTED
    return ENFORCED.format(place="from which it dials in to this host" if origin == DIALS_IN else f"at {origin}")


def channels(agreement: Agreement) -> tuple[str, ...]:
    """Every way on which something would leave, as the ledger names it."""
    used: set[Channel] = set()
    if any(named.person is not None and named.details for named in agreement.contacts):
        used.add(Channel.INSTALL)
    if details_of(agreement.granted):
        used.add(Channel.API)
    if "attachment.content" in details_of(agreement.granted):
        used.add(Channel.FILE)
    for line in _hook_lines(agreement):
        if line.details:
            used.add(Channel.NOTICE if line.kind == "notice" else Channel.QUESTION)
    return tuple(sorted(channel.value for channel in used))


def notice_text(agreement: Agreement) -> str:
    """The words that are agreed to. The same agreement always gives the same text; it names no person."""
    manifest, vendor = agreement.manifest, agreement.manifest.vendor
    lines = [
        f"{manifest.name} {manifest.version} ({manifest.id}), by {vendor.name}, {vendor.country}.",
        f"Contact: {vendor.contact}. Privacy policy: {vendor.privacy}.",
        f"Manifest: {manifest.digest}.",
        assurance_words(agreement.origin),
    ]
    lines += ["This app may:", *_granted_text(agreement)]
    lines += ["This app gets:", *(f"- {DETAILS[name].words}" for name in sorted(details_of(agreement.granted)))]
    lines.append(IDS)
    lines += [
        f"{named.contact.capitalize()} contact: {', '.join(DETAILS[name].words for name in named.details)}."
        for named in agreement.contacts
        if named.person is not None
    ]
    lines.append(f"Left out: {', '.join(sorted(agreement.declined)) or 'nothing'}.")
    reach = "all projects" if agreement.projects is None else "the projects " + ", ".join(sorted(agreement.projects))
    lines.append(f"It reaches {reach}" + (", for one person alone." if agreement.alone else "."))
    lines.append(f"It connects to: {', '.join(manifest.egress) or 'no other host'}.")
    if back := sorted(origins(manifest)):
        lines.append(f"People who let it act for them are sent back to: {', '.join(back)}.")
    lines.append(f"After it is uninstalled, what it stored is kept for {manifest.retention_days} days.")
    if "tasks:guard" in agreement.granted:
        fails = "the change is refused" if manifest.on_failure == "refuse" else "the change is saved and marked"
        lines.append(f"When it does not answer before a change is saved, {fails}.")
    return "\n".join(lines) + "\n"


def notice_digest(agreement: Agreement) -> str:
    return f"sha256:{sha256(notice_text(agreement).encode()).hexdigest()}"


def _granted_text(agreement: Agreement) -> Sequence[str]:
    return [
        f"- {SCOPES[line.scope].words} ({line.scope}), because: {line.reason}"
        for line in _scope_lines(agreement, None)
        if line.granted
    ]


def _scope_lines(agreement: Agreement, difference: Difference | None) -> tuple[ScopeLine, ...]:
    scopes = agreement.manifest.scopes
    newly = difference.required_added | difference.optional_added if difference is not None else frozenset()
    if difference is not None:
        newly -= difference.required_removed  # an optional scope asks for no more than a required one
    return tuple(
        ScopeLine(
            scope=scope,
            words=SCOPES[scope].words,
            reason=reason,
            required=scope in scopes.required,
            granted=scope in agreement.granted,
            newly=scope in newly,
            details=tuple(sorted(details_of([scope]))),
        )
        for scope, reason in sorted({**scopes.optional, **scopes.required}.items())
    )


def _detail_line(name: str, sample: Sample | None) -> DetailLine:
    detail = DETAILS[name]
    return DetailLine(
        detail=name,
        scope=detail.scope,
        words=detail.words,
        kind=detail.klass.value,
        about=detail.about.value,
        category=detail.category,
        records=sample.records if sample is not None else None,
        people=sample.people if sample is not None else None,
        samples=sample.values if sample is not None else (),
    )


def _hook_lines(agreement: Agreement) -> tuple[HookLine, ...]:
    opened = details_of(agreement.granted)
    lines = []
    for hook, wanted in sorted(agreement.manifest.hooks.items()):
        if hook == "task_saving" and "tasks:guard" not in agreement.granted:
            continue
        details = tuple(sorted(opened & frozenset(wanted)))
        kind: Literal["question", "notice"] = "notice" if Hooks.all[hook].notice else "question"
        lines.append(HookLine(hook, kind, details, tuple(DETAILS[name].words for name in details)))
    return tuple(lines)


def _contact_lines(agreement: Agreement) -> tuple[ContactLine, ...]:
    return tuple(
        ContactLine(
            contact=named.contact,
            details=named.details,
            person_id=named.person.id if named.person is not None else None,
            name=named.person.name if named.person is not None else None,
            values={detail: value_of(named.person, detail) for detail in named.details}
            if named.person is not None
            else {},
            left_out=named.left_out,
        )
        for named in agreement.contacts
    )
