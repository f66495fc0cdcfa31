"""What an operator can set, from the environment (`ASSIGNTASK_…`) and the command line."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DATA_FOLDER = Path("data")


@dataclass(frozen=True, slots=True)
class Settings:
    """`keys` is a folder, outside the database and its backups. `subject_keys` is a database URL of its own."""

    database: str
    keys: Path | None
    subject_keys: str
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    strict: bool = False  # blocks over the limits are errors, as in tests
    hook_limits: Mapping[str, float] = field(default_factory=dict)  # seconds, where they are not the contract's

    @classmethod
    def of(
        cls, *, database: str | None = None, data: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> Settings:
        """`database` goes before ASSIGNTASK_DATABASE, and that before a file in the data folder.

        Keys lie in ASSIGNTASK_KEYS, or beside the database file, or in the data folder.
        """
        env = os.environ if environ is None else environ
        folder = data or Path(env.get("ASSIGNTASK_DATA", DATA_FOLDER))
        url = database or env.get("ASSIGNTASK_DATABASE") or f"sqlite:///{folder / 'assigntask.db'}"
        if url.startswith("sqlite:///"):
            folder = Path(url.removeprefix("sqlite:///")).parent if data is None else folder
        keys = Path(env.get("ASSIGNTASK_KEYS", folder / "keys"))
        subject_keys = env.get("ASSIGNTASK_SUBJECT_KEYS", f"sqlite:///{keys / 'subjects.db'}")
        return cls(url, keys, subject_keys, dict(env))

    @classmethod
    def in_memory(cls) -> Settings:
        """Nothing outlives the process. Keys are random."""
        secrets = {
            f"ASSIGNTASK_KEY_{name}": b64encode(os.urandom(32)).decode() for name in ("LEDGER", "PAIRWISE", "SUBJECTS")
        }
        return cls("sqlite://", None, "sqlite://", secrets)
