"""`python -m bench gate|ledger|hooks|api|delivery|all`: one line of JSON per measure on stdout, the rest on stderr."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import structlog
from bench import api, delivery, gate, hooks, ledger
from bench.disk import NotADisk, folder_on_disk

Bench = Callable[[Path], Awaitable[None]]

BENCHES: Mapping[str, Sequence[Bench]] = {
    "gate": (gate.run, ledger.run),
    "ledger": (ledger.run,),
    "hooks": (hooks.run,),
    "api": (api.run,),
    "delivery": (delivery.run,),
    "all": (gate.run, ledger.run, hooks.run, api.run, delivery.run),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("bench", choices=BENCHES, help="which one to run")
    wanted: Sequence[Bench] = BENCHES[parser.parse_args().bench]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        with folder_on_disk() as folder:
            for bench in wanted:
                asyncio.run(_run(bench, folder))
    except NotADisk as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


async def _run(bench: Bench, folder: Path) -> None:
    await bench(folder)


if __name__ == "__main__":
    sys.exit(main())
