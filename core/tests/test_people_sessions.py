"""Sessions and sign-in links as rows, on both databases."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from assigntask.db import Database
from assigntask.db import tables as t
from assigntask.errors import HostError
from assigntask.people import organisations, people, sessions
from assigntask.people.facts import Doer

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def furnish(conn: Connection) -> Doer:
    here = organisations.create(conn, "Harbour", "UTC", NOW).id
    person = people.add(conn, here, name="Ada", role="admin", now=NOW)
    return Doer(here, person.id, "admin")


async def made_link(database: Database, ada: Doer, now: dt.datetime = NOW) -> str:
    return await database.write(sessions.make_link, ada.organisation_id, ada.person_id or "", now)


async def test_a_link_opens_a_session_with_the_persons_role_of_now(database: Database) -> None:
    ada = await database.write(furnish)
    value, session = await database.write(sessions.redeem, await made_link(database, ada), NOW)
    assert session.doer == ada
    await database.write(lambda conn: people.add(conn, ada.organisation_id, name="Bo", role="admin", now=NOW))
    await database.write(people.set_role, ada.organisation_id, ada.person_id, "member")
    found = await database.read(sessions.find, value, NOW)
    assert found is not None
    assert (found.doer.role, found.digest) == ("member", session.digest)


async def test_of_several_who_redeem_a_link_at_once_one_is_signed_in(database: Database) -> None:
    ada = await database.write(furnish)
    link = await made_link(database, ada)
    tries = [database.write(sessions.redeem, link, NOW) for _ in range(8)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(each) for each in answers].count(tuple) == 1
    assert {each.code for each in answers if isinstance(each, HostError)} == {"sign_in_link_invalid"}
    rows = await database.read(lambda conn: conn.execute(sa.select(t.session)).all())
    assert len(rows) == 1


@pytest.mark.parametrize(("seconds", "works"), [(599, True), (600, False)])
async def test_a_link_works_for_ten_minutes(database: Database, seconds: int, works: bool) -> None:
    ada = await database.write(furnish)
    link = await made_link(database, ada)
    later = NOW + dt.timedelta(seconds=seconds)
    if works:
        await database.write(sessions.redeem, link, later)
        return
    with pytest.raises(HostError, match="10 minutes"):
        await database.write(sessions.redeem, link, later)


async def test_a_session_ends_after_thirty_idle_days_and_use_keeps_it_open(database: Database) -> None:
    ada = await database.write(furnish)
    value, session = await database.write(sessions.redeem, await made_link(database, ada), NOW)
    assert await database.read(sessions.find, value, NOW + 29 * DAY) is not None
    assert await database.read(sessions.find, value, NOW + 30 * DAY) is None
    await database.write(sessions.touch, session, NOW + 29 * DAY)
    assert await database.read(sessions.find, value, NOW + 58 * DAY) is not None
    assert await database.read(sessions.find, value, NOW + 59 * DAY) is None


async def test_that_it_is_used_is_worth_a_write_once_an_hour(database: Database) -> None:
    ada = await database.write(furnish)
    value, session = await database.write(sessions.redeem, await made_link(database, ada), NOW)
    stale = []
    for minutes in (0, 59, 60):
        found = await database.read(sessions.find, value, NOW + dt.timedelta(minutes=minutes))
        assert found is not None
        stale.append(found.stale)
    assert stale == [False, False, True]
    assert not session.stale


async def test_who_has_left_is_not_signed_in_and_can_not_sign_in(database: Database) -> None:
    ada = await database.write(furnish)
    here = ada.organisation_id
    bo = (await database.write(lambda conn: people.add(conn, here, name="Bo", now=NOW))).id
    value, _ = await database.write(sessions.redeem, await database.write(sessions.make_link, here, bo, NOW), NOW)
    link = await database.write(sessions.make_link, here, bo, NOW)
    await database.write(people.mark_left, here, bo)
    assert await database.read(sessions.find, value, NOW) is None
    with pytest.raises(HostError) as caught:
        await database.write(sessions.redeem, link, NOW)
    assert caught.value.code == "sign_in_link_invalid"


async def test_an_ended_session_opens_nothing(database: Database) -> None:
    ada = await database.write(furnish)
    value, session = await database.write(sessions.redeem, await made_link(database, ada), NOW)
    other, _ = await database.write(sessions.redeem, await made_link(database, ada), NOW)
    await database.write(sessions.end, session)
    assert await database.read(sessions.find, value, NOW) is None
    assert await database.read(sessions.find, other, NOW) is not None


async def test_a_sweep_removes_what_is_over_and_nothing_else(database: Database) -> None:
    ada = await database.write(furnish)
    old, _ = await database.write(sessions.redeem, await made_link(database, ada, NOW - 40 * DAY), NOW - 40 * DAY)
    new, _ = await database.write(sessions.redeem, await made_link(database, ada), NOW)
    unused = await made_link(database, ada)
    assert await database.write(sessions.sweep, NOW, 10) == 2  # a session, and the link that opened it
    assert await database.write(sessions.sweep, NOW, 10) == 0
    assert await database.read(sessions.find, old, NOW) is None
    assert await database.read(sessions.find, new, NOW) is not None
    assert (await database.write(sessions.redeem, unused, NOW))[1].doer == ada


async def test_nothing_that_opens_anything_is_stored(database: Database) -> None:
    ada = await database.write(furnish)
    unused = await made_link(database, ada)
    link = await made_link(database, ada)
    value, _ = await database.write(sessions.redeem, link, NOW)

    def everything(conn: Connection) -> str:
        return repr([conn.execute(sa.select(table)).all() for table in (t.session, t.sign_in_link)])

    stored = await database.read(everything)
    assert not any(secret[3:] in stored for secret in (link, unused, value))
