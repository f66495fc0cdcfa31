"""An app as it lies on this machine, and why it can't be used, if so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..manifest import Manifest, Problem


class AppBroken(Exception):
    """An app that can't be used, and why. `problems` says where, as far as that is known.

    The message holds no values of the app or its data; what the app's code raised is the `__cause__`.
    """

    def __init__(self, code: str, app: str, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(f"{app}: {message}")
        self.code = code
        self.app = app
        self.message = message
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.code, self.app, self.message, self.problems))


@dataclass(frozen=True, slots=True)
class InstalledApp:
    """Either `error` is None and all else is there, or `error` says what is wrong and the rest is what could be read.

    `content_digest` is "sha256:" and the hex digest of all files of the package, by path and bytes, less compiled
    ones; "" where there is no package. `directory` is the package's; None where there is none.
    """

    id: str
    package: str
    directory: Path | None
    distribution: str
    distribution_version: str
    content_digest: str
    editable: bool
    manifest: Manifest | None
    error: AppBroken | None

    def usable(self) -> Manifest:
        """The manifest. Raises the app's `error`, where it has one."""
        if self.error is not None:
            raise self.error
        if self.manifest is None:
            raise AppBroken("app_unreadable", self.id, "its manifest was not read")
        return self.manifest
