"""Usage of memory and processor time by this process, reported with each heartbeat of its session."""

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mainspring.store.commands.sessions import RecordHeartbeat

_STATM: Final = Path("/proc/self/statm")
_UNIT: Final = 1 if sys.platform == "darwin" else 1024
"""Bytes in a unit of `getrusage`: one on macOS, else 1024."""


class ProcessUsage:
    """Usage of one process without its children. `passing` and `processor_seconds` return growing seconds: of the clock, of
    processor time.
    """

    def __init__(
        self, passing: Callable[[], float] = time.monotonic, processor_seconds: Callable[[], float] = time.process_time
    ) -> None:
        self._passing, self._processor_seconds = passing, processor_seconds
        self._seen = passing(), processor_seconds()

    def beat(self) -> RecordHeartbeat:
        """Return the heartbeat with the current memory, and the processor time since the previous one."""
        before, processor_before = self._seen
        at, processor = self._seen = self._passing(), self._processor_seconds()
        return RecordHeartbeat(
            resident_bytes(), round((processor - processor_before) / (at - before) * 1000) if at > before else None
        )


def resident_bytes(statm: Path = _STATM) -> int:
    """Return the memory of this process; on a system without that figure, its maximum so far."""
    try:
        return int(statm.read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
