"""Best-effort store of a wrapped command: it waits for the store only briefly, and abandons it at the first failure.

Invariants: nothing here delays the command longer than the timeout. Once the store is unreachable it stays so for this process. A store
that recovers half way gets the whole record later, from the spool, instead of a part of it now. One thread runs all calls, in order.
It may hang without end in a lock or on a disk, and the process ends all the same.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from mainspring.app.stores.store_factory import make_store
from mainspring.domain.clock import Clock
from mainspring.domain.errors import MainspringError, StoreError, StoreUnavailableError
from mainspring.domain.runs.journal import FactKind
from mainspring.store.base import CommitChanges, NotAStoreError
from mainspring.store.commands.results import NumberAnswer
from mainspring.store.commands.sessions import DeclareSessionDead
from mainspring.store.liveness import FoundSession, find_dead, kill_remains, left_to_supervisor
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.runs.history import facts_after

T = TypeVar("T")

STORE_TIMEOUT_S = 2.0
"""Seconds that the store may take for one call."""
EXEC_ROLE = "exec"


class _PendingCall:
    """A call on its way to the store."""

    def __init__(self, work: Callable[[ProcessStore], object]) -> None:
        self.work = work
        self.done = threading.Event()
        self.result: object = None


class BestEffortStore:
    """The store of one `exec`. `away` says why the store is abandoned, None while it works."""

    def __init__(self, place: str | Path, clock: Clock, *, timeout: float = STORE_TIMEOUT_S) -> None:
        self.away: str | None = None
        self._error: MainspringError | None = None
        self.is_foreign = False
        """Whether the named store is a folder, or a file of another kind."""
        self._timeout = timeout
        # A little less, so that the store itself can report its failure.
        self._store = make_store(place, clock=clock, on_change=self._on_change, timeout_s=timeout * 0.6)
        self.location = self._store.location
        self._on_cancel: Callable[[], None] | None = None
        self._is_checking = False
        self._calls: SimpleQueue[_PendingCall | None] = SimpleQueue()
        threading.Thread(target=self._run, name="mainspring-exec-store", daemon=True).start()

    def open(self) -> None:
        """Open the store and this process's session; `away` says if that failed."""

        def open_session(store: ProcessStore) -> None:
            store.open()
            store.open_session(EXEC_ROLE)

        self.do(open_session)

    def do(self, work: Callable[[ProcessStore], T], *, timeout: float | None = None) -> T | None:
        """Return what `work` returns, or None if the store is abandoned (see `away`), now or before."""
        if self.away is not None:
            return None
        call = _PendingCall(work)
        self._calls.put(call)
        wait = self._timeout if timeout is None else timeout
        if not call.done.wait(wait) and self.away is None:
            self.away = f"it did not answer within {wait:g} s"
        return None if self.away is not None else call.result  # type: ignore[return-value]

    def submit(self, work: Callable[[ProcessStore], object]) -> None:
        """Run `work` without waiting for it."""
        if self.away is None:
            self._calls.put(_PendingCall(work))

    @property
    def lost(self) -> StoreError | None:
        """The error of the store; None = no failure, or none of the store."""
        if self.away is None or self._error is not None:
            return self._error if isinstance(self._error, StoreError) else None
        return StoreUnavailableError(self.away)

    @property
    def session(self) -> int | None:
        """This process's session, if it was opened."""
        return self._store.session

    @property
    def descriptors(self) -> tuple[int, ...]:
        """File descriptors that children must hold so that the session outlives this process while they run."""
        lock = self._store.lock
        return () if lock is None or self.away is not None else (lock.descriptor,)

    def when_cancelled(self, on_cancel: Callable[[], None]) -> None:
        """Call `on_cancel`, in another thread, once someone requests the cancellation of the run."""
        self._on_cancel = on_cancel
        self._is_checking = True
        self.submit(self._check_cancel)

    def close(self) -> None:
        """End the session, if the store still answers."""
        self.do(lambda store: store.close())
        self._calls.put(None)

    def _on_change(self, changes: CommitChanges) -> None:
        """Check for a cancel when another process wrote facts; at most one check waits."""
        if changes.facts and self._on_cancel is not None and not self._is_checking:
            self._is_checking = True
            self.submit(self._check_cancel)

    def _check_cancel(self, store: ProcessStore) -> None:
        self._is_checking = False
        if store.session is None or self._on_cancel is None:
            return
        if any(fact.kind is FactKind.CANCEL for fact in facts_after(store.reader, store.session, 0)):
            self._on_cancel()

    def _run(self) -> None:
        """Run one call after the other, until one fails."""
        while (call := self._calls.get()) is not None:
            if self.away is None:
                try:
                    call.result = call.work(self._store)
                except MainspringError as error:
                    self.is_foreign = isinstance(error, NotAStoreError)
                    self._error = error
                    self.away = " ".join(error.message.splitlines())
                except Exception as error:  # noqa: BLE001 - whatever a store does, the command runs
                    self.away = f"{type(error).__name__}: {error}"
            call.done.set()


def declare_dead_sessions(store: ProcessStore) -> list[int]:
    """Declare all dead sessions of this host dead, except the workers of a live supervisor: it knows how they died. Return their ids."""
    dead = find_dead(store.reader)
    left = left_to_supervisor(store.reader, dead)
    return [found.session for found in dead if found.session not in left and _declare_dead(store, found)]


def _declare_dead(store: ProcessStore, dead: FoundSession) -> bool:
    """Kill what is left of a dead session and declare it dead. Return False if it cannot be killed, or is this process's own."""
    if dead.session == store.session or not kill_remains(dead):
        return False
    return isinstance(store.apply(DeclareSessionDead(dead.session)), NumberAnswer)
