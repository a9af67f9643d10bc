"""Waiters for the ends of runs: each is called when its run has ended or stopped for a person.

A commit of this process names the runs that it ended, and their waiters are called at once. For the commits of other
processes one thread reads the ends of all awaited runs together, 50 times a second, while there are waiters. If that
read is slow, the next one comes later: even many waiters use at most a twentieth of one connection.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable

import msgspec

from mainspring.domain.errors import MainspringError
from mainspring.store.base import StoreReader
from mainspring.store.schema.row import first_values

_LOG = logging.getLogger("mainspring.store")
POLL_EVERY_S = 0.02
_SHARE_OF_TIME = 20
_LAST_READ_S = 1.0
OnEnd = Callable[[], object]


class RunEndWaiters:
    """The waiters of one process at one store, for any thread.

    A waiter is called once, in the thread that finds the end, and is then forgotten. If the store cannot be read it is
    called although its run may continue, so it must read the run again.
    """

    def __init__(self, poll_every_s: float = POLL_EVERY_S) -> None:
        self._poll_every_s = poll_every_s
        self._changed = threading.Condition()
        self._waiters: dict[str, list[OnEnd]] = {}
        self._ids: bytes | None = None
        self._poller: threading.Thread | None = None
        self._is_closed = False

    def add(self, run_id: str, on_end: OnEnd, reader: StoreReader) -> None:
        """Call `on_end` once the run has ended. Read the run after this call: it may have ended before."""
        with self._changed:
            if self._is_closed:
                on_end()
                return
            self._waiters.setdefault(run_id, []).append(on_end)
            self._ids = None
            if self._poller is None:
                self._poller = threading.Thread(
                    target=self._poll, args=(reader,), name="mainspring-run-ends", daemon=True
                )
                self._poller.start()

    def remove(self, run_id: str, on_end: OnEnd) -> None:
        """Forget a waiter; does nothing if it was called already."""
        with self._changed:
            waiters = self._waiters.get(run_id, [])
            if on_end in waiters:
                waiters.remove(on_end)
            if not waiters and self._waiters.pop(run_id, None) is not None:
                self._note_removal()

    def wake(self, run_ids: Iterable[str]) -> None:
        """Call the waiters of runs that have ended."""
        if not self._waiters:
            return
        with self._changed:
            woken = [on_end for run_id in run_ids for on_end in self._waiters.pop(run_id, ())]
            if woken:
                self._note_removal()
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

    def _note_removal(self) -> None:
        """Update the polling thread after waiters were removed; the caller holds the lock."""
        self._ids = None
        if not self._waiters:
            self._changed.notify()

    def _poll(self, reader: StoreReader) -> None:
        pause = self._poll_every_s
        while (ids := self._next_run_ids(pause)) is not None:
            started_at = time.monotonic()
            try:
                ended = first_values(reader.read("list_ended_among", (ids.decode(),)), str)
            except MainspringError:
                ended = list(self._waiters)
            except Exception:  # noqa: BLE001 - each waiter reads its own run and gets the error there
                _LOG.exception("the ends of runs cannot be read")
                ended = list(self._waiters)
            pause = max(self._poll_every_s, (time.monotonic() - started_at) * _SHARE_OF_TIME)
            self.wake(ended)

    def _next_run_ids(self, pause: float) -> bytes | None:
        """Return the ids of the awaited runs as JSON after the pause; None once there are no waiters."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiters, pause)
            if not self._waiters:
                self._poller = None
                return None
            if self._ids is None:
                self._ids = msgspec.json.encode(list(self._waiters))
            return self._ids
