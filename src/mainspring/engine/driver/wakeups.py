"""Wakeups of one loaded run: the instants at which something is due, and one timer in memory that wakes the driver for the earliest."""

import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING

from mainspring.engine.body.request import Request, StepCall

if TYPE_CHECKING:
    from asyncio import TimerHandle

    from mainspring.engine.driver.driver_host import DriverHost


class RunWakeups:
    """Timers and retries of open requests, and the run's deadline."""

    def __init__(self, host: "DriverHost", wake: Callable[[], None]) -> None:
        self._host = host
        self._wake = wake
        self._heap: list[tuple[int, int, int, Request]] = []
        """Due instant, a number that keeps the order, when the entry was written, the request."""
        self._count = 0
        self._handle: TimerHandle | None = None
        self._armed_at: int | None = None
        self.retries: dict[str, tuple[Request, StepCall]] = {}
        self.deadline_at: int | None = None

    def push(self, due_at: int, request: Request) -> None:
        """Add the due instant of a request."""
        self._count += 1
        heapq.heappush(self._heap, (due_at, self._count, self._host.clock.now(), request))
        self.arm_first()

    def add_retry(self, request: Request, call: StepCall, due_at: int) -> None:
        """Add the next attempt of a step, at a committed instant."""
        self.retries[request.ident] = (request, call)
        self.push(due_at, request)

    def move(self, by_ms: int, new_from: int) -> None:
        """Move all instants by as much as the clock was set, except those written from `new_from` to now: they are of the new clock."""
        now = self._host.clock.now()
        self._heap = [
            (due_at if new_from <= written_at <= now else due_at + by_ms, number, now, request)
            for due_at, number, written_at, request in self._heap
        ]
        heapq.heapify(self._heap)
        if self.deadline_at is not None:
            self.deadline_at += by_ms
        self.disarm()
        self.arm_first()

    def due_at_of(self, request: Request) -> int | None:
        """Return when a request is due; None if it has no due instant."""
        return next((due_at for due_at, _, _, waiting in self._heap if waiting is request), None)

    def next(self) -> int | None:
        """Return the earliest instant."""
        while self._heap and not self._heap[0][3].open:
            heapq.heappop(self._heap)
        due_at = self._heap[0][0] if self._heap else None
        if self.deadline_at is not None:
            due_at = self.deadline_at if due_at is None else min(due_at, self.deadline_at)
        return due_at

    def pop(self, now: int) -> tuple[int, Request] | None:
        """Remove and return one open request that is due by now."""
        while self._heap and self._heap[0][0] <= now:
            due_at, _, _, request = heapq.heappop(self._heap)
            if request.open:
                return due_at, request
        return None

    def arm_first(self, after: int | None = None) -> None:
        """Arm the timer for the earliest instant, if that is later than `after`."""
        due_at = self.next()
        if due_at is not None and (after is None or due_at > after):
            self.arm(due_at)

    def arm(self, due_at: int) -> None:
        """Arm the timer for an instant, unless it is armed for an earlier one."""
        if self._armed_at is not None and self._armed_at <= due_at:
            return
        self.disarm()
        self._armed_at = due_at
        delay = max(0, due_at - self._host.clock.now()) / 1000
        self._handle = self._host.loop.call_later(delay, self._fire)

    def disarm(self) -> None:
        """Disarm the timer."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle, self._armed_at = None, None

    def _fire(self) -> None:
        self._handle, self._armed_at = None, None
        self._wake()

    def clear(self) -> None:
        """Drop all instants."""
        self.disarm()
        self._heap.clear()
        self.retries.clear()
