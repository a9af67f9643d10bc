"""Waiters for the ends of runs: each is called as soon as its run has ended or stopped for a person.

A commit of this process names the runs that it ended, and their waiters are called at once. For the commits of other processes one thread
asks for the ends of all awaited runs together, 50 times a second; it exists only while someone waits. Where that one question takes long,
the next one comes later: a crowd of waiters takes a twentieth of one connection at most.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable

import msgspec

from mainspring.domain.errors import MainspringError
from mainspring.store.base import StoreReader

_LOG = logging.getLogger("mainspring.store")
POLL_EVERY_S = 0.02
_SHARE_OF_TIME = 20
_LAST_READ_S = 1.0
OnEnd = Callable[[], object]


class RunEndWaiters:
    """The waiters of one process at one store, for use from any thread.

    A waiter is called once, in the thread that finds the end, and is then forgotten. It may be called although its run goes on: when the
    store cannot be asked. So it reads the run again.
    """

    def __init__(self, poll_every_s: float = POLL_EVERY_S) -> None:
        self._poll_every_s = poll_every_s
        self._changed = threading.Condition()
        self._waiters: dict[str, list[OnEnd]] = {}
        self._ids: bytes | None = None
        self._poller: threading.Thread | None = None
        self._is_closed = False

    def add(self, run_id: str, on_end: OnEnd, reader: StoreReader) -> None:
        """Call `on_end` once the run has ended. Read the run afterwards: it may have ended before."""
        with self._changed:
            if self._is_closed:
                on_end()
                return
            self._waiters.setdefault(run_id, []).append(on_end)
            self._ids = None
            if self._poller is None:
                self._poller = threading.Thread(target=self._poll, args=(reader,), name="mainspring-ends", daemon=True)
                self._poller.start()

    def remove(self, run_id: str, on_end: OnEnd) -> None:
        """Forget a waiter; nothing happens if it was called already."""
        with self._changed:
            waiters = self._waiters.get(run_id, [])
            if on_end in waiters:
                waiters.remove(on_end)
            if not waiters and self._waiters.pop(run_id, None) is not None:
                self._forgotten()

    def wake(self, run_ids: Iterable[str]) -> None:
        """Call the waiters of runs that have ended."""
        if not self._waiters:
            return
        with self._changed:
            woken = [on_end for run_id in run_ids for on_end in self._waiters.pop(run_id, ())]
            if woken:
                self._forgotten()
        for on_end in woken:
            on_end()

    def close(self) -> None:
        """Call all waiters and end the thread; later waiters are called at once."""
        with self._changed:
            self._is_closed = True
        self.wake(list(self._waiters))
        poller = self._poller
        if poller is not None and poller is not threading.current_thread():
            poller.join(_LAST_READ_S)

    def _forgotten(self) -> None:
        """Let the thread see that there are fewer waiters; the lock is held."""
        self._ids = None
        if not self._waiters:
            self._changed.notify()

    def _poll(self, reader: StoreReader) -> None:
        pause = self._poll_every_s
        while (ids := self._next(pause)) is not None:
            began = time.monotonic()
            try:
                ended = [str(row[0]) for row in reader.read("list_ended_among", (ids.decode(),))]
            except MainspringError:
                ended = list(self._waiters)
            except Exception:  # noqa: BLE001 - those who wait read their run by themselves, and get the error
                _LOG.exception("the ends of runs cannot be read")
                ended = list(self._waiters)
            pause = max(self._poll_every_s, (time.monotonic() - began) * _SHARE_OF_TIME)
            self.wake(ended)

    def _next(self, pause: float) -> bytes | None:
        """Return the awaited runs as JSON after the pause; None once no one waits."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiters, pause)
            if not self._waiters:
                self._poller = None
                return None
            if self._ids is None:
                self._ids = msgspec.json.encode(list(self._waiters))
            return self._ids
