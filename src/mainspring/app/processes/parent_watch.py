"""Watch of the parent: a worker whose supervisor is gone drains and ends, also when its loop is blocked. Nothing else would end it.

Only the loop receives the kernel's signal at the parent's death, so a thread checks too. The thread needs nothing of the loop: it ends
the process if the loop is blocked for a few seconds, or if the drain takes too long.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable

from mainspring.engine.worker.stall_watch import StallWatch

_LOG = logging.getLogger("mainspring.worker")
_POLL_INTERVAL_S = 0.25
_REPORT_AFTER_S, _BLOCKED_AFTER_S = 1.0, 3.0
_DRAIN_GRACE_S = 5.0


class ParentWatch:
    """Watches the parent. Created and started in the thread that runs `loop`.

    `drain` is called in the loop, `end` from the watching thread. `within` = seconds to drain.
    """

    def __init__(
        self,
        parent: int,
        loop: asyncio.AbstractEventLoop,
        *,
        drain: Callable[[], None],
        end: Callable[[], None],
        within: float,
    ) -> None:
        self._parent = parent
        self._loop = loop
        self._drain = drain
        self._end = end
        self._within = within
        self._pause = threading.Event()
        self._stall = StallWatch(
            loop,
            threading.get_ident(),
            on_stall=lambda _frames, _since: None,
            on_limit=lambda _since: self._end_process("its loop is blocked"),
            report_after=_REPORT_AFTER_S,
            limit_after=_BLOCKED_AFTER_S,
        )

    def start(self) -> None:
        """Watch in a daemon thread until the process ends."""
        threading.Thread(target=self._watch, name="mainspring-parent", daemon=True).start()

    def _watch(self) -> None:
        while os.getppid() == self._parent:
            self._pause.wait(_POLL_INTERVAL_S)
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:  # the loop is closed: the process ends already
            return
        until = time.monotonic() + self._within + _DRAIN_GRACE_S
        while time.monotonic() < until:
            self._stall.check_once()
            self._pause.wait(_POLL_INTERVAL_S)
        self._end_process("it does not drain in time")

    def _end_process(self, reason: str) -> None:
        _LOG.critical("the supervisor is gone, and %s: this process ends, other workers continue its runs", reason)
        self._end()
