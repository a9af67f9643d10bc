"""A wakeup pipe: a thread sleeps on it until another thread wakes it, or until a given descriptor is readable.

A pipe, because a lock cannot be waited for together with a socket. Nothing is written to it while no thread sleeps.
"""

import math
import os
import select
from collections.abc import Callable


class WakeupPipe:
    """A pipe for one sleeper. To ring or close it, hold the lock under which the work is queued."""

    def __init__(self) -> None:
        self._asleep = False
        self._pipe: tuple[int, int] | None = None

    def sleep(self, descriptor: int, seconds: float, is_idle: Callable[[], bool]) -> bool:
        """Sleep unless there is work; tell whether the descriptor is readable or broken. It may also return without a
        reason.

        `is_idle` is called after ringers know of the sleeper: it sees work that was queued before; later work rings.
        """
        if self._pipe is None:
            self._pipe = os.pipe()
            os.set_blocking(self._pipe[0], False)
        poll = select.poll()
        poll.register(self._pipe[0], select.POLLIN)
        poll.register(descriptor, select.POLLIN)
        self._asleep = True
        try:
            found = poll.poll(math.ceil(max(seconds, 0) * 1000)) if is_idle() else []
        finally:
            self._asleep = False
        ready = {ready_descriptor for ready_descriptor, _ in found}
        if self._pipe[0] in ready:
            os.read(self._pipe[0], 64)
        return descriptor in ready

    def ring(self) -> None:
        """Wake the sleeper."""
        if self._asleep and self._pipe is not None:
            self._asleep = False
            os.write(self._pipe[1], b"!")

    def close(self) -> None:
        """Close the pipe. No thread sleeps on it again."""
        self._asleep = False
        pipe, self._pipe = self._pipe, None
        for end in pipe or ():
            os.close(end)
