"""A loaded run: one run in the memory of a worker, as all parts of its driver share it."""

import functools
from abc import ABC, abstractmethod
from typing import Any

from mainspring.domain.runs.journal import AttemptRecord, Checkpoint, History, Outcome
from mainspring.domain.states import OutcomeState
from mainspring.domain.time.clock_step import RunClockSteps
from mainspring.engine.body.body import Body
from mainspring.engine.body.programs import Program
from mainspring.engine.body.request import Request, StepCall
from mainspring.engine.body.step_names import StepNames
from mainspring.engine.body.undo_program import last_request_number
from mainspring.engine.driver.driver_host import DriverHost
from mainspring.engine.driver.generations import Generations
from mainspring.engine.driver.journal_writer import JournalWriter
from mainspring.engine.driver.run_end import RunHalt
from mainspring.engine.driver.wakeups import RunWakeups
from mainspring.store.commands.results import Refused
from mainspring.store.commands.runs import ClaimedRun


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
        self.body = self._make_body(history)

    def _make_body(self, history: History | None) -> Body:
        run, program = self.run, self.program
        outcomes, after = (history.outcomes, (0, 0)) if history is not None else ([], (0, 0))
        if run.undoing and history is not None:
            outcomes, after = [], (last_request_number(history), run.rank)
        body = Body(run.id, run.generation, program.main, outcomes, run.started_at, self.host.payload_max, after)
        body.names = StepNames.of(history)
        body.superseded = history.superseded if history is not None else ()
        if history is not None and not run.crashes:
            body.live = False  # the lines before the first outcome were written too
        body.notes.on_line = functools.partial(self.host.lines.take_of_body, run)
        return body

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
    def wake(self) -> None:
        """Handle what is due."""

    @abstractmethod
    def start_retry(self, request: Request, call: StepCall) -> None:
        """Start the next attempt of a step, which is due."""

    @abstractmethod
    def await_codec(self) -> None:
        """Continue when the codec answers again."""

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
