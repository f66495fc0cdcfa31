"""The life of an app that runs as a service of its own: the SDK's service, a real connection, the same record."""

from __future__ import annotations

import base64
from collections import Counter
from typing import Any

import httpx2
import pytest

from assigntask.errors import HostError
from assigntask_sdk.apps import find_app
from assigntask_sdk.errors import Vetoed

from .conftest import APPS, World, opened

pytestmark = pytest.mark.timeout(60)


async def token_of(world: World, client_id: str, client_secret: str) -> httpx2.Response:
    basic = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
    async with httpx2.AsyncClient(trust_env=False) as client:
        return await client.post(
            f"{world.url}/oauth/token",
            data={"grant_type": "client_credentials"},
            headers={"Authorization": f"Basic {basic}"},
        )


async def kept(service: Any, world: World, app_id: str) -> Any:
    found = await service.calling.store.find(world.ids[app_id])
    return found[0] if found else None


async def test_an_install_delivers_credentials_that_open_the_token_endpoint(stored_world: World) -> None:
    world = stored_world
    service = await world.installed("guarding_app")
    given = await kept(service, world, "guarding-app")
    assert (given.issuer, given.api) == (world.url, f"{world.url}/api/v1")
    answer = await token_of(world, given.client_id, given.client_secret)
    assert answer.status_code == 200
    bearer = await world.tokens.check(answer.json()["access_token"])
    assert (bearer.installation_id, bearer.kind) == (world.ids["guarding-app"], "installation")
    assert await world.lines("guarding-app") == [("credentials", "delivered")]


async def test_a_change_is_vetoed_over_http(stored_world: World) -> None:
    world = stored_world
    await world.installed("guarding_app")
    with pytest.raises(Vetoed) as vetoed:
        await world.task("Oil", due=None)
    assert (vetoed.value.reason, vetoed.value.field) == ("give it a due date", "due")
    assert (await world.task("amend")).summary.startswith("amended: ")
    assert (await world.task("Oil")).unchecked_by == ()


async def test_notices_arrive_and_the_app_writes_what_it_hears_through_the_api(stored_world: World) -> None:
    world = stored_world
    await world.installed("listening_app")
    task = await world.task("one")
    await world.platform.tasks.comment(world.doer("ben"), task.id, "well done")
    await world.drain()
    heard = await heard_by(world, "listening-app")
    ada = (await grant(world, "listening-app")).pairwise(world.ids["ada"])
    assert heard == [
        ["installed", "ada@harbour.example"],
        ["task_changed", f"one | due,summary | {ada}"],
        ["comment_added", "well done"],
    ]


async def heard_by(world: World, app_id: str) -> list[Any]:
    from assigntask.context.storage import InstallationStore

    where = {"organisation_id": world.ids["here"], "installation_id": world.ids[app_id]}
    store = InstallationStore(world.platform.db, world.platform.subject_keys, **where)
    return [[entry.value[0], entry.value[2]] async for _, entry in store.scan("heard/")]  # type: ignore[index]


async def grant(world: World, app_id: str) -> Any:
    from assigntask.grants.grant import Actor

    return await world.platform.grants.current(
        world.ids["here"], world.ids[app_id], Actor.installation(), any_state=True
    )


async def story(world: World, app_id: str) -> tuple[list[Any], Counter[Any]]:
    """Something happens; what the app made of it, and the record of what it was given, without ids."""
    made: list[Any] = []
    task = await world.task("amend", by="ben")
    made.append(task.summary)
    for summary, changes in (("Oil", {"due": None}), ("later", {}), ("unknown label", {})):
        try:
            made.append((await world.task(summary, **changes)).unchecked_by)
        except Vetoed as vetoed:
            made.append((vetoed.reason, vetoed.field))
    entries = Counter(
        (each.kind, each.channel, each.actor.split()[0], each.details, tuple(kind for kind, *_ in each.records))
        for each in await world.entries(app_id)
        if each.kind in ("release", "install")
    )
    return made, entries


async def test_the_same_story_leaves_the_same_entries_but_for_their_assurance(tmp_path: Any) -> None:
    async with opened(tmp_path / "here", apps=[find_app(APPS / "guarding_app")]) as inside:
        await inside.install("guarding-app")
        await inside.drain()
        expected = await story(inside, "guarding-app")
        assert {each.assurance for each in await inside.entries("guarding-app") if each.kind == "release"} == {
            "trusted"
        }
    async with opened(tmp_path / "there") as outside:
        await outside.installed("guarding_app")
        assert await story(outside, "guarding-app") == expected
        releases = [each for each in await outside.entries("guarding-app") if each.kind == "release"]
        assert {each.assurance for each in releases} == {"enforced"}
        install = next(each for each in await outside.entries("guarding-app") if each.kind == "install")
        assert install.facts["assurance"] == "enforced"


async def test_an_app_that_is_down_at_its_install_gets_its_credentials_later(world: World) -> None:
    url, scripted = await world.scripted("raising_app", install_status=503)
    await world.platform.remotes.add(url)
    await world.install("raising-app")
    await world.drain()
    assert await world.lines("raising-app") == [("credentials", "waiting")]
    assert (await world.task("Oil")).unchecked_by == ("raising-app",)  # not connected yet: saved, and marked
    scripted.install_status = 204
    await world.drain()
    assert len(scripted.installs) == 1  # it is not its time yet
    world.clock.later(seconds=6)
    await world.drain()
    assert (await world.lines("raising-app"))[0] == ("credentials", "delivered")
    assert (await world.task("Oil")).unchecked_by == ()
    first, second = scripted.installs
    assert first.client_secret != second.client_secret
    assert (await token_of(world, second.client_id, second.client_secret)).status_code == 200


async def test_nothing_is_released_to_an_app_that_could_not_verify_it(world: World) -> None:
    url, scripted = await world.scripted("raising_app", install_status=500)
    await world.platform.remotes.add(url)
    await world.install("raising-app")
    await world.drain()
    await world.task("Oil")
    assert scripted.asked == []
    assert [each for each in await world.entries("raising-app") if each.kind == "release"] == []


async def test_an_app_that_is_disabled_is_asked_and_told_nothing(world: World) -> None:
    service = await world.scripted_app("guarding_app")
    await world.task("one")
    assert len(service.asked) == 1
    await world.platform.leaving.disable(world.doer(), "guarding-app")
    await world.task("two")
    assert len(service.asked) == 1
    await world.platform.leaving.enable(world.doer(), "guarding-app")
    await world.task("three")
    assert len(service.asked) == 2


async def test_an_uninstall_says_goodbye_and_the_service_forgets_its_credentials(stored_world: World) -> None:
    world = stored_world
    service = await world.installed("listening_app")
    given = await kept(service, world, "listening-app")
    await world.platform.leaving.uninstall(world.doer(), "listening-app")
    await world.drain()
    assert (await heard_by(world, "listening-app"))[-1][0] == "uninstalling"
    assert (await world.lines("listening-app"))[-1] == ("uninstalling", "delivered")
    assert (await kept(service, world, "listening-app")).parted
    assert (await token_of(world, given.client_id, given.client_secret)).status_code == 401


async def test_an_app_that_never_got_credentials_is_not_told_that_it_leaves(world: World) -> None:
    url, scripted = await world.scripted("listening_app", install_status=500)
    await world.platform.remotes.add(url)
    await world.install("listening-app")
    await world.drain()
    await world.platform.leaving.uninstall(world.doer(), "listening-app")
    await world.drain()
    assert scripted.asked == []
    assert (await world.lines("listening-app"))[-1] == ("uninstalling", "skipped")


async def test_a_restored_app_gets_new_credentials_before_it_hears_anything(world: World) -> None:
    service = await world.scripted_app("listening_app")
    before = service.installs[-1]
    await world.platform.leaving.uninstall(world.doer(), "listening-app")
    await world.drain()
    await world.platform.leaving.restore(world.doer(), "listening-app")
    await world.platform.leaving.enable(world.doer(), "listening-app")
    await world.drain()
    after = service.installs[-1]
    assert (after.installation, after.client_id == before.client_id) == (before.installation, False)
    assert after.secret != before.secret
    await world.task("one")
    await world.drain()
    assert service.asked[-1].hook == "task_changed"


async def test_after_a_rotation_old_and_new_hold_until_the_overlap_is_over(world: World) -> None:
    service = await world.scripted_app("guarding_app")
    old = service.installs[-1]
    issued = await world.platform.credentials.rotate(world.doer(), "guarding-app")
    await world.task("one")  # the service has the old secret only, and still understands
    assert len(service.asked) == 1
    await world.drain()
    new = service.installs[-1]
    assert (new.client_id, new.secret == old.secret) == (old.client_id, False)
    assert new.previous_until is not None
    for client_secret in (old.client_secret, issued.client_secret, new.client_secret):
        assert (await token_of(world, old.client_id, client_secret)).status_code == 200
    service.installs[:] = [new]
    await world.task("two")
    assert len(service.asked) == 2
    world.clock.later(hours=25)
    assert (await token_of(world, old.client_id, old.client_secret)).status_code == 401
    assert (await token_of(world, new.client_id, new.client_secret)).status_code == 200


async def test_a_newer_manifest_waits_for_an_admin_where_it_asks_for_more(world: World) -> None:
    service = await world.scripted_app("guarding_app")
    text = service.manifest.decode()
    service.manifest = text.replace('version = "1.0.0"', 'version = "1.0.1"').encode()
    assert [each.outcome for each in await world.platform.follow()] == ["upgraded"]
    more = text.replace('version = "1.0.0"', 'version = "1.1.0"').replace(
        "[scopes.required]", '[scopes.required]\n"people:email" = "to write to them"'
    )
    service.manifest = more.encode()
    assert [each.outcome for each in await world.platform.follow()] == ["pending"]
    await world.task("one")
    assert service.asked[-1].version == "1.0.1"
    upgraded = await world.platform.upgrading.upgrade(world.doer(), "guarding-app")
    assert (upgraded.version, upgraded.pending_version) == ("1.1.0", None)


async def test_a_manifest_that_changes_without_its_version_is_refused_and_the_old_one_holds(world: World) -> None:
    service = await world.scripted_app("guarding_app")
    service.manifest = service.manifest.replace(b'name = "Due Guard"', b'name = "Do Guard"')
    checked = await world.platform.follow()
    assert [(each.outcome, each.code) for each in checked] == [("refused", "app_version_reused")]
    assert (await world.task("one")).unchecked_by == ()


async def test_the_admin_sees_beforehand_where_it_runs_and_what_that_means(world: World) -> None:
    url, _ = await world.scripted("guarding_app")
    await world.platform.remotes.add(url)
    seen = await world.platform.installing.install(world.doer(), "guarding-app", dry_run=True)
    assert (seen.assurance, seen.origin) == ("enforced", url)
    assert url in seen.assurance_words
    assert "nothing but what the host passes" in seen.assurance_words


async def test_a_request_for_a_call_names_nobody_by_the_hosts_own_ids(world: World) -> None:
    service = await world.scripted_app("drawing_app")
    await world.platform.questions.board_panel(
        world.doer("ben"),
        await world.platform.db.read(_project, world.ids["here"], world.ids["near"]),
        world.clock().date(),
    )
    asked = service.asked[-1]
    ben = (await grant(world, "drawing-app")).pairwise(world.ids["ben"])
    assert asked.viewer == ben
    assert world.ids["ben"] not in asked.model_dump_json()
    assert asked.settings == {"mood": "calm"}
    bearer = await world.tokens.check(asked.token)
    assert (bearer.kind, bearer.actor.person_id, bearer.goodbye) == ("call", world.ids["ben"], False)


def _project(conn: Any, organisation_id: str, project_id: str) -> Any:
    from assigntask.tasks import projects

    return projects.get(conn, organisation_id, project_id)


async def test_a_calls_token_ends_with_the_call(world: World) -> None:
    service = await world.scripted_app("guarding_app")
    await world.task("one")
    token = service.asked[-1].token
    await world.tokens.check(token)
    world.clock.later(seconds=5 + 5 + 2)
    with pytest.raises(HostError) as invalid:
        await world.tokens.check(token)
    assert invalid.value.code == "token_invalid"
