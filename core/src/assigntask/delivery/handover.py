"""Gives an app that runs elsewhere its credentials: made at that moment, and signed with the host's key."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import structlog

from assigntask.db.database import Database
from assigntask.db.ids import new_id
from assigntask.grants.grant import Grant
from assigntask.hooks.errors import CallFailed
from assigntask.installations import installations
from assigntask.installations.installations import Installation
from assigntask.oauth.credentials import Credentials, Issued
from assigntask_sdk.webhooks import secret_text, sign_with_key
from assigntask_sdk.wire import INSTALL_PATH, InstallBody

from .standing import Standing, standing
from .ways import Way, WayFailed

LIMIT_SECONDS = 15.0

log = structlog.get_logger(__name__)


class Handover:
    """`url`: the host's own address, "" while it is not known. The clock gives aware moments."""

    def __init__(
        self, db: Database, credentials: Credentials, clock: Callable[[], dt.datetime], url: Callable[[], str]
    ) -> None:
        self._db = db
        self._credentials = credentials
        self._clock = clock
        self._url = url

    async def give(self, grant: Grant, way: Way) -> None:
        """One attempt. A client secret that was made for it and did not arrive opens nothing: nobody has it.

        Raises CallFailed `app_not_connected`, `host_without_address`; HostError `client_revoked`.
        """
        if not self._url():
            raise CallFailed(
                "host_without_address",
                grant.app_id,
                None,
                f"{grant.app_id} gets its credentials from `assigntask serve`, or where ASSIGNTASK_URL says at which "
                "address apps find this host.",
            )
        installation = await self._db.read(installations.get, grant.organisation_id, grant.installation_id)
        issued = await self._credentials.issue(installation)
        known = await self._db.read(standing, installation.organisation_id, installation.id, installation.credential)
        if known is None:
            raise CallFailed("app_not_connected", grant.app_id, None, f"{grant.app_id} was uninstalled meanwhile.")
        body = self._body(installation, issued, known).model_dump_json().encode()
        key = self._credentials.host_key().private_bytes_raw()
        headers = sign_with_key(new_id(), self._clock(), body, key)
        try:
            answer = await way.post(INSTALL_PATH, headers, body, limit=LIMIT_SECONDS)
        except WayFailed as failed:
            raise _not_taken(grant, str(failed)) from None
        if not 200 <= answer.status < 300:
            raise _not_taken(grant, f"its service answered with status {answer.status}")
        await self._credentials.delivered(installation, known.generation)
        log.info("credentials_delivered", installation=installation.id, app=installation.app_id)

    def _body(self, installation: Installation, issued: Issued, known: Standing) -> InstallBody:
        url = self._url()
        return InstallBody(
            issuer=url,
            api=f"{url}/api/v1",
            token_endpoint=f"{url}/oauth/token",
            installation=installation.id,
            app=installation.app_id,
            version=installation.version,
            client_id=issued.client_id,
            client_secret=issued.client_secret,
            secret=secret_text(self._credentials.signing_secrets(known)[0]),
            previous_until=known.previous_until,
        )


def _not_taken(grant: Grant, why: str) -> CallFailed:
    return CallFailed(
        "app_not_connected",
        grant.app_id,
        None,
        f"{grant.app_id} did not take its credentials: {why.rstrip('.')}. They are offered again by themselves.",
        why=why,
    )
