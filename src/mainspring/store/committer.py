"""The thread that commits: it takes everything that waits, commits it as one group and answers all of it.

No window is waited for: while one group is on its way to the disk the next one gathers by itself. Order is kept. Beside a server the
answers of one group are given while it is busy with the next: whoever gets them works then, and nobody waits for Python's lock.
What can go wrong:

* unknown outcome (StoreUnavailableError): the same list again, marked `again`, with growing pauses, until it succeeds;
* full disk (StoreFullError): everything is held and tried each second; nothing fails but what a caller with little patience withdraws;
* fenced or broken (FencedError, StoreBrokenError, a bug): `on_fatal` once; after that no `on_done` is ever called again, because
  this process may not act on anything any more. Only callers blocked in `apply` get the error, so that no thread hangs.

It knows no database: any base.Database will do. Beside one that gets hints of other processes it sleeps at its descriptor too.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from msgspec.structs import replace

from mainspring.domain.errors import StoreError, StoreFullError, StoreUnavailableError
from mainspring.store.base import CommitCallback, CommitChanges, CommitReport, Database, StoreBrokenError
from mainspring.store.commit_callbacks import CallbackRunner, CommitCallbacks, SyncWaiter
from mainspring.store.wakeup_pipe import WakeupPipe

GROUP_LIMIT = 512
_FULL_PAUSE = 1.0
_WITHDRAW_EVERY = 0.1
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0
_LAST_TRIES_FOR = 2.0
_AFTERMATH = 0.005
"""So many seconds after a group its answers may bring the next one. Nobody rings meanwhile: to ring is to let go of Python's lock, and then
this thread would take the first command of many by itself."""

_log = logging.getLogger("mainspring.store")


def _given_up(error: StoreError, *, undone: bool) -> StoreError:
    """Return the answer of commands that were tried in vain."""
    if undone:
        return StoreFullError(f"nothing was done: {error.message}", hint=error.hint)
    return StoreUnavailableError(f"it is not known whether this was written: {error.message}", hint=error.hint)


_Item = tuple[Any, CommitCallback | SyncWaiter]
_STOP: _Item = (None, SyncWaiter())


class Committer:
    """One database, one thread. All callbacks are called on that thread, so they only pass things on.

    `deliver` gets all answers of a group at once. `on_change` is told what a commit may have made claimable: ours, or another process's,
    looked for at its hint and each `poll_every` seconds. `on_trouble` is told a sentence while commits do not succeed, None when they do
    again. After `patience` seconds of trouble whoever waits gets it for an answer: for a process in which a person waits.
    """

    def __init__(
        self,
        database: Database,
        deliver: CallbackRunner,
        *,
        on_change: Callable[[CommitChanges], None] = lambda _changes: None,
        on_trouble: Callable[[str | None], None] = lambda _text: None,
        on_fatal: Callable[[BaseException], None] = lambda _error: None,
        poll_every: float = 0.05,
        patience: float = float("inf"),
    ) -> None:
        self._database = database
        self._answers = CommitCallbacks(deliver)
        self._on_change = on_change
        self._on_trouble = on_trouble
        self._on_fatal = on_fatal
        self._poll_every = poll_every
        self._patience = patience
        self._queue: SimpleQueue[_Item] = SimpleQueue()
        self._door = threading.Lock()  # held while something is queued or the queue is closed
        self._bell = WakeupPipe()
        self._closed: BaseException | None = None
        self._stopping = threading.Event()
        self._group: list[_Item] = []
        self._holds = database.meanwhile is not None
        if self._holds:
            database.meanwhile = self._answers.give
        self._told: str | None = None
        self._trying = threading.Lock()  # held while a group is with the database
        self._full: StoreFullError | None = None
        """Why nothing of the group was done, while that is known of each try."""
        self._looked = time.monotonic()
        self._was_busy = False
        self._hinted = False
        """Whether something has come from the database that was not asked for: until it is looked at it wakes us again."""
        self.fatal: BaseException | None = None
        self._thread = threading.Thread(target=self._live, name="mainspring-committer", daemon=True)

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()

    def submit(self, command: Any, on_done: CommitCallback) -> None:
        """Queue a command. After `stop` its answer is an error at once; after a fatal error there is none."""
        with self._door:
            if self._closed is None:
                self._put((command, on_done))
                return
        if self.fatal is None:
            self._answers.refuse([(on_done, self._closed)])

    def apply(self, command: Any, *, patience: float = -1) -> Any:
        """Commit a command and return its result; for any thread but this one and an event loop's.

        After `patience` seconds (-1 = never) a command that a full disk keeps waiting is withdrawn.

        Raises:
            StoreFullError: it was withdrawn: nothing was done.
            BaseException: what the command got instead of a result, or the fatal error.
        """
        blocked = SyncWaiter()
        with self._door:
            if self._closed is not None:
                raise self._closed
            self._put((command, blocked))
        while not blocked.done.acquire(timeout=patience):
            patience = _WITHDRAW_EVERY
            if (error := self._withdraw(blocked)) is not None:
                raise error
        if isinstance(blocked.result, BaseException):
            raise blocked.result
        return blocked.result

    def _withdraw(self, blocked: SyncWaiter) -> StoreError | None:
        """Take a command back that was certainly not done; return why it could not be, None if nobody knows yet whether it was."""
        with self._trying:
            if self._full is None or blocked.result is not None:
                return None
            blocked.is_withdrawn = True
            return _given_up(self._full, undone=True)

    def hurry(self) -> None:
        """Say that this process soon ends: from now on what cannot be committed is tried for two seconds more and then refused."""
        self._stopping.set()

    def stop(self, *, drain: bool = True) -> None:
        """Commit what waits (or, without `drain`, refuse it), then end the thread. A second time does nothing.

        While the store is away, what waits is tried for two seconds more and then refused.
        """
        self.hurry()
        if drain:
            with self._door:
                self._closed = self._closed or StoreUnavailableError("the store was closed")
        else:
            waiting = self._shut(StoreUnavailableError("the store was closed"))
            self._answers.refuse([(on_done, self._closed) for _, on_done in waiting])
        with self._door:
            self._put(_STOP)
        if self._thread.is_alive():
            self._thread.join()

    def _put(self, item: _Item) -> None:
        """Queue something; the door is held."""
        self._queue.put(item)
        self._bell.ring()

    def _shut(self, why: BaseException) -> list[_Item]:
        """Let nothing more in and take out what waits."""
        with self._door:
            self._closed = self._closed or why
            waiting = [self._queue.get_nowait() for _ in range(self._queue.qsize())]
        return [item for item in waiting if item is not _STOP]

    def _live(self) -> None:
        """Gather, commit, answer, until stopped or broken."""
        try:
            stopped = False
            while not stopped:
                self._group = self._gather()
                if self._group and self._group[-1] is _STOP:  # nothing comes in after it
                    self._group.pop()
                    stopped = True
                if self._group:
                    self._commit()
                self._look_around()
            self._answers.give()
        except BaseException as error:  # noqa: BLE001 - whatever it is, nobody else would hear of it
            self._die(error)
        finally:
            with self._door:
                self._bell.close()

    def _gather(self) -> list[_Item]:
        """Return what waits; wait for the first of it until it is time to look around."""
        try:
            group = [self._first()]
        except Empty:
            return []
        group += [self._queue.get_nowait() for _ in range(min(self._queue.qsize(), GROUP_LIMIT - 1))]
        return group

    def _first(self) -> _Item:
        """Return the first that comes. Raises Empty when it is time to look around, or for nothing."""
        wait = min(self._poll_every, self._database.poll_in)
        hints = self._database.hints
        if hints is None:
            return self._queue.get(timeout=max(wait, 0))
        if self._was_busy:
            self._was_busy = False
            with contextlib.suppress(Empty):
                return self._queue.get(timeout=max(min(wait, _AFTERMATH), 0))
        if self._queue.empty():
            self._hinted = self._bell.sleep(hints, wait, self._queue.empty)
        return self._queue.get_nowait()

    def _commit(self) -> None:
        report = self._until_known([command for command, _ in self._group])
        results = report.results if isinstance(report, CommitReport) else [report] * len(self._group)
        self._answers.give()
        if isinstance(report, CommitReport) and report.changes.clock_step is not None:
            self._on_change(CommitChanges(False, False, clock_step=report.changes.clock_step))  # before what came of it
        hold = self._holds and not self._queue.empty()
        self._answers.take(
            [(on_done, result) for (_, on_done), result in zip(self._group, results, strict=True)], hold=hold
        )
        self._group, self._was_busy = [], True
        if isinstance(report, CommitReport):
            changes = report.changes
            if changes.ready or changes.facts or changes.ended:
                self._on_change(changes if changes.clock_step is None else replace(changes, clock_step=None))

    def _try(self, commands: list[Any], *, again: bool) -> CommitReport:
        """Submit the list once, without what was withdrawn."""
        with self._trying:
            self._group = [
                item for item in self._group if not (isinstance(item[1], SyncWaiter) and item[1].is_withdrawn)
            ]
            commands[:] = [command for command, _ in self._group]
            try:
                report = self._database.commit(commands, again=again)
            except StoreFullError as error:
                self._full = error if type(error) is StoreFullError and (not again or self._full is not None) else None
                raise
            except StoreError:
                self._full = None
                raise
            self._full = None
            return report

    def _until_known(self, commands: list[Any]) -> CommitReport | StoreError:
        """Submit the list until its outcome is known; give up only while being stopped, or when the patience is over."""
        again, pause, until, undone = False, _FIRST_PAUSE, time.monotonic() + self._patience, True
        while True:
            try:
                report = self._try(commands, again=again)
            except StoreBrokenError:
                raise
            except (StoreUnavailableError, StoreFullError) as error:
                self._answers.give()
                self._tell(str(error))
                undone &= type(error) is StoreFullError
                if self._stopping.is_set():
                    until = min(until, time.monotonic() + _LAST_TRIES_FOR)
                if time.monotonic() >= until:
                    return _given_up(error, undone=undone)
                if self._stopping.is_set():
                    time.sleep(_FIRST_PAUSE)
                else:
                    wait = _FULL_PAUSE if isinstance(error, StoreFullError) else pause
                    self._stopping.wait(min(wait, until - time.monotonic()))
                again, pause = True, min(pause * 2, _LONGEST_PAUSE)
            else:
                self._tell(self._database.trouble)
                return report

    def _tell(self, text: str | None) -> None:
        """Tell of trouble, once for each sentence."""
        if text != self._told:
            self._told = text
            self._on_trouble(text)

    def _look_around(self) -> None:
        """Look whether another process committed: at a hint, when the database wants it, and each `poll_every` seconds."""
        now = time.monotonic()
        if not self._hinted and now - self._looked < self._poll_every * 0.9 and self._database.poll_in > 0:
            return
        self._looked, self._hinted = now, False
        try:
            changed = self._database.poll()
        except StoreBrokenError:
            raise
        except StoreUnavailableError as error:
            self._tell(str(error))
            return
        if changed:
            self._on_change(CommitChanges(ready=True, facts=True))

    def _die(self, error: BaseException) -> None:
        """Answer nothing more; set free only who is blocked."""
        with self._door:
            self.fatal = error
        for _, on_done in self._group + self._shut(error):
            if isinstance(on_done, SyncWaiter):
                on_done.answer(error)
        self._on_fatal(error)
