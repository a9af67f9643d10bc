"""Usage: memory and processor time of this process, reported with each heartbeat of its session."""

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mainspring.store.commands.sessions import RecordHeartbeat

_STATM: Final = Path("/proc/self/statm")
_UNIT: Final = 1 if sys.platform == "darwin" else 1024
"""In how many bytes `getrusage` counts memory: in single ones on macOS alone."""


class ProcessUsage:
    """Of one process, children left out. `passing` and `taken` return seconds that only grow: of the clock, of its processor time."""

    def __init__(
        self, passing: Callable[[], float] = time.monotonic, taken: Callable[[], float] = time.process_time
    ) -> None:
        self._passing, self._taken = passing, taken
        self._seen = passing(), taken()

    def beat(self) -> RecordHeartbeat:
        """Return the beat that tells the memory of now, and the processor time since the beat before."""
        before, had = self._seen
        at, has = self._seen = self._passing(), self._taken()
        return RecordHeartbeat(resident_bytes(), round((has - had) / (at - before) * 1000) if at > before else None)


def resident_bytes(statm: Path = _STATM) -> int:
    """Return how much memory this process holds; where the system does not tell that, the most that it ever held."""
    try:
        return int(statm.read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
