"""What a person is asked for an app, in the catalogue's words, and what comes of their answer. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256

from assigntask.errors import HostError
from assigntask_sdk.details import DETAILS, SCOPES, details_of
from assigntask_sdk.manifest import Manifest

from .authorize_request import Refusal


@dataclass(frozen=True, slots=True)
class ScopeAsk:
    """One scope. `reason` is the vendor's; `details` completes "It gets …"; an `optional` one can be unticked."""

    scope: str
    words: str
    reason: str
    details: tuple[str, ...]
    power: bool
    optional: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """`already`: what the person allowed this client before. `beyond`: asked for, and not theirs to give."""

    new: tuple[ScopeAsk, ...]
    already: tuple[ScopeAsk, ...]
    beyond: tuple[ScopeAsk, ...]


def offer(
    manifest: Manifest,
    granted: frozenset[str],
    rights: frozenset[str],
    allowed: frozenset[str],
    asked: frozenset[str] | None,
) -> Offer:
    """Of `asked` (None: all that was `granted` to the installation), what this person can give.

    `rights`: what the person may do themself; `allowed`: what they allowed before. Raises Refusal.
    """
    wanted = granted if asked is None else asked
    if not wanted <= granted:
        raise Refusal("invalid_scope", "scope names a scope that this installation was not granted")
    possible = wanted & rights
    if not possible:
        raise Refusal("invalid_scope", "Nothing of what was asked for is this person's to give")
    return Offer(
        new=_asks(manifest, possible - allowed),
        already=_asks(manifest, possible & allowed),
        beyond=_asks(manifest, wanted - rights),
    )


def chosen(shown: Offer, ticked: Collection[str]) -> frozenset[str]:
    """What is granted: what was ticked, what can't be unticked, and what was allowed before.

    Raises HostError `nothing_chosen`, and `form_invalid` for a scope that was not offered.
    """
    optional = {ask.scope for ask in shown.new if ask.optional}
    if not set(ticked) <= optional:
        raise HostError("form_invalid", "This form names something that was not on its page. Start again in the app.")
    granted = frozenset(ticked) | {ask.scope for ask in (*shown.new, *shown.already) if not ask.optional}
    granted |= {ask.scope for ask in shown.already}
    if not granted:
        raise HostError("nothing_chosen", "Nothing is ticked. Leave at least one thing ticked, or don't allow it.")
    return granted


def notice_text(manifest: Manifest, shown: Offer, granted: frozenset[str]) -> str:
    """The words that are agreed to. The same agreement always gives the same text; it names no person."""
    vendor = manifest.vendor
    lines = [
        f"{manifest.name} {manifest.version} ({manifest.id}), by {vendor.name}, {vendor.country}.",
        f"Manifest: {manifest.digest}.",
        "In my name, this app may:",
        *(
            f"- {ask.words} ({ask.scope}), because: {ask.reason}"
            for ask in sorted((*shown.new, *shown.already), key=lambda ask: ask.scope)
            if ask.scope in granted
        ),
        "With this it gets:",
        *(f"- {DETAILS[name].words}" for name in sorted(details_of(granted))),
        f"Left out: {', '.join(sorted({ask.scope for ask in shown.new} - granted)) or 'nothing'}.",
    ]
    return "\n".join(lines) + "\n"


def notice_digest(manifest: Manifest, shown: Offer, granted: frozenset[str]) -> str:
    return f"sha256:{sha256(notice_text(manifest, shown, granted).encode()).hexdigest()}"


def _asks(manifest: Manifest, scopes: Collection[str]) -> tuple[ScopeAsk, ...]:
    """In the catalogue's order, which goes from little to much."""
    reasons = {**manifest.scopes.optional, **manifest.scopes.required}
    return tuple(
        ScopeAsk(
            scope=scope,
            words=SCOPES[scope].words,
            reason=reasons.get(scope, ""),
            details=tuple(DETAILS[name].words for name in sorted(details_of([scope]))),
            power=SCOPES[scope].power,
            optional=scope not in manifest.scopes.required,
        )
        for scope in SCOPES
        if scope in scopes
    )
