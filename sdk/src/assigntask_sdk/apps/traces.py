"""Where in an app's own code something was raised."""

from __future__ import annotations

import traceback
from pathlib import Path


def frames_in(error: BaseException, package: Path | None) -> list[tuple[str, str]]:
    """Place and source line, such as ("due_guard/hooks.py:12", "raise ValueError"), of the frames in the app's package.

    The innermost is last; none where `package` is None. What stands outside the package is left out.
    """
    if package is None:
        return []
    return [
        (f"{path.relative_to(package.parent).as_posix()}:{frame.lineno}", (frame.line or "").strip())
        for frame in traceback.extract_tb(error.__traceback__)
        if (path := Path(frame.filename).resolve()).is_relative_to(package)
    ]


def place_in(error: BaseException, package: Path | None) -> str | None:
    """File and line of the innermost frame in the app's package; None where none is in it."""
    frames = frames_in(error, package)
    return frames[-1][0] if frames else None
