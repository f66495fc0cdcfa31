"""What the host tells of its work while it works: nothing of what it works on."""

from __future__ import annotations


class Meter:
    """This one keeps nothing, so that whoever measures nothing pays nothing.

    Every word that comes here is of a kind that the host knows beforehand: templates of routes, names of hooks, codes,
    ids of apps that it offers. Never ids of people or tasks, and never what they wrote. Seconds are those of a clock
    that does not jump. Calls come from the event loop; they return at once and raise nothing.
    """

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """An HTTP request. `route`: its template, "unknown" where there is nothing at its address."""

    def called(self, app: str, hook: str, outcome: str, seconds: float) -> None:
        """A hook of an app. `outcome`: "answered", or the code of its failure."""

    def attempted(self, hook: str, end: str) -> None:
        """A delivery was told, or not. `end`: what follows from it, such as "delivered", "later", "dead"."""

    def gave_token(self, grant_type: str) -> None:
        """An answer of the token endpoint that gives one."""

    def wrote(self, seconds: float) -> None:
        """A unit of work that may change something, from asking to commit, also where it failed."""


SILENT = Meter()
