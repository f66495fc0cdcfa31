"""What is wrong with an app that does not survive being killed."""

from __future__ import annotations

from collections.abc import Sequence


class NotResumable(AssertionError):
    """A call that was killed, and then repeated, did not come to what an unharmed run comes to.

    `killed` says where ("after tasks.comment"), `step` which step of the run that was (from 1; 0 where it is unknown),
    and `differences` what is missing or too much then.
    """

    code = "not_resumable"

    def __init__(self, killed: str, step: int, differences: Sequence[str]) -> None:
        where = f"Killed {killed} (step {step}), and called again" if step else f"In {killed}"
        super().__init__(
            f"{where}: {'; '.join(differences)}. Find out from ctx.storage what is done, give what is made a key, "
            "and commit what belongs together in one ctx.storage.commit."
        )
        self.killed = killed
        self.step = step
        self.differences = tuple(differences)
