"""The authorize endpoint: a person lets an app act in their name, and it gets a code for that.

Nobody is sent anywhere before the redirect URI is one that the app has registered: until then errors are raised,
for a page. From then on the app is told, by `Sent`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy.engine import Connection

from assigntask.actions import objections
from assigntask.db.database import Database
from assigntask.errors import HostError
from assigntask.grants.grants import actor_rights
from assigntask.installations import admission, installations
from assigntask.installations.installations import Installation
from assigntask.ledger.ledger import Ledger
from assigntask.oauth import authorizations, authorize_request, clients, codes, par, redirects
from assigntask.oauth import offer as offers
from assigntask.oauth.authorize_request import Asked, Refusal
from assigntask.oauth.clients import Client
from assigntask.oauth.metadata_documents import MetadataDocuments, is_address
from assigntask.oauth.offer import Offer
from assigntask.oauth.parameters import BadRequest, parameters
from assigntask.oauth.redirects import Redirect
from assigntask.people import doers, organisations, people
from assigntask.people.facts import Doer, OrganisationFacts, PersonFacts
from assigntask.settings import Lifetimes
from assigntask.tasks import projects
from assigntask_sdk.manifest import Manifest

Blocked = Literal["objected", "restricted"]


@dataclass(frozen=True, slots=True)
class Sent:
    """The browser goes to `url`: the app's, with an answer in it."""

    url: str


@dataclass(frozen=True, slots=True)
class Pending:
    """A request that was found good, until the person has answered. It survives JSON."""

    client_name: str
    redirect: Redirect
    asked: Asked

    def to_json(self) -> dict[str, Any]:
        redirect = {"uri": self.redirect.uri, "given": self.redirect.given}
        return {"client": self.client_name, "redirect": redirect, "asked": self.asked.to_json()}

    @classmethod
    def of_json(cls, body: Mapping[str, Any]) -> Pending:
        return cls(body["client"], Redirect(**body["redirect"]), Asked.of_json(body["asked"]))


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person is shown. `projects`: names of those that the app reaches, None for all.

    `blocked`: why they can't agree now. `sends_to`: the origin to which they go back. `offered` is the digest of all
    that was shown: an answer counts for nothing else.
    """

    pending: Pending
    manifest: Manifest
    organisation: OrganisationFacts
    person: PersonFacts
    offer: Offer
    projects: tuple[str, ...] | None
    blocked: Blocked | None
    sends_to: str
    offered: str


@dataclass(frozen=True, slots=True)
class _Found:
    """All that one read of the database gives about a request."""

    installation: Installation
    manifest: Manifest
    organisation: OrganisationFacts
    person: PersonFacts
    rights: frozenset[str]
    allowed: frozenset[str]
    projects: tuple[str, ...] | None
    blocked: Blocked | None


class Authorizing:
    """`url`: the issuer of this moment, without a slash at the end."""

    def __init__(
        self,
        db: Database,
        ledger: Ledger,
        clock: Callable[[], dt.datetime],
        url: Callable[[], str],
        lifetimes: Lifetimes,
        documents: MetadataDocuments,
    ) -> None:
        self._db = db
        self._ledger = ledger
        self._clock = clock
        self._url = url
        self._lifetimes = lifetimes
        self._documents = documents

    async def open(self, query: bytes, doer: Doer | None) -> Consent | Sent | None:
        """What comes of a request. `doer`: who is signed in; None is answered where nobody is, and somebody has to be.

        Raises HostError `authorize_request_invalid`, `client_unknown`, `client_inactive`, `redirect_uri_invalid`,
        and what fetching a metadata document raises.
        """
        try:
            given = parameters(query)
        except BadRequest as error:
            raise _unreadable(error.description) from None
        if doer is None and given.get("prompt") != "none":
            return None
        client = await self._client(given, doer)
        if client is None:
            return None
        if "request_uri" in given:
            given = await self._db.write(par.take, given["request_uri"], client, self._clock())
        redirect = redirects.chosen(client.redirect_uris, given.get("redirect_uri"))
        try:
            asked = authorize_request.asked(given, f"{self._url()}/api/v1")
            if doer is None:
                raise Refusal("login_required", "Nobody is signed in at this browser")
            pending = Pending(client.name, redirect, asked)
            consent = await self._db.read(_consent, pending, client, doer)
        except Refusal as refusal:
            return self._refused(redirect, authorize_request.returnable_state(given), refusal)
        if asked.silent:
            return await self._silently(consent, client, doer)
        return consent

    async def again(self, doer: Doer, pending: Pending) -> Consent:
        """The same page once more, as things are now. Raises as `allow` does."""
        client = await self._again(pending, doer)
        try:
            return await self._db.read(_consent, pending, client, doer)
        except Refusal:
            raise _changed() from None

    async def allow(self, doer: Doer, pending: Pending, ticked: Collection[str], offered: str) -> Sent:
        """The person agrees to what was `offered`, as far as it is `ticked`. The ledger says so.

        Raises HostError `client_unknown`, `client_inactive`, `authorization_blocked`, `authorization_changed`,
        `nothing_chosen`, `form_invalid`, `redirect_uri_invalid`.
        """
        client = await self._again(pending, doer)
        now = self._clock()

        def unit(conn: Connection) -> str:
            return _allow(conn, self._ledger, pending, client, doer, ticked, offered, now, self._lifetimes.code)

        try:
            code = await self._db.write(unit)
        except Refusal:  # the grant, or what this person may do, was narrowed meanwhile
            raise _changed() from None
        answer = {"code": code, "state": pending.asked.state}
        return Sent(redirects.answered(pending.redirect.uri, answer, self._url()))

    async def deny(self, doer: Doer, pending: Pending) -> Sent:
        """The person does not agree, and the app is told. Raises as `allow` does for what can't be answered."""
        await self._again(pending, doer)
        refusal = Refusal("access_denied", "The person did not allow it")
        return self._refused(pending.redirect, pending.asked.state, refusal)

    async def _client(self, given: Mapping[str, str], doer: Doer | None) -> Client | None:
        """None where only somebody who is signed in can say whose client it is."""
        name = given.get("client_id")
        if name is None:
            raise _unreadable("client_id is missing.")
        if is_address(name) and doer is None:
            return None
        found = await self._db.read(_find_client, name, doer)
        if found is None:
            raise HostError(
                "client_unknown",
                "No app of your organisation is known by this client id. Start again in the app, or ask an admin "
                "whether the app is installed.",
            )
        if not found.is_active:
            raise HostError(
                "client_inactive",
                f"{found.app_id} is {found.state} in this organisation, so it can't be allowed anything. "
                "Ask an admin to enable it.",
                app=found.app_id,
                state=found.state,
            )
        return await self._documents.described(found)

    async def _again(self, pending: Pending, doer: Doer) -> Client:
        """The client as it is now: it may have been disabled, or its redirect URI taken away, meanwhile."""
        client = await self._client({"client_id": pending.client_name}, doer)
        if client is None:
            raise _changed()
        given = pending.redirect.uri if pending.redirect.given else None
        if redirects.chosen(client.redirect_uris, given) != pending.redirect:
            raise _changed()
        return client

    async def _silently(self, consent: Consent, client: Client, doer: Doer) -> Sent:
        """Nothing is shown, so nothing is allowed that was not before; and no program without a secret gets a code."""
        refusal = None
        if consent.blocked is not None:
            refusal = Refusal("access_denied", "The person does not allow this app anything now")
        elif consent.offer.new or consent.offer.beyond or client.is_public:
            refusal = Refusal("consent_required", "The person has to be asked")
        if refusal is None:
            return await self.allow(doer, consent.pending, (), consent.offered)
        return self._refused(consent.pending.redirect, consent.pending.asked.state, refusal)

    def _refused(self, redirect: Redirect, state: str | None, refusal: Refusal) -> Sent:
        answer = {"error": refusal.error, "error_description": refusal.description, "state": state}
        return Sent(redirects.answered(redirect.uri, answer, self._url()))


def _find_client(conn: Connection, name: str, doer: Doer | None) -> Client | None:
    """One of the organisation of whoever is signed in: of others it is not even said that they are there."""
    if is_address(name):
        return next(iter(clients.by_metadata_url(conn, name, doer.organisation_id)), None) if doer else None
    found = clients.by_id(conn, name)
    if found is None or (doer is not None and found.organisation_id != doer.organisation_id):
        return None
    return found


def _consent(conn: Connection, pending: Pending, client: Client, doer: Doer) -> Consent:
    """Raises Refusal."""
    found = _found(conn, client, doer)
    if client.only_person_id not in (None, found.person.id):
        raise Refusal("access_denied", "The app is installed for another person alone")
    shown = offers.offer(found.manifest, found.installation.scopes, found.rights, found.allowed, pending.asked.scopes)
    everything = frozenset(ask.scope for ask in (*shown.new, *shown.already))
    return Consent(
        pending=pending,
        manifest=found.manifest,
        organisation=found.organisation,
        person=found.person,
        offer=shown,
        projects=found.projects,
        blocked=found.blocked,
        sends_to=redirects.origin(pending.redirect.uri),
        offered=offers.notice_digest(found.manifest, shown, everything),
    )


def _found(conn: Connection, client: Client, doer: Doer) -> _Found:
    here = client.organisation_id
    acting = doers.current(conn, doer)
    person = people.get(conn, here, acting.person_id or "")
    installation = installations.get(conn, here, client.installation_id)
    rights, _ = actor_rights(conn, here, person.id)
    standing = authorizations.of_person(conn, here, installation.id, person.id)
    mine = [each for each in standing if each.client_name == client.name and authorizations.stands(conn, each, client)]
    reached = installation.projects
    return _Found(
        installation=installation,
        manifest=admission.manifest_of(conn, installation.app_id, installation.version),
        organisation=organisations.get(conn, here),
        person=person,
        rights=rights,
        allowed=frozenset().union(*(each.scopes for each in mine)),
        projects=None
        if reached is None
        else tuple(each.name for each in projects.listed(conn, here) if each.id in reached),
        blocked=_blocked(conn, here, person.id, installation.app_id),
    )


def _blocked(conn: Connection, organisation_id: str, person_id: str, app_id: str) -> Blocked | None:
    if app_id in objections.objected_to(conn, organisation_id, person_id):
        return "objected"
    return "restricted" if objections.is_restricted(conn, organisation_id, person_id) else None


def _allow(
    conn: Connection,
    ledger: Ledger,
    pending: Pending,
    client: Client,
    doer: Doer,
    ticked: Collection[str],
    offered: str,
    now: dt.datetime,
    lifetime: dt.timedelta,
) -> str:
    # Held until the unit ends, so that no objection, and no smaller grant, comes in between.
    organisations.lock(conn, client.organisation_id)
    still = _find_client(conn, client.name, doer)
    if still is None or not still.is_active or still.id != client.id:
        raise _changed()
    consent = _consent(conn, pending, client, doer)
    if consent.blocked is not None:
        raise HostError(
            "authorization_blocked", "You said no to this app, so it can't be allowed anything.", why=consent.blocked
        )
    if consent.offered != offered:
        raise _changed()
    scopes = offers.chosen(consent.offer, ticked)
    digest = offers.notice_digest(consent.manifest, consent.offer, scopes)
    ledger.act(
        conn,
        client.organisation_id,
        "authorization",
        app_id=client.app_id,
        installation_id=client.installation_id,
        doer=doer,
        facts={"client": client.name, "notice": digest, "scopes": sorted(scopes)},
        subjects=[consent.person],
    )
    return codes.issue(
        conn,
        client=client,
        organisation_id=client.organisation_id,
        person_id=consent.person.id,
        scopes=scopes,
        redirect_uri=pending.redirect.uri,
        redirect_uri_given=pending.redirect.given,
        code_challenge=pending.asked.code_challenge,
        notice_digest=digest,
        dpop_thumbprint=pending.asked.dpop_thumbprint,
        now=now,
        lifetime=lifetime,
    )


def _unreadable(why: str) -> HostError:
    return HostError(
        "authorize_request_invalid", f"This request can't be read. {why} Start again in the app, or tell its vendor."
    )


def _changed() -> HostError:
    return HostError(
        "authorization_changed",
        "What the app asks for, or what it may be given, has changed meanwhile. Start again in the app.",
    )
