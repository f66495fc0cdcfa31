"""Tells its process's test what it hears, and does not go on until the test lets it; where there is such a test."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from assigntask_sdk import Ctx, hook
from assigntask_sdk.hooks import TaskChanged

FOLDER, NAME = Path(os.environ.get("HOLDING_FOLDER", ".")), os.environ.get("HOLDING_NAME", "")


def note(what: str) -> None:
    with (FOLDER / "heard").open("a") as heard:
        heard.write(f"{NAME} {what}\n")


@hook.task_changed
async def changed(ctx: Ctx, ask: TaskChanged) -> None:
    if not NAME:
        return  # it is called as any other app: nobody is there to let it go on
    note(f"begins {ask.task.summary}")
    while not (FOLDER / f"go {NAME}").exists():
        await asyncio.sleep(0.02)
    note(f"ends {ask.task.summary}")
