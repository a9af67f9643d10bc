"""The committer: a thread that commits all queued commands as one group and delivers their results.

There is no commit window: the next group collects while the current one is being written. Order is kept. With a server,
the results of one group are delivered while the server is busy with the next, so that receivers work then and do not
wait for Python's lock. Failures:

* unknown outcome (StoreUnavailableError): the same list again, marked `again`, with growing pauses, until it succeeds;
* full disk (StoreFullError): all commands are kept and tried each second; nothing fails except what a caller withdraws
  after its timeout;
* fenced or broken (FencedError, StoreBrokenError, a bug): `on_fatal` once; after that no `on_done` is called again,
  because this process must not continue. Only callers blocked in `apply` get the error, so that no thread hangs.
  A fenced process first saves the evidence of its commands: outcomes of effects.

It works with any base.Database. With a database that sends hints about other processes it also waits on the hints'
descriptor.
"""

import contextlib
import logging
import math
import os
import select
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import cast

from msgspec.structs import replace

from mainspring.domain.errors import FencedError, StoreError, StoreFullError, StoreUnavailableError
from mainspring.store.base import CommitCallback, CommitChanges, CommitReport, Database, StoreBrokenError
from mainspring.store.commands.base import Answer, StoreCommand
from mainspring.store.commit_callbacks import AnswerReceiver, CallbackRunner, CommitCallbacks, SyncWaiter

GROUP_LIMIT = 512
NOTHING_DONE = "nothing was done: "
"""The first words of the error of a command that was certainly not executed."""
_FULL_PAUSE = 1.0
_WITHDRAW_EVERY = 0.1
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0
_LAST_TRIES_FOR = 2.0
_BUSY_WAIT_S = 0.005
"""Seconds after a group in which its results may bring the next command. Senders do not wake this thread meanwhile: a
wakeup releases Python's lock, and this thread would commit the first of many commands alone.
"""

_log = logging.getLogger("mainspring.store")


class WakeupPipe:
    """A pipe for one sleeper. To ring or close it, hold the lock under which the work is queued.

    A pipe, because a lock cannot be waited for together with a socket. Nothing is written to it while no thread sleeps.
    """

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


def _abandonment_error(error: StoreError, *, undone: bool) -> StoreError:
    """Return the result of commands that were tried without success."""
    if undone:
        return StoreFullError(f"{NOTHING_DONE}{error.message}", hint=error.hint)
    return StoreUnavailableError(f"it is not known whether this was written: {error.message}", hint=error.hint)


_Item = tuple[StoreCommand[object], AnswerReceiver | SyncWaiter]
_STOP: _Item = (StoreCommand(), SyncWaiter())


class Committer:
    """One database, one thread. All callbacks run on that thread, so they must only pass results on.

    `deliver` gets all results of a group at once. `on_change` gets what a commit may have made claimable, by this or
    another process; other processes are polled at their hint and each `poll_every` seconds. `on_poll` gets the answer of each
    poll, before `on_change`; `on_commit` is called after each commit of this process. `on_outage` gets a
    sentence while commits fail, and None when they succeed again. After `timeout_s` seconds of failures callers get the
    error as their result: for a process in which a person waits.
    """

    def __init__(
        self,
        database: Database,
        deliver: CallbackRunner,
        *,
        on_change: Callable[[CommitChanges], None] = lambda _changes: None,
        on_poll: Callable[[bool], None] = lambda _is_changed: None,
        on_commit: Callable[[], None] = lambda: None,
        on_outage: Callable[[str | None], None] = lambda _text: None,
        on_fatal: Callable[[BaseException], None] = lambda _error: None,
        poll_every: float = 0.05,
        timeout_s: float = float("inf"),
    ) -> None:
        self._database = database
        self._answers = CommitCallbacks(deliver)
        self._on_change = on_change
        self._on_poll = on_poll
        self._on_commit = on_commit
        self._on_outage = on_outage
        self._on_fatal = on_fatal
        self._poll_every = poll_every
        self._timeout_s = timeout_s
        self._queue: SimpleQueue[_Item] = SimpleQueue()
        self._queue_lock = threading.Lock()  # held while something is queued or the queue is closed
        self._wakeup_pipe = WakeupPipe()
        self._closed: BaseException | None = None
        self._stopping = threading.Event()
        self._group: list[_Item] = []
        self._holds = database.meanwhile is not None
        if self._holds:
            database.meanwhile = self._answers.give
        self._reported: str | None = None
        self._trying = threading.Lock()  # held while a group is with the database
        self._full: StoreFullError | None = None
        """The error of the group, while every try is known to have done nothing."""
        self._polled_at = time.monotonic()
        self._was_busy = False
        self._open_count = 0
        """Commands without an answer."""
        self.group_count = 0
        """Groups whose commands were answered."""
        self.on_idle: Callable[[], object] = lambda: None
        """Called in the thread when `is_idle` has become true."""
        self._hinted = False
        """Whether the database sent an unrequested hint: until `poll` reads it, it wakes this thread again."""
        self.fatal: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="mainspring-committer", daemon=True)

    @property
    def is_idle(self) -> bool:
        """Whether all commands were answered, and what they changed was announced."""
        return self._open_count == 0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, command: StoreCommand[Answer], on_done: CommitCallback[Answer]) -> None:
        """Queue a command. After `stop` its result is an error at once; after a fatal error there is none."""
        receiver = cast("AnswerReceiver", on_done)  # it gets the answer of this command and of no other
        with self._queue_lock:
            if self._closed is None:
                self._put((command, receiver))
                return
        if self.fatal is None:
            self._answers.refuse([(receiver, self._closed)])

    def apply(self, command: StoreCommand[Answer], *, timeout_s: float = -1) -> Answer:
        """Commit a command and return its answer; for any thread except this one and an event loop's.

        After `timeout_s` seconds (-1 = never) a command that waits for a full disk is withdrawn.

        Raises:
            StoreFullError: it was withdrawn: nothing was done.
            BaseException: the exception of the command, or the fatal error.
        """
        (result,) = self.apply_in_order([command], timeout_s=timeout_s)
        if isinstance(result, BaseException):
            raise result
        return result

    def apply_in_order(
        self, commands: Sequence[StoreCommand[Answer]], *, timeout_s: float = -1
    ) -> list[Answer | BaseException]:
        """Commit commands in their order, which share commits; return the answer or exception of each. For threads as `apply`.

        Raises:
            BaseException: it is closed, and nothing was done.
        """
        waiters = [SyncWaiter() for _ in commands]
        with self._queue_lock:
            if self._closed is not None:
                raise self._closed
            for command, waiter in zip(commands, waiters, strict=True):
                self._put((command, waiter))
        results: list[Answer | BaseException] = []
        for waiter in waiters:
            results.append(cast("Answer | BaseException", self._wait_for(waiter, timeout_s)))
            if waiter.is_withdrawn:
                timeout_s = 0  # the others have waited as long
        return results

    def _wait_for(self, waiter: SyncWaiter, timeout_s: float) -> object:
        """Return the result of a command, or the error of its withdrawal."""
        while not waiter.done.acquire(timeout=timeout_s):
            timeout_s = _WITHDRAW_EVERY
            if (error := self._withdraw(waiter)) is not None:
                return error
        return waiter.result

    def _withdraw(self, waiter: SyncWaiter) -> StoreError | None:
        """Withdraw a command that was certainly not executed and return its error; None while that is not known."""
        with self._trying:
            if self._full is None or waiter.result is not None:
                return None
            waiter.is_withdrawn = True
            return _abandonment_error(self._full, undone=True)

    def hurry(self) -> None:
        """Announce that this process ends soon: from now on a failing commit is tried for two seconds more and then
        refused.
        """
        self._stopping.set()

    def stop(self, *, drain: bool = True) -> None:
        """Commit the queued commands (or, without `drain`, refuse them), then end the thread. A second call does
        nothing.

        While the store is unavailable, queued commands are tried for two seconds more and then refused.
        """
        self.hurry()
        if drain:
            with self._queue_lock:
                self._closed = self._closed or StoreUnavailableError("the store was closed")
        else:
            waiting = self._close_queue(StoreUnavailableError("the store was closed"))
            self._answers.refuse([(on_done, self._closed) for _, on_done in waiting])
        with self._queue_lock:
            self._put(_STOP)
        if self._thread.is_alive():
            self._thread.join()

    def _put(self, item: _Item) -> None:
        """Queue an item; the caller holds the queue's lock."""
        self._open_count += 1
        self._queue.put(item)
        self._wakeup_pipe.ring()

    def _close_queue(self, reason: BaseException) -> list[_Item]:
        """Close the queue and return the waiting items."""
        with self._queue_lock:
            self._closed = self._closed or reason
            waiting = [self._queue.get_nowait() for _ in range(self._queue.qsize())]
        return [item for item in waiting if item is not _STOP]

    def _run(self) -> None:
        """Collect, commit and deliver until stopped or broken."""
        try:
            stopped = False
            while not stopped:
                self._group = self._collect_group()
                if self._group and self._group[-1] is _STOP:  # nothing follows it
                    self._group.pop()
                    stopped = True
                count = len(self._group)
                if self._group:
                    self._deliver(self._commit_group())
                self._poll_database()
                if count:
                    self.group_count += 1
                    with self._queue_lock:
                        self._open_count -= count
                    if self.is_idle:
                        self.on_idle()
            self._answers.give()
        except BaseException as error:  # noqa: BLE001 - whatever it is, no one else would notice
            self._fail(error)
        finally:
            with self._queue_lock:
                self._wakeup_pipe.close()

    def _collect_group(self) -> list[_Item]:
        """Return the queued items; wait for the first one until the next poll is due."""
        try:
            group = [self._wait_for_first()]
        except Empty:
            return []
        group += [self._queue.get_nowait() for _ in range(min(self._queue.qsize(), GROUP_LIMIT - 1))]
        return group

    def _wait_for_first(self) -> _Item:
        """Return the first item. Raises Empty when the next poll is due, or without a reason."""
        wait = min(self._poll_every, self._database.poll_in)
        hints = self._database.hints
        if hints is None:
            return self._queue.get(timeout=max(wait, 0))
        if self._was_busy:
            self._was_busy = False
            with contextlib.suppress(Empty):
                return self._queue.get(timeout=max(min(wait, _BUSY_WAIT_S), 0))
        if self._queue.empty():
            self._hinted = self._wakeup_pipe.sleep(hints, wait, self._queue.empty)
        return self._queue.get_nowait()

    def _commit_group(self) -> CommitReport | StoreError:
        """Submit the group, without withdrawn commands, until its outcome is known. Abandon it only while stopping, or
        after the timeout.
        """
        again, pause, deadline, undone = False, _FIRST_PAUSE, time.monotonic() + self._timeout_s, True
        while True:
            try:
                with self._trying:
                    self._group = [
                        item for item in self._group if not (isinstance(item[1], SyncWaiter) and item[1].is_withdrawn)
                    ]
                    full, self._full = self._full, None
                    try:
                        report = self._database.commit([command for command, _ in self._group], again=again)
                    except StoreFullError as error:
                        self._full = (
                            error if type(error) is StoreFullError and (not again or full is not None) else None
                        )
                        raise
            except StoreBrokenError:
                raise
            except (StoreUnavailableError, StoreFullError) as error:
                self._answers.give()
                self._report_outage(str(error))
                undone &= type(error) is StoreFullError
                if self._stopping.is_set():
                    deadline = min(deadline, time.monotonic() + _LAST_TRIES_FOR)
                if time.monotonic() >= deadline:
                    return _abandonment_error(error, undone=undone)
                if self._stopping.is_set():
                    time.sleep(_FIRST_PAUSE)
                else:
                    wait = _FULL_PAUSE if isinstance(error, StoreFullError) else pause
                    self._stopping.wait(min(wait, deadline - time.monotonic()))
                again, pause = True, min(pause * 2, _LONGEST_PAUSE)
            else:
                self._report_outage(self._database.warning)
                return report

    def _deliver(self, report: CommitReport | StoreError) -> None:
        """Deliver the results of the group, then what it changed."""
        results = report.results if isinstance(report, CommitReport) else [report] * len(self._group)
        self._answers.give()
        if isinstance(report, CommitReport) and report.changes.clock_step is not None:
            # Before its consequences.
            self._on_change(CommitChanges(clock_step=report.changes.clock_step))
        hold = self._holds and not self._queue.empty()
        self._answers.take(
            [(on_done, result) for (_, on_done), result in zip(self._group, results, strict=True)], hold=hold
        )
        self._group, self._was_busy = [], True
        if isinstance(report, CommitReport):
            changes = report.changes
            if changes.ready or changes.facts or changes.triggers or changes.locks or changes.ended:
                self._on_change(changes if changes.clock_step is None else replace(changes, clock_step=None))
            self._on_commit()

    def _report_outage(self, text: str | None) -> None:
        """Report an outage, once for each sentence."""
        if text != self._reported:
            self._reported = text
            self._on_outage(text)

    def _poll_database(self) -> None:
        """Check whether another process committed: at a hint, when the database requires it, and each `poll_every`
        seconds.
        """
        now = time.monotonic()
        if not self._hinted and now - self._polled_at < self._poll_every * 0.9 and self._database.poll_in > 0:
            return
        self._polled_at, self._hinted = now, False
        try:
            changed = self._database.poll()
        except StoreBrokenError:
            raise
        except StoreUnavailableError as error:
            self._report_outage(str(error))
            return
        self._on_poll(changed)
        if changed:
            self._was_busy = True  # it may bring a command; and it bounds how often the hints of others are heeded
            self._on_change(CommitChanges(ready=True, facts=True, triggers=True, locks=True))

    def _fail(self, error: BaseException) -> None:
        """Deliver nothing more; release only blocked callers."""
        with self._queue_lock:
            self.fatal = error
        unwritten = self._group + self._close_queue(error)
        is_unreachable = isinstance(error.__cause__, StoreUnavailableError | StoreFullError)
        if isinstance(error, FencedError) and not is_unreachable:
            try:
                self._database.keep_evidence([command for command, _ in unwritten])
            except Exception as fault:  # noqa: BLE001 - the process ends, with or without it
                _log.warning("outcomes of effects could not be saved: %s", fault)
        for _, on_done in unwritten:
            if isinstance(on_done, SyncWaiter):
                on_done.answer(error)
        self._on_fatal(error)
