"""Each tells one line of JSON for each thing that it did:

python -m kill series --database URL --folder F --kills N --seed S      every kill
python -m kill fleet --database URL --folder F --kills N --seed S       all kills of producers, drains and receivers
python -m kill doubt --folder F                                         every damage
python -m kill flush --database URL --folder F                          two releases, without a kill
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

import structlog

from . import arrivals
from .doubt import doubts
from .fleet import run_fleet
from .flush import released_twice
from .place import Place
from .series import run


def _tell(what: Any) -> None:
    print(json.dumps(what), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="kill", description=__doc__)
    parser.add_argument("what", choices=["series", "fleet", "doubt", "flush"])
    parser.add_argument("--database", help="not for doubt, which makes its own")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),  # what is told on stdout is JSON
    )
    given.folder.mkdir(parents=True, exist_ok=True)
    folder = given.folder.resolve()
    if given.what == "doubt":
        for found in (*doubts(folder), *arrivals.doubts()):
            _tell(found)
        return 0
    if given.database is None:
        parser.error(f"{given.what} needs --database")
    place = Place(given.database, folder)
    if given.what == "flush":
        _tell(asyncio.run(released_twice(place)))
        return 0
    go = run_fleet if given.what == "fleet" else run
    return 0 if go(place, given.kills, given.seed, _tell) else 1


if __name__ == "__main__":
    sys.exit(main())
