"""Queues the credentials of an app that runs elsewhere, in the act that makes them or replaces them."""

from __future__ import annotations

from assigntask.events.deliveries import CREDENTIALS
from assigntask.installations import admission
from assigntask.installations.installations import Installation
from assigntask.installations.occasion import Occasion


def queue_credentials(occasion: Occasion, installation: Installation) -> None:
    """Before the act's own notices: an app can be told nothing until it can verify who tells it."""
    if admission.assurance_of(occasion.conn, installation.app_id) == "enforced":
        occasion.event(
            "installation.credentials",
            ("installation", installation.id, installation.grant_version),
            {},
            hook=CREDENTIALS,
            recipients=[installation.id],
        )
