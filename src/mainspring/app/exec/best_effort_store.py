"""The store as a wrapped command sees it: told what happens, waited for briefly, and given up for good at the first failure.

Invariants: nothing here keeps the command waiting longer than the patience; once the store is away it stays so for
this process, so that a store that comes back half way is told the whole story later, from the spool, instead of a
part of it now. Every act runs in one thread, in order; that thread may be stuck for ever in a lock or on a disk, and
the process ends all the same.
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
from mainspring.store.liveness import FoundSession, find_dead, kill_remains
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.runs.history import facts_after

T = TypeVar("T")

STORE_TIMEOUT_S = 2.0
"""Seconds that the store may take for one thing."""
EXEC_ROLE = "exec"


class _PendingCall:
    """One act on its way."""

    def __init__(self, act: Callable[[ProcessStore], object]) -> None:
        self.act = act
        self.done = threading.Event()
        self.result: object = None


class BestEffortStore:
    """The store of one `exec`. `away` says why nothing more can be told, None while all is well."""

    def __init__(self, place: str | Path, clock: Clock, *, patience: float = STORE_TIMEOUT_S) -> None:
        self.away: str | None = None
        self._error: MainspringError | None = None
        self.is_foreign = False
        """Whether what is named as the store is a folder, or a file of another kind."""
        self._patience = patience
        # A little less, so that the store itself can say what is wrong with it.
        self._store = make_store(place, clock=clock, on_change=self._on_change, patience=patience * 0.6)
        self.shown = self._store.shown
        self._on_cancel: Callable[[], None] | None = None
        self._is_looking = False
        self._asked: SimpleQueue[_PendingCall | None] = SimpleQueue()
        threading.Thread(target=self._live, name="mainspring-ledger", daemon=True).start()

    def open(self) -> None:
        """Open the store and this process's session; `away` tells if that failed."""

        def act(store: ProcessStore) -> None:
            store.open()
            store.open_session(EXEC_ROLE)

        self.do(act)

    def do(self, act: Callable[[ProcessStore], T], *, patience: float | None = None) -> T | None:
        """Return what the act returns, or None if the store is away (see `away`), now or since before."""
        if self.away is not None:
            return None
        asked = _PendingCall(act)
        self._asked.put(asked)
        wait = self._patience if patience is None else patience
        if not asked.done.wait(wait) and self.away is None:
            self.away = f"it did not answer within {wait:g} s"
        return None if self.away is not None else asked.result  # type: ignore[return-value]

    def tell(self, act: Callable[[ProcessStore], object]) -> None:
        """Have something done without waiting for it."""
        if self.away is None:
            self._asked.put(_PendingCall(act))

    @property
    def lost(self) -> StoreError | None:
        """What is wrong with the store; None = nothing, or what failed was not the store."""
        if self.away is None or self._error is not None:
            return self._error if isinstance(self._error, StoreError) else None
        return StoreUnavailableError(self.away)

    @property
    def session(self) -> int | None:
        """This process's session, if it was opened."""
        return self._store.session

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What children must hold so that the session is not dead before they are."""
        lock = self._store.lock
        return () if lock is None or self.away is not None else (lock.descriptor,)

    def when_cancelled(self, then: Callable[[], None]) -> None:
        """Call `then`, in another thread, once somebody asks for the run to be cancelled."""
        self._on_cancel = then
        self._is_looking = True
        self.tell(self._look)

    def close(self) -> None:
        """End the session, if the store still answers."""
        self.do(lambda store: store.close())
        self._asked.put(None)

    def _on_change(self, changes: CommitChanges) -> None:
        """Look for a cancel when another process wrote something; one look waits at most."""
        if changes.facts and self._on_cancel is not None and not self._is_looking:
            self._is_looking = True
            self.tell(self._look)

    def _look(self, store: ProcessStore) -> None:
        self._is_looking = False
        if store.session is None or self._on_cancel is None:
            return
        if any(fact.kind is FactKind.CANCEL for fact in facts_after(store.reader, store.session, 0)):
            self._on_cancel()

    def _live(self) -> None:
        """Do one thing after the other, until one fails."""
        while (asked := self._asked.get()) is not None:
            if self.away is None:
                try:
                    asked.result = asked.act(self._store)
                except MainspringError as error:
                    self.is_foreign = isinstance(error, NotAStoreError)
                    self._error = error
                    self.away = " ".join(error.message.splitlines())
                except Exception as error:  # noqa: BLE001 - whatever a store does, the command runs
                    self.away = f"{type(error).__name__}: {error}"
            asked.done.set()


def declare_dead_sessions(store: ProcessStore) -> list[int]:
    """Bury the `exec` sessions of this host whose process is gone; return which."""
    return [one.session for one in find_dead(store.reader) if one.role == EXEC_ROLE and declare_dead(store, one)]


def declare_dead(store: ProcessStore, dead: FoundSession) -> bool:
    """End what is left of a dead session and write that it is dead; False if it cannot be ended, or is our own."""
    if dead.session == store.session or not kill_remains(dead):
        return False
    return isinstance(store.apply(DeclareSessionDead(dead.session)), NumberAnswer)
