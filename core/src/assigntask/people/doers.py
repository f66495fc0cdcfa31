"""Who does something, and whether they may."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.engine import Connection

from assigntask.errors import HostError, NotAllowed

from . import people
from .facts import Doer


def doer(conn: Connection, organisation_id: str, person_id: str, *, operator: bool = False) -> Doer:
    """The person as they are now; with `operator`, the operator on their behalf and with their rights.

    Raises NotFound, HostError `person_inactive`.
    """
    person = people.get(conn, organisation_id, person_id)
    if person.state != "active":
        raise HostError(
            "person_inactive", "This person has left or was forgotten, and can't do anything here.", person=person_id
        )
    return Doer(organisation_id, person.id, person.role, operator=operator)


def operator_of(organisation_id: str) -> Doer:
    """The operator on nobody's behalf: who runs the host may do what an admin may."""
    return Doer(organisation_id, None, None, operator=True)


def is_admin(doer: Doer) -> bool:
    """An app never is, whoever it acts for."""
    return doer.installation_id is None and (doer.role == "admin" or (doer.operator and doer.person_id is None))


def require_admin(doer: Doer, what: str) -> None:
    """`what` completes "Only an admin may …". Raises NotAllowed."""
    if not is_admin(doer):
        raise NotAllowed(f"Only an admin may {what}. Ask one of your organisation's admins.", needs="admin")


def require_member(doer: Doer, what: str) -> None:
    """For what everybody may do who is somebody here: a person, an app or the operator. Raises NotAllowed."""
    if doer.role is None and doer.installation_id is None and not doer.operator:
        raise NotAllowed(f"Only members of the organisation may {what}. Sign in as one.", needs="member")


def require_self(doer: Doer, person_id: str, what: str, *, or_admin: bool = False) -> None:
    """For what is a person's own decision. Raises NotAllowed; an app may never take it for them."""
    own = doer.installation_id is None and doer.person_id == person_id
    if own or (or_admin and is_admin(doer)):
        return
    who = "the person themself or an admin" if or_admin else "the person themself"
    raise NotAllowed(f"Only {who} may {what}.", needs="admin" if or_admin else "self")


def current(conn: Connection, doer: Doer) -> Doer:
    """`doer` with the role of this moment: much may have happened since it was made.

    Raises NotAllowed for a person who is no longer active.
    """
    if doer.person_id is None:
        return doer
    person = people.load(conn, doer.organisation_id, [doer.person_id]).get(doer.person_id)
    if person is None or person.state != "active":
        raise NotAllowed("This person is not, or is no longer, active in this organisation.", needs="member")
    return replace(doer, role=person.role)
