"""A loaded run: one run in the memory of a worker, as all parts of its driver share it."""

import asyncio
import functools
import heapq
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from mainspring.domain.runs.journal import AttemptRecord, Checkpoint, History, Outcome
from mainspring.domain.states import OutcomeState
from mainspring.domain.time.clock_step import RunClockSteps
from mainspring.engine.body.body import Body
from mainspring.engine.body.programs import Program
from mainspring.engine.body.request import Request, StepCall
from mainspring.engine.driver.code_check import build_body
from mainspring.engine.driver.driver_host import DriverHost
from mainspring.engine.driver.journal_writer import JournalWriter
from mainspring.engine.driver.run_end import RunHalt
from mainspring.engine.driver.run_streams import RunStreams
from mainspring.store.commands.results import Refused
from mainspring.store.commands.runs import ClaimedRun

F = TypeVar("F", bound=Callable[..., Any])


class Generations:
    """The generations of one run, each with the request number from which it counts.

    Earlier requests do not belong to it. Such a step that is still open starts again under its old key, so that the called
    system recognizes the second call as the first.
    """

    def __init__(self, superseded: Iterable[Outcome]) -> None:
        self._first_numbers: dict[int, int] = {}
        for outcome in superseded:
            # One superseded by a retry within its own generation opened none.
            if outcome.superseded is not None and outcome.superseded > outcome.generation:
                first = self._first_numbers.get(outcome.superseded, outcome.request_number)
                self._first_numbers[outcome.superseded] = min(first, outcome.request_number)

    def of(self, number: int) -> int:
        """Return the generation of the request with this number."""
        return max((generation for generation, first in self._first_numbers.items() if first <= number), default=0)


class RunWakeups:
    """Timers and retries of open requests, and the run's deadline."""

    def __init__(self, host: DriverHost, wake: Callable[[], None]) -> None:
        self._host = host
        self._wake = wake
        self._heap: list[tuple[int, int, int, Request]] = []
        """Due instant, a number that keeps the order, when the entry was written, the request."""
        self._count = 0
        self._handle: asyncio.TimerHandle | None = None
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


def halt_run_on_error(method: F) -> F:
    """Unload and halt the run if a callback of its driver raises: a defect must not hang it silently or reach other runs."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001  a person must see any error on the run
            getattr(self, "_loaded", self).fail(error)
            return None

    return call  # type: ignore[return-value]


class LoadedRun(ABC):
    """The claim, history, body, journal and progress of a loaded run.

    `spent` = attempts of outcomes that no request uses any more: attempt numbers continue after them. `halt` = why it stops for a person.
    `awaits_codec` = a fact for the run cannot be opened yet: the run is not suspended before it can.
    """

    def __init__(self, host: DriverHost, run: ClaimedRun, program: Program, history: History | None) -> None:
        self.host = host
        self.run = run
        self.claim = run.claim
        self.loaded_at = host.clock.now()
        self.clock_steps = RunClockSteps(run.clock_steps)
        self.program = program
        self.is_unloaded = False
        self.is_suspended = False
        self.draining = False
        self.pausing = False
        self.halt: RunHalt | None = None
        self.awaits_codec = False
        self.generations = Generations(history.superseded if history is not None else ())
        self.spent = _count_spent_attempts(history)
        self.attempts: dict[str, list[AttemptRecord]] = {}
        for record in history.attempts if history is not None else ():
            self.attempts.setdefault(record.ident, []).append(record)
        self.checkpoints: dict[str, Checkpoint] = dict(history.checkpoints) if history is not None else {}
        self.journal = JournalWriter(self, history)
        self.wakeups = RunWakeups(host, self.wake)
        self.streams = RunStreams(self, history)
        self.body = self._make_body(history)

    def _make_body(self, history: History | None) -> Body:
        body = build_body(self.run, self.program, history, self.host.payload_max)
        if history is not None and not self.run.crashes:
            body.live = False  # the lines before the first outcome were written too
        body.notes.on_line = functools.partial(self.host.lines.take_of_body, self.run)
        body.streams.on_record = self.streams.take_of_body
        return body

    @property
    def starts_nothing(self) -> bool:
        """Whether the run only completes what is in flight: its worker drains, or a person pauses it."""
        return self.draining or self.pausing

    @property
    @abstractmethod
    def has_new_requests(self) -> bool:
        """Whether the body has requests that are not started."""

    @property
    @abstractmethod
    def is_accepting_signals(self) -> bool:
        """Whether a signal is being written to the journal."""

    @property
    @abstractmethod
    def is_working(self) -> bool:
        """Whether a step runs or will be tried again."""

    @property
    @abstractmethod
    def waits_for_stop(self) -> bool:
        """Whether a cancel or the deadline is being written to the journal: nothing new starts before it."""

    def accepts(self, result: object) -> bool:
        """Return whether an owner's command was accepted. If not, another worker owns the run, and it is unloaded here."""
        if self.is_unloaded:
            return False
        if isinstance(result, Refused):
            self.unload()
            return False
        if isinstance(result, Exception):
            self.fail(result)
            return False
        return True

    @abstractmethod
    def advance(self) -> None:
        """Handle the state of the body. Called after each delivery."""

    @abstractmethod
    def committed(self, outcome: Outcome, value: Any, *, has_value: bool) -> None:
        """Deliver a committed outcome of the journal to the body."""

    @abstractmethod
    def send_notes(self) -> None:
        """Commit the notes of the body about its run, if they changed."""

    @abstractmethod
    def wake(self) -> None:
        """Handle what is due."""

    @abstractmethod
    def start_retry(self, request: Request, call: StepCall) -> None:
        """Start the next attempt of a step, which is due."""

    @abstractmethod
    def await_codec(self) -> None:
        """Continue when the codec answers again."""

    @abstractmethod
    def reload_if_spoiled(self) -> None:
        """Load the run again from its journal if code that may only read has changed its body in part."""

    @abstractmethod
    def unload(self) -> None:
        """Unload the run: another worker owns it, or it is dropped from memory. Nothing more is written."""

    @abstractmethod
    def fail(self, error: Exception) -> None:
        """Give the run up after a defect."""


def _count_spent_attempts(history: History | None) -> dict[str, int]:
    spent: dict[str, int] = {}
    for outcome in (*history.superseded, *history.outcomes) if history is not None else ():
        if outcome.superseded is not None or outcome.state is OutcomeState.CANCELLED:
            spent[outcome.ident] = max(spent.get(outcome.ident, 0), outcome.attempt)
    return spent
