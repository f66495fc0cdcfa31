"""That a hook was called: for the log, and for whoever measures."""

from __future__ import annotations

import time
from typing import Any

import structlog

from assigntask.gate.released import Released
from assigntask.grants.grant import Grant
from assigntask.metrics.meter import Meter
from assigntask_sdk.hooks import HookSpec

log = structlog.get_logger(__name__)


def note(
    meter: Meter, grant: Grant, spec: HookSpec[Any, Any], started: float, outcome: str, released: Released
) -> None:
    """`started`: as `time.perf_counter`. `outcome`: "answered", or a code."""
    seconds = time.perf_counter() - started
    meter.called(grant.app_id, spec.name, outcome, seconds)
    log.debug(
        "hook_called",
        installation=grant.installation_id,
        app=grant.app_id,
        hook=spec.name,
        outcome=outcome,
        milliseconds=round(seconds * 1000, 1),
        details=released.details,
    )
