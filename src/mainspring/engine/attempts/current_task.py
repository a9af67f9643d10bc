"""The current task of a loop, for code that runs in the place of a task, or must not see the one that calls it."""

import asyncio
import sys
from typing import Any


def swap_current_task(loop: asyncio.AbstractEventLoop, task: Any) -> Any:
    """Make a task the current one; return the previous one."""
    if sys.version_info >= (3, 12):
        return asyncio.tasks._swap_current_task(loop, task)  # type: ignore[attr-defined]  # noqa: SLF001
    before = asyncio.current_task(loop)
    if before is not None:
        asyncio.tasks._leave_task(loop, before)  # noqa: SLF001
    if task is not None:
        asyncio.tasks._enter_task(loop, task)  # noqa: SLF001
    return before
