"""Real time in a lab: `time.sleep` of a step does not see the clock of the lab, and the test is warned with its line.

While any lab is open, `time.sleep` is replaced in the whole process; only calls of threads of labs are reported.
"""

import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mainspring.engine.attempts.thread_pool import STEP_THREAD_PREFIX

LAB_THREAD = "mainspring-lab"
_sleep = time.sleep
_lock = threading.Lock()
_open_count = 0


class RealTimeWarning(UserWarning):
    """A step of a lab waits in real time, while the clock of the lab does not move."""


@contextmanager
def report_real_sleep() -> Iterator[None]:
    """Warn of each `time.sleep` in a step, until the block ends."""
    _count(1)
    try:
        yield
    finally:
        _count(-1)


def _count(change: int) -> None:
    global _open_count  # noqa: PLW0603 - `time.sleep` belongs to the process, too
    with _lock:
        _open_count += change
        time.sleep = _sleep_and_warn if _open_count else _sleep


def _sleep_and_warn(seconds: Any, /) -> None:
    is_step = threading.current_thread().name.startswith((LAB_THREAD, STEP_THREAD_PREFIX))
    caller = str(sys._getframe(1).f_globals.get("__name__", ""))  # noqa: SLF001 - as `warnings` finds its line
    if is_step and seconds > 0 and not caller.startswith("mainspring."):
        warnings.warn(
            f"time.sleep({seconds!r}) waits in real time: the clock of the lab does not see it. In an `async def` step use "
            "asyncio.sleep, in a workflow too; or put a fake in the place of the step: lab.fake(...)",
            RealTimeWarning,
            stacklevel=2,
        )
    _sleep(seconds)
