"""A wakeup pipe: a thread sleeps on it until another thread wakes it, or a descriptor that it was given can be read.

A pipe, for a lock cannot be waited for beside a socket. Nothing is written to it while nobody sleeps.
"""

import math
import os
import select
from collections.abc import Callable


class WakeupPipe:
    """For one sleeper. Who rings, and who closes it, holds the lock under which the work that it rings for is queued."""

    def __init__(self) -> None:
        self._asleep = False
        self._pipe: tuple[int, int] | None = None

    def sleep(self, descriptor: int, seconds: float, is_idle: Callable[[], bool]) -> bool:
        """Sleep unless there is work; tell whether the descriptor can be read, or is broken. It may also return for nothing.

        `is_idle` is asked after ringers know of the sleeper: what was queued before it, it sees; what is queued later rings.
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
        ready = {one for one, _ in found}
        if self._pipe[0] in ready:
            os.read(self._pipe[0], 64)
        return descriptor in ready

    def ring(self) -> None:
        """Wake whoever sleeps."""
        if self._asleep and self._pipe is not None:
            self._asleep = False
            os.write(self._pipe[1], b"!")

    def close(self) -> None:
        """Give the pipe back. Nobody sleeps here again."""
        self._asleep = False
        pipe, self._pipe = self._pipe, None
        for end in pipe or ():
            os.close(end)
