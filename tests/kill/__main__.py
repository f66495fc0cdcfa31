"""`python -m kill series --database URL --folder F --kills N --seed S`: one line of JSON for each kill."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from .place import Place
from .series import run


def _tell(what: Any) -> None:
    print(json.dumps(what), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="kill", description=__doc__)
    parser.add_argument("what", choices=["series"])
    parser.add_argument("--database", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    place = Place(given.database, given.folder.resolve())
    return 0 if run(place, given.kills, given.seed, _tell) else 1


if __name__ == "__main__":
    sys.exit(main())
