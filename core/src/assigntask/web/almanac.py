"""Days and moments as the viewer reads them. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Self
from zoneinfo import ZoneInfo

from assigntask.tasks.facts import TaskFacts


@dataclass(frozen=True, slots=True)
class Almanac:
    """The viewer's time zone, and the moment (aware) and day it is there."""

    zone: ZoneInfo
    now: dt.datetime
    today: dt.date

    @classmethod
    def of(cls, now: dt.datetime, time_zone: str) -> Self:
        zone = ZoneInfo(time_zone)
        return cls(zone, now, now.astimezone(zone).date())

    def day(self, value: dt.date) -> str:
        """ "3 May"; with the year, where it is another one."""
        year = "" if value.year == self.today.year else f" {value.year}"
        return f"{value.day} {value:%b}{year}"

    def moment(self, at: dt.datetime) -> str:
        """ "3 May, 14:05". At the ends of the calendar, where zones can't be applied, as it was given."""
        try:
            here = at.astimezone(self.zone)
        except OverflowError:
            return at.isoformat()
        return f"{self.day(here.date())}, {here:%H:%M}"

    def due(self, task: TaskFacts) -> str:
        """Empty where nothing is due."""
        if task.due is None:
            return ""
        return self.moment(task.due.at) if task.due.at is not None else self.day(task.due.day)

    def overdue(self, task: TaskFacts) -> bool:
        if task.due is None or task.done is not None or task.status.done:
            return False
        return task.due.at < self.now if task.due.at is not None else task.due.day < self.today
