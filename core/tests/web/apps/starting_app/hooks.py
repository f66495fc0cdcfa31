"""Its import ends when a test allows it."""

from __future__ import annotations

import threading

from assigntask_sdk import Ctx, Text, hook
from assigntask_sdk.hooks import BoardPanel, Panel

go_on = threading.Event()
go_on.wait(20)


@hook.board_panel
async def board(ctx: Ctx, ask: BoardPanel) -> Panel:
    return [Text(["Started at last"])]
