"""`assigntask people`: who belongs to an organisation, and what they are in it."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from sqlalchemy.engine import Connection

from assigntask.cli.command import command
from assigntask.cli.opening import Answer, Here
from assigntask.cli.options import PersonArgument, group
from assigntask.cli.page import Page, counted
from assigntask.errors import HostError
from assigntask.installations import installations
from assigntask.people import contacts, people, sessions
from assigntask.people.contacts import ContactKind
from assigntask.people.facts import PersonFacts, Role

USUAL_ADDRESS = "http://127.0.0.1:8000"
"""Where `assigntask serve` listens, unless it is told otherwise."""

cli = typer.Typer()
commands = group("Who belongs to an organisation, and what they are in it.")
cli.add_typer(commands, name="people")


def person_json(person: PersonFacts, contact_for: list[str] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": person.id,
        "name": person.name,
        "user_name": person.user_name,
        "email": person.email,
        "job_title": person.job_title,
        "department": person.department,
        "role": person.role,
        "state": person.state,
        "time_zone": person.time_zone,
        "locale": person.locale,
    }
    return found if contact_for is None else {**found, "contact_for": contact_for}


def one_person(person: PersonFacts, words: str) -> Answer:
    def show(page: Page) -> None:
        page.line(words)
        page.facts({name: value for name, value in person_json(person).items() if name != "locale"})

    return Answer(person_json(person), show)


@command(commands, "list", changes=False)
async def list_people(
    here: Here,
    forgotten: Annotated[bool, typer.Option("--all", help="Also those who were forgotten.")] = False,
) -> Answer:
    """Everybody who belongs, or belonged, to the organisation."""

    def look(conn: Connection) -> tuple[list[PersonFacts], dict[str, list[str]]]:
        named: dict[str, list[str]] = {}
        for kind in contacts.KINDS:
            if (person_id := contacts.get(conn, here.id, kind)) is not None:
                named.setdefault(person_id, []).append(kind)
        states: tuple[Any, ...] = ("active", "left", "forgotten") if forgotten else ("active", "left")
        return people.listed(conn, here.id, states=states), named

    found, named = await here.platform.db.read(look)

    def show(page: Page) -> None:
        page.table(
            ("Name", "User name", "E-mail", "Job title", "Department", "Role", "State", "Contact for", "Id"),
            (
                (each.name, each.user_name, each.email, each.job_title, each.department, each.role, each.state,
                 ", ".join(named.get(each.id, ())), each.id)
                for each in found
            ),
            nothing="Nobody.",
        )  # fmt: skip

    return Answer([person_json(each, named.get(each.id, [])) for each in found], show)


@command(commands, "add")
async def add(
    here: Here,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="An e-mail address, or a user name.")],
    name: Annotated[str | None, typer.Option(help="Left out: what stands before the @.", show_default=False)] = None,
    email: Annotated[str | None, typer.Option(help="Where PERSON is a user name.", show_default=False)] = None,
    user_name: Annotated[
        str | None, typer.Option(help="Where PERSON is an e-mail address.", show_default=False)
    ] = None,
    job_title: Annotated[str | None, typer.Option(show_default=False)] = None,
    department: Annotated[str | None, typer.Option(help="Made where it is missing.", show_default=False)] = None,
    role: Annotated[Role, typer.Option(help="What they may do.")] = "member",
    time_zone: Annotated[str | None, typer.Option(help="Such as Europe/Madrid.", show_default=False)] = None,
) -> Answer:
    """Add somebody."""
    if "@" in person.strip().removeprefix("@"):
        email, name = person, name or person.strip().partition("@")[0]
    else:
        user_name = person.strip().removeprefix("@")
        name = name or user_name
    added = await here.platform.people.add(
        here.doer,
        name=name,
        email=email,
        user_name=user_name,
        job_title=job_title,
        department=department,
        role=role,
        time_zone=time_zone,
    )
    return one_person(added, f"{added.name} was added to {here.organisation.name}.")


@command(commands, "role")
async def set_role(
    here: Here, person: PersonArgument, role: Annotated[Role, typer.Argument(help="What they may do.")]
) -> Answer:
    """Make somebody an admin, or a member."""
    found = await _found(here, person)
    changed = await here.platform.people.role(here.doer, found.id, role)
    return one_person(changed, f"{changed.name} is {'an admin' if role == 'admin' else 'a member'}.")


@command(commands, "department")
async def set_department(
    here: Here,
    person: PersonArgument,
    department: Annotated[
        str | None,
        typer.Argument(metavar="DEPARTMENT", help="Made where it is missing.", show_default=False),
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="They work in no department.")] = False,
) -> Answer:
    """Say in which department somebody works."""
    if (department is None) is not none:
        raise typer.BadParameter("give either a department or --none", param_hint="DEPARTMENT")
    found = await _found(here, person)
    changed = await here.platform.people.department(here.doer, found.id, department)
    return one_person(changed, f"{changed.name} works in {changed.department or 'no department'}.")


@command(commands, "email")
async def set_email(
    here: Here, person: PersonArgument, email: Annotated[str, typer.Argument(metavar="EMAIL", show_default=False)]
) -> Answer:
    """Give somebody an e-mail address: people who come with a board have none."""
    found = await _found(here, person)
    changed = await here.platform.people.email(here.doer, found.id, email)
    return one_person(changed, f"{changed.name} is reached at {changed.email}.")


@command(commands, "contact")
async def set_contact(
    here: Here,
    person: PersonArgument,
    kind: Annotated[ContactKind, typer.Argument(help="What for.", show_default=False)],
    remove: Annotated[bool, typer.Option("--remove", help="They are no longer.")] = False,
) -> Answer:
    """Name the organisation's technical or billing contact, whom vendors may turn to."""
    found = await _found(here, person)
    if remove and await here.platform.db.read(contacts.get, here.id, kind) != found.id:
        raise HostError("not_the_contact", f"{found.name} is not the {kind} contact, so nothing was changed.")
    await here.platform.people.contact(here.doer, kind, None if remove else found.id)
    words = f"Nobody is the {kind} contact." if remove else f"{found.name} is the {kind} contact."
    return Answer({"contact": kind, "person": None if remove else person_json(found)}, lambda page: page.line(words))


@command(commands, "sign-in-link", acting="no")
async def sign_in_link(here: Here, person: PersonArgument) -> Answer:
    """Make a link that signs somebody in to the pages: once, within 10 minutes. Give it to nobody else."""
    found = await _found(here, person)
    secret = await here.platform.signing_in.make_link(here.doer, found.id)
    link = f"{here.platform.settings.url or USUAL_ADDRESS}/sign-in?link={secret}"
    until = here.platform.clock() + sessions.LINK_LIFETIME

    def show(page: Page) -> None:
        page.line(f"This link signs {found.name} in, once, within 10 minutes:")
        page.raw(f"{link}\n")  # in one piece, however narrow the terminal

    return Answer({"person": found.id, "link": link, "expires_at": until.isoformat().replace("+00:00", "Z")}, show)


@command(commands, "forget")
async def forget(
    here: Here,
    person: PersonArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> Answer:
    """Forget somebody: here at once, and asked of every app that was given something about them."""
    found = await _found(here, person)
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        question = f"Forget {found.name} in {here.organisation.name}? This can't be undone."
        if not typer.confirm(question, err=True):
            raise HostError("not_confirmed", "Nobody was forgotten.")
    forgotten = await here.platform.forgetting.forget(here.doer, found.id)
    told = [await here.platform.db.read(installations.get, here.id, each) for each in forgotten.recipients]
    recipients = [{"installation": each.id, "app": each.app_id, "state": each.state} for each in told]

    def show(page: Page) -> None:
        page.line("They are forgotten. What they wrote stays, and nobody can tell any more whose it was.")
        if told:
            page.line(f"{counted(len(told), 'installation')} had been given something about them:")
            page.table(("App", "State", "Installation"), ((each.app_id, each.state, each.id) for each in told))
        else:
            page.line("No app had been given anything about them.")

    return Answer({"person": forgotten.person_id, "recipients": recipients}, show)


async def _found(here: Here, person: str) -> PersonFacts:
    return await here.platform.db.read(people.find, here.id, person)
