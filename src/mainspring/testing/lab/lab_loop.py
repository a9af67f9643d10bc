"""The event loop of a lab, on a virtual clock: time moves only by a jump, and only while the lab is idle.

While something runs in a thread, or a commit is under way, the loop waits for it in real time and the clock does not move. When the
lab is idle, a jump moves the clock to the next timer, or to the next instant at which something in the store is due. Rounds of scans
(engine/worker/scans.py) are no such instants: the loop runs those that are due once in a scan interval, and when a jump ends.
"""

import asyncio
import contextlib
import heapq
import itertools
import selectors
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from mainspring.engine.worker.scans import is_pause, is_scan
from mainspring.testing.clock import FakeClock

LONGEST_WORK_S: Final = 5.0
"""Real seconds for which a lab waits for work without a sign of life."""
_SHORTEST_POLL_S, _LONGEST_POLL_S = 0.001, 0.02
_SCANS_PER_JUMP: Final = 200
_SHORTEST_SCAN_INTERVAL_US: Final = 1_000_000


class LabError(RuntimeError):
    """A lab cannot do what the test requests. The message has the reason, and what the run waits for."""


class TimeJump:
    """An order to move the clock to `target_us`, or until `is_over` is true; `done` gets whether it was true.

    `is_over` is called whenever the lab is idle, in the thread of the loop.
    """

    def __init__(self, loop: "LabLoop", span_us: int, is_over: Callable[[], bool] | None = None) -> None:
        self.target_us = loop.clock.now_us() + span_us
        self.scan_interval_us = max(_SHORTEST_SCAN_INTERVAL_US, span_us // _SCANS_PER_JUMP)
        self.is_over = is_over
        self.done: asyncio.Future[bool] = loop.create_future()


class _Scan(NamedTuple):
    """The timer of the next round of a scan."""

    handle: asyncio.TimerHandle
    callback: Callable[..., object]
    args: tuple[Any, ...]
    context: Any


class LabLoop(asyncio.SelectorEventLoop):
    """`loop.time()` is the clock's time since the loop was made, in seconds.

    `find_work` returns what runs outside of this loop, for a message, or None. `next_due_at` returns the next instant at which something
    in the store is due, in ms UTC, and `on_due` is called at it.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.find_work: Callable[[], str | None] = lambda: None
        self.next_due_at: Callable[[], int | None] = lambda: None
        self.on_due: Callable[[], object] = lambda: None
        self.is_free = False
        """Whether the clock jumps whenever nothing is left to do at its instant: to end the lab."""
        self._started_us = clock.now_us()
        self._jobs = 0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._scans: list[_Scan] = []
        self._scanned_us = self._started_us
        self._numbers = itertools.count()
        self._jumps: list[TimeJump] = []
        self._busy_since: float | None = None
        self._busy_with = ""
        self._selector_of_lab = _IdleSelector(self._select_safely)
        super().__init__(self._selector_of_lab)

    def time(self) -> float:
        """Return the seconds since the loop was made."""
        return (self.clock.now_us() - self._started_us) / 1_000_000

    def call_at(  # type: ignore[override]  # the stub types the variadic arguments
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """Call back at an instant of this loop's time, as every loop does."""
        if is_scan(callback):
            handle = asyncio.TimerHandle(when, callback, args, self, context)
            self._scans = [scan for scan in self._scans if not scan.handle.cancelled()]
            self._scans.append(_Scan(handle, callback, args, context))
            return handle
        timer = super().call_at(self.time() if is_pause(callback) else when, callback, *args, context=context)
        heapq.heappush(self._timers, (timer.when(), next(self._numbers), timer))
        return timer

    def run_in_executor(  # type: ignore[override]  # the stub types the variadic arguments
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """Call a function in a thread, as every loop does; the clock does not move until it has ended."""
        future = super().run_in_executor(executor, func, *args)
        self._jobs += 1
        future.add_done_callback(self._end_job)
        return future

    def jump(self, span_us: int, is_over: Callable[[], bool] | None = None) -> "asyncio.Future[bool]":
        """Move the clock by a span, or until `is_over` is true while the lab is idle; the future tells whether it was true.

        The future raises LabError: the lab does not become idle.
        """
        self._jumps.append(TimeJump(self, span_us, is_over))
        return self._jumps[-1].done

    def wake(self) -> None:
        """Check again whether the lab is idle; for any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self.call_soon_threadsafe(_do_nothing)

    @property
    def scan_interval_us(self) -> int:
        """The longest time between two rounds of a scan, in microseconds."""
        return min((jump.scan_interval_us for jump in self._jumps), default=_SHORTEST_SCAN_INTERVAL_US)

    @property
    def has_sockets(self) -> bool:
        """Whether code in this loop may wait for something real."""
        return self._selector_of_lab.count > 1  # its own, by which threads wake it

    def _end_job(self, _future: "asyncio.Future[Any]") -> None:
        self._jobs -= 1

    def _select_safely(self, select: Callable[[float | None], list[Any]]) -> list[Any]:
        """Select. An error is the answer of all jumps, because the calls of the test wait for them; it must not end the loop."""
        try:
            return self._select(select)
        except Exception as error:
            if not self._jumps:
                raise
            for jump in self._jumps:
                if not jump.done.done():
                    jump.done.set_exception(error)
            self._jumps.clear()
            return []

    def _select(self, select: Callable[[float | None], list[Any]]) -> list[Any]:
        """Nothing is ready in this loop: wait for what runs outside of it, or jump, or wait for the next order."""
        work = f"{self._jobs} calls in threads" if self._jobs else self.find_work()
        # What ended between the two checks has left its callback in the loop.
        if found := select(0):
            return found
        if work is not None:
            return self._wait_for(work, select)
        self._busy_since = None
        if (self._jumps or self.is_free) and self._run_scans():
            return []
        if not self._jumps:
            if self.is_free and (timer := self._next_timer()) is not None:
                self._set_time(timer)
                return []
            return select(None)
        if not self._end_jumps():
            self._move()
        return []

    def _wait_for(self, work: str, select: Callable[[float | None], list[Any]]) -> list[Any]:
        now = time.monotonic()
        # A step has a stack, and its span does not begin again when something else wakes this loop.
        subject, _, stack = work.partition("\n")
        if self._busy_since is None or subject != self._busy_with:
            self._busy_since, self._busy_with = now, subject
        # A commit and a call wake this loop when they are over. A thread that begins to wait does not: check again soon, then less often.
        pause = (now - self._busy_since) / 4
        if found := select(min(max(pause, _SHORTEST_POLL_S), _LONGEST_POLL_S)):
            if not stack:
                self._busy_since = None
            return found
        if now - self._busy_since < LONGEST_WORK_S:
            return []
        self._busy_since = None
        if not self._jumps:
            return select(LONGEST_WORK_S)
        error = (
            f"the lab was not idle after {LONGEST_WORK_S:g} s of real time. It waits for {work}\n"
            "Put a fake in the place of this step: lab.fake(STEP, returns=...)"
        )
        for jump in self._jumps:
            if not jump.done.done():
                jump.done.set_exception(LabError(error))
        self._jumps.clear()
        return []

    def _run_scans(self) -> bool:
        """Run the scans that are due, unless there was a round shortly before; return whether there was any."""
        now_us = self.clock.now_us()
        is_end = self.is_free or any(now_us >= jump.target_us for jump in self._jumps)
        if not is_end and now_us - self._scanned_us < self.scan_interval_us:
            return False
        due = [scan for scan in self._scans if scan.handle.when() <= self.time()]
        if not due:
            return False
        self._scanned_us = now_us
        self._scans = [scan for scan in self._scans if scan.handle.when() > self.time()]
        for scan in due:
            if not scan.handle.cancelled():
                self.call_soon(scan.callback, *scan.args, context=scan.context)
        return True

    def _end_jumps(self) -> bool:
        """End the jumps that are over; return whether any was."""
        count = len(self._jumps)
        for jump in list(self._jumps):
            self._check_jump(jump)
            if jump.done.done():
                self._jumps.remove(jump)
        return len(self._jumps) < count

    def _check_jump(self, jump: TimeJump) -> None:
        """Settle a jump that is over, unless the test has cancelled it."""
        if jump.done.done():
            return
        try:
            is_over = jump.is_over is not None and jump.is_over()
        except Exception as error:  # noqa: BLE001 - it is the answer of the test, and must not end the loop
            jump.done.set_exception(error)
            return
        if is_over or self.clock.now_us() >= jump.target_us:
            jump.done.set_result(is_over)

    def _move(self) -> None:
        """Move the clock to the next instant at which something happens: of a timer, in the store, for a scan, for the test."""
        now_us, due_at = self.clock.now_us(), self.next_due_at()
        instants = [*(jump.target_us for jump in self._jumps), now_us + self.scan_interval_us]
        due_us = None if due_at is None or due_at * 1_000 <= now_us else due_at * 1_000
        instants += [instant for instant in (due_us, self._next_timer()) if instant is not None]
        self._set_time(min(instants))
        if due_us is not None and due_us <= self.clock.now_us():
            self.call_soon(self.on_due)

    def _next_timer(self) -> int | None:
        """Return the instant of the next timer, in microseconds UTC."""
        while self._timers and (self._timers[0][2].cancelled() or self._timers[0][0] <= self.time()):
            heapq.heappop(self._timers)
        return self._started_us - int(-self._timers[0][0] * 1_000_000 // 1) if self._timers else None

    def _set_time(self, instant_us: int) -> None:
        self.clock.advance_us(max(1, instant_us - self.clock.now_us()))


def _do_nothing() -> None:
    """Make the loop check its work."""


class _IdleSelector(selectors.DefaultSelector):
    """Asks what to do where a loop would wait."""

    def __init__(self, wait: Callable[[Callable[[float | None], list[Any]]], list[Any]]) -> None:
        super().__init__()
        self._wait = wait

    @property
    def count(self) -> int:
        """Number of sockets and pipes."""
        return len(self.get_map())

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        return self._wait(super().select)
