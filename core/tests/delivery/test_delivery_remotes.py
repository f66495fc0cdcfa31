"""Which remote apps are offered: their manifests, their ids, and what stands in the way."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from assigntask.errors import HostError
from assigntask_sdk.apps import find_app
from assigntask_sdk.manifest import ManifestError

from .conftest import APPS, World, listening

pytestmark = pytest.mark.timeout(60)


async def refused(asking: Any, code: str) -> HostError:
    with pytest.raises(HostError) as error:
        await asking
    assert error.value.code == code
    return error.value


async def test_a_remote_app_is_offered_beside_packages_without_code(stored_world: World) -> None:
    world = stored_world
    url, scripted = await world.scripted("guarding_app")
    added = await world.platform.remotes.add(f"{url}/")
    assert (added.app_id, added.url, added.origin, added.error) == ("guarding-app", url, url, None)
    app = world.platform.directory.get("guarding-app")
    assert (app.package, app.directory, app.distribution, app.editable) == ("", None, url, False)
    assert app.manifest is not None
    assert (app.content_digest, app.distribution_version) == (app.manifest.digest, "1.0.0")
    assert [each.app_id for each in await world.platform.remotes.listed()] == ["guarding-app"]
    assert scripted.paths == ["/app.toml"]  # and nothing that names anybody


async def test_an_app_is_added_once_and_removed_only_where_nobody_has_it(stored_world: World) -> None:
    world, remotes = stored_world, stored_world.platform.remotes
    url, _ = await world.scripted("guarding_app")
    await remotes.add(url)
    await refused(remotes.add(url), "remote_known")
    await refused(remotes.add_connected("guarding-app"), "remote_known")
    await world.install("guarding-app")
    await refused(remotes.remove("guarding-app"), "remote_in_use")
    await world.platform.leaving.uninstall(world.doer(), "guarding-app")
    await remotes.remove("guarding-app")
    await refused(remotes.remove("guarding-app"), "remote_unknown")
    await refused(remotes.refresh("guarding-app"), "remote_unknown")


async def test_a_packages_id_is_not_offered_twice(open_world: Any) -> None:
    async with open_world(apps=[find_app(APPS / "guarding_app")]) as world:
        url, _ = await world.scripted("guarding_app")
        await refused(world.platform.remotes.add(url), "app_id_taken")
        await refused(world.platform.remotes.add_connected("guarding-app"), "app_id_taken")


async def test_a_package_that_comes_after_a_remote_app_of_its_id_is_broken(open_world: Any) -> None:
    packages: list[Any] = []
    async with open_world(apps=packages) as world:
        url, _ = await world.scripted("guarding_app")
        await world.platform.remotes.add(url)
        world.platform.directory._apps = lambda: [find_app(APPS / "guarding_app")]
        first, second = world.platform.directory.list()
        assert first.error is not None
        assert (first.error.code, second.error) == ("app_id_twice", None)
        assert world.platform.directory.get("guarding-app").package == ""


async def test_an_id_belongs_to_the_place_that_was_admitted_with_it(world: World) -> None:
    url, _ = await world.scripted("guarding_app")
    await world.platform.remotes.add(url)
    await world.install("guarding-app")
    await world.platform.leaving.uninstall(world.doer(), "guarding-app")
    await world.platform.remotes.remove("guarding-app")
    elsewhere, _ = await world.scripted("guarding_app")
    await world.platform.remotes.add(elsewhere)
    error = await refused(world.install("guarding-app"), "app_id_taken")
    assert url in error.message


async def test_a_manifest_that_can_t_be_read_is_not_offered(world: World) -> None:
    url, scripted = await world.scripted("guarding_app")
    scripted.manifest = b"sdk = 1\nid = 'x'"
    with pytest.raises(ManifestError):
        await world.platform.remotes.add(url)
    scripted.manifest = b"\xff\xfe"
    await refused(world.platform.remotes.add(url), "manifest_unreadable")
    scripted.manifest = b"#" * 70_000
    await refused(world.platform.remotes.add(url), "outgoing_too_large")
    assert await world.platform.remotes.listed() == []


async def test_what_goes_wrong_at_a_later_reading_is_kept_beside_the_old_manifest(stored_world: World) -> None:
    world, remotes = stored_world, stored_world.platform.remotes
    url, scripted = await world.scripted("guarding_app")
    await remotes.add(url)
    good = scripted.manifest
    for manifest, code in (
        (b"nonsense", "manifest_syntax"),
        (good.replace(b'"guarding-app"', b'"other-app"'), "app_id_differs"),
    ):
        scripted.manifest = manifest
        (read,) = await remotes.refresh()
        assert str(read.error).startswith(f"{code}: ")
        assert world.platform.directory.get("guarding-app").manifest is not None
    scripted.manifest = good
    (read,) = await remotes.refresh("guarding-app")
    assert read.error is None


async def test_a_redirect_to_a_manifest_is_not_followed(world: World) -> None:
    async def moved(_: Any) -> Response:
        return RedirectResponse(f"{world.url}/app.toml")

    async with listening(Starlette(routes=[Route("/app.toml", moved)])) as url:
        await refused(world.platform.remotes.add(url), "outgoing_failed")


async def test_an_app_on_this_machine_needs_to_be_allowed(open_world: Any) -> None:
    async with open_world(allow=()) as world:
        url, _ = await world.scripted("guarding_app")
        error = await refused(world.platform.remotes.add(url), "outgoing_refused")
        assert "--dev" in error.message
        world.platform.outgoing.allow_this_machine()
        assert (await world.platform.remotes.add(url)).app_id == "guarding-app"


@pytest.mark.parametrize(
    "url", ["https://app.example/?x=1", "app.example", "https://u:p@app.example", "https://10.0.0.1"]
)
async def test_other_addresses_are_refused(world: World, url: str) -> None:
    with pytest.raises(HostError) as error:
        await world.platform.remotes.add(url)
    assert error.value.code in ("outgoing_refused", "remote_url_invalid")


async def test_an_id_for_an_app_that_dials_in_is_one_of_an_app(world: World) -> None:
    for text in ("", "X", "a", "no spaces", "a" * 40, "app\n"):
        await refused(world.platform.remotes.add_connected(text), "app_id_invalid")
