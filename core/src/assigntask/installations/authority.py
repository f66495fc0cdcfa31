"""Who may do what to an installation, decided inside the transaction that does it."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.engine import Connection

from assigntask.errors import NotAllowed
from assigntask.installations.installations import Installation
from assigntask.people import organisations, people
from assigntask.people.facts import Doer, PersonFacts
from assigntask.people.rights import rights_of
from assigntask_sdk.details import SCOPES

MEMBERS_MAY_INSTALL = "members_may_install"  # in the organisation's policy: "no", "request" or "self"


def acting(conn: Connection, doer: Doer, what: str) -> PersonFacts:
    """The person as they are now, whatever `doer` was when it was made.

    Raises NotAllowed for an app, and for anybody who is not an active person of this organisation.
    """
    found = None
    if doer.installation_id is None and doer.person_id is not None:
        found = people.load(conn, doer.organisation_id, [doer.person_id]).get(doer.person_id)
    if found is None or found.state != "active":
        raise NotAllowed(f"Only an active person of this organisation can {what}.", needs="member")
    return found


def admin(conn: Connection, doer: Doer, what: str) -> PersonFacts:
    """Raises NotAllowed for everybody but an admin."""
    person = acting(conn, doer, what)
    if person.role != "admin":
        raise NotAllowed(f"Only an admin can {what}. Ask one of your organisation's admins.", needs="admin")
    return person


def manager(conn: Connection, doer: Doer, installation: Installation, what: str) -> PersonFacts:
    """An admin, or whoever installed the app for themselves alone."""
    person = acting(conn, doer, what)
    return person if person.id == installation.only_person_id else admin(conn, doer, what)


def may_request(conn: Connection, doer: Doer) -> PersonFacts:
    """Raises NotAllowed where the organisation's policy keeps apps to the admins."""
    person = acting(conn, doer, "request an app")
    if person.role != "admin" and _policy(conn, doer.organisation_id) == "no":
        raise NotAllowed("In this organisation only admins choose apps. Talk to one of them.", needs="admin")
    return person


def installer(conn: Connection, doer: Doer) -> tuple[PersonFacts, bool]:
    """Who installs, and whether for themselves alone. Raises NotAllowed."""
    person = acting(conn, doer, "install an app")
    if person.role == "admin":
        return person, False
    if _policy(conn, doer.organisation_id) == "self":
        return person, True
    raise NotAllowed("Only an admin can install an app. You can request it: an admin decides.", needs="admin")


def holds(person: PersonFacts, scopes: Collection[str]) -> None:
    """Nobody gives an app more than they may do themselves. Raises NotAllowed, naming the scopes."""
    lacking = sorted(frozenset(scopes) - rights_of(person.role))
    if lacking:
        words = "; ".join(f"{scope} ({SCOPES[scope].words})" for scope in lacking)
        raise NotAllowed(
            f"You can't give an app what you may not do yourself: {words}. An admin can install it.", needs=lacking[0]
        )


def _policy(conn: Connection, organisation_id: str) -> str:
    return str(organisations.policy(conn, organisation_id).get(MEMBERS_MAY_INSTALL, "request"))
