"""When a schedule is due. Pure. Its times are those of the organisation's clocks; moments are aware, in UTC.

Where the clocks go forward, a time that they leave out counts as so much later. Where they go back, a time that they
show twice counts the first time, unless the schedule is one for every hour: that goes on as if nothing had happened.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from hashlib import sha256
from zoneinfo import ZoneInfo

from croniter import croniter  # type: ignore[import-untyped]

MOST_SPREAD = dt.timedelta(seconds=60)
SPREAD_SHARE = 10
_MARGIN = dt.timedelta(hours=3)
"""Clocks are moved by less than that."""
_MINUTE = dt.timedelta(minutes=1)


def following(cron: str, time_zone: str, after: dt.datetime) -> dt.datetime:
    """The first moment later than `after` for which it is due."""
    zone = ZoneInfo(time_zone)
    here, margin = _shown(after, zone), _margin(after, zone)
    steps, found = croniter(cron, here - margin), None
    while True:
        shown = steps.get_next(dt.datetime)
        for moment in _moments(cron, shown, zone):
            if moment > after and (found is None or moment < found):
                found = moment
        if found is not None and shown >= here + margin:
            return found


def latest(cron: str, time_zone: str, until: dt.datetime) -> dt.datetime:
    """The last moment, `until` included, for which it was due."""
    zone = ZoneInfo(time_zone)
    here, margin = _shown(until, zone), _margin(until, zone)
    start = here.replace(second=0, microsecond=0) + _MINUTE + margin
    steps, found = croniter(cron, start), None
    while True:
        shown = steps.get_prev(dt.datetime)
        for moment in _moments(cron, shown, zone):
            if moment <= until and (found is None or moment > found):
                found = moment
        if found is not None and shown <= here - margin:
            return found


def planned(cron: str, time_zone: str, after: dt.datetime, installation_id: str, name: str) -> dt.datetime:
    """When the first run later than `after` begins: a little after it is due, and always the same for an installation.

    So not all that are due at noon begin in one moment. By a minute at most, and by a tenth of what lies between runs.
    """
    moment = following(cron, time_zone, after)
    between = following(cron, time_zone, moment) - moment
    share = int.from_bytes(sha256(f"{installation_id}\0{name}".encode()).digest()[:4]) / 2**32
    return moment + min(MOST_SPREAD, between / SPREAD_SHARE) * share


def _shown(moment: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """What a clock shows there."""
    return moment.astimezone(zone).replace(tzinfo=None)


def _margin(moment: dt.datetime, zone: ZoneInfo) -> dt.timedelta:
    """How far around it to look: further only where the clocks are moved thereabouts."""
    offsets = {(moment + by).astimezone(zone).utcoffset() for by in (-_MARGIN, dt.timedelta(0), _MARGIN)}
    return _MARGIN if len(offsets) > 1 else dt.timedelta(0)


def _moments(cron: str, shown: dt.datetime, zone: ZoneInfo) -> Iterator[dt.datetime]:
    """When clocks show that: once, or twice in the night in which they go back."""
    first = shown.replace(tzinfo=zone).astimezone(dt.UTC)
    second = shown.replace(tzinfo=zone, fold=1).astimezone(dt.UTC)
    yield first
    if second > first and croniter.expand(cron)[0][1] == ["*"]:
        yield second
