"""Grouping of commands, the same for every database: check the session, run each handler, separate a command that
cannot be executed.

A guilty command is committed around: the commands before it, it alone, the commands after it. If it fails alone, it
gets its error as its result. (The guilty one is known here, so no blind halving.) Only failures of the database itself
are raised: then the outcome is unknown.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import inf

from mainspring.domain.errors import FencedError, MainspringError
from mainspring.domain.states import SessionState
from mainspring.domain.time.clock_step import ClockStep, ClockWatch, merge_steps
from mainspring.store.base import CommitChanges, CommitReport, UnwritableCommandError
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.sessions import CloseSession, ConfirmClockStep
from mainspring.store.store_clock import StoreClock
from mainspring.store.transaction import Handlers, Transaction
from mainspring.store.write.clock_steps import correct_marks, record_clock_step, shift_batch, shift_commands

_TRIES = 3
_WRITERS = frozenset({SessionState.ALIVE.value, SessionState.DRAINING.value})


class GuiltyError(Exception):
    """The command at `index` raised `cause`."""

    def __init__(self, index: int, cause: Exception) -> None:
        super().__init__(index)
        self.index = index
        self.cause = cause


class GroupingDatabase(ABC):
    """The common part of all base.Database classes. A subclass runs one transaction in `_commit`."""

    def __init__(
        self,
        handlers: Handlers,
        passed: Callable[[], float] | None = None,
        process_clock: StoreClock | None = None,
    ) -> None:
        self.clock_watch = ClockWatch(passed)
        self.process_clock = process_clock
        """The clock by which this process computes its commands; None = the store's clock itself."""
        self._met_ms = 0
        """`met_ms` of the last committed ConfirmClockStep."""
        self._requested_at = self._answered_at = 0
        self.session: int | None = None
        self.meanwhile: Callable[[], None] | None = None
        self._handlers = handlers
        self._is_fenced = False
        """Whether the session was declared dead: only evidence is written any more."""

    @property
    def hints(self) -> int | None:
        """None: there are no hints; see base.Database.hints."""
        return None

    @property
    def poll_in(self) -> float:
        """Infinity: nothing is left for later; see base.Database.poll_in."""
        return inf

    def commit(self, commands: list[StoreCommand[object]], *, again: bool = False) -> CommitReport:
        """Commit the commands; see base.Database.commit."""
        results: list[object] = []
        ready = facts = triggers = locks = False
        ended: list[str] = []
        step: ClockStep | None = None
        tries = 1
        parts = [commands]
        while parts:
            part = parts.pop()
            try:
                transaction, answers = self._commit(part, again=again)
            except GuiltyError as guilty:
                if len(part) == 1 and self._was_overtaken(guilty.cause) and tries < _TRIES:
                    tries += 1
                    parts.append(part)
                    continue
                tries = 1
                if len(part) == 1:
                    results.append(_as_result(part[0], guilty.cause))
                    continue
                at = guilty.index
                parts += [
                    commands_left for commands_left in (part[at + 1 :], part[at : at + 1], part[:at]) if commands_left
                ]
                continue
            tries = 1
            results += answers
            ready |= transaction.ready
            facts |= transaction.facts
            triggers |= transaction.triggers
            locks |= transaction.locks
            ended += transaction.ended
            step = merge_steps(step, transaction.clock_step)
        return CommitReport(results, CommitChanges(ready, facts, triggers, tuple(ended), step, locks))

    def keep_evidence(self, commands: list[StoreCommand[object]]) -> None:
        """Commit the evidence of a dead session; see base.Database.keep_evidence."""
        evidence = [command for command in commands if command.is_evidence()]
        if evidence:
            self._is_fenced = True
            self._commit(evidence, again=True)

    def _meet_clock_step(self, transaction: Transaction) -> None:
        """Check before the commands whether the clock was set since the last commit; else move the next batch of runs
        of an earlier step.
        """
        step = self.clock_watch.find_step()
        if self.session is None:
            return
        if step is not None:
            record_clock_step(transaction, self.clock_watch, step)
        elif self.clock_watch.is_moving:
            shift_batch(transaction)

    def _learn_time(self, transaction: Transaction, requested_at: int, answered_at: int) -> None:
        """Set the process clock by the store's instant between two of its own; after a step only once that is
        committed.
        """
        self._requested_at, self._answered_at = requested_at, answered_at
        if self.process_clock is not None and transaction.clock_step is None:
            self.process_clock.learn(requested_at, transaction.now, answered_at)

    def _unmet_ms(self, transaction: Transaction) -> int:
        """Return by how much (ms) the clock was set since the worker of this process met a step, up to the start of
        this transaction.
        """
        if self.process_clock is None or not self.process_clock.holds_steps:
            return 0
        step = transaction.clock_step
        return self.process_clock.noticed_ms - self._met_ms + (0 if step is None else step.by_ms)

    def _moved_with_step(
        self, transaction: Transaction, commands: list[StoreCommand[object]]
    ) -> list[StoreCommand[object]]:
        """Return the commands, shifted if they were computed by the clock before a step that the worker has not met
        yet.
        """
        by_ms = self._unmet_ms(transaction)
        return shift_commands(commands, by_ms, self._met_ms) if by_ms else commands

    def _correct_marks(self, transaction: Transaction, commands: list[StoreCommand[object]]) -> None:
        """Correct the marks of outcomes that were computed before a step: they are of the earlier clock."""
        if self.process_clock is not None and (transaction.clock_step is not None or self._unmet_ms(transaction)):
            correct_marks(transaction, commands)

    def _note_clock(self, transaction: Transaction, commands: list[StoreCommand[object]]) -> None:
        """Update the clocks after the commit of a transaction."""
        if self.process_clock is not None and transaction.clock_step is not None:
            times = self._requested_at, transaction.now, self._answered_at
            self.process_clock.learn(*times, transaction.clock_step)
        self._met_ms = next(
            (command.met_ms for command in reversed(commands) if isinstance(command, ConfirmClockStep)), self._met_ms
        )
        watch = self.clock_watch
        watch.note()
        watch.known = watch.known if transaction.clock_known is None else transaction.clock_known
        watch.is_moving = watch.is_moving if transaction.clock_moves is None else transaction.clock_moves

    @abstractmethod
    def _commit(self, commands: list[StoreCommand[object]], *, again: bool) -> tuple[Transaction, list[object]]:
        """Run one transaction. Raises GuiltyError, and what base.Database.commit raises."""

    @abstractmethod
    def _meaning(self, fault: Exception) -> MainspringError | None:
        """Return the meaning of a fault of the database itself; None if the fault belongs to a statement."""

    def _was_overtaken(self, cause: Exception) -> bool:
        """Tell whether a command failed because another process inserted the same row after its read: a retry finds the
        row.
        """
        return False

    def _require_alive(self, state: str | None, commands: list[StoreCommand[object]], *, again: bool) -> None:
        """Raise FencedError if the session was declared dead (or closed itself, unless this repeats the closing)."""
        if state in _WRITERS or self._is_fenced:
            return
        if state == SessionState.CLOSED and again and any(isinstance(c, CloseSession) for c in commands):
            return
        raise FencedError(
            f"session {self.session} of this process is {state or 'gone'}: other processes have its runs now",
            hint="The process ends and is started again. It had no contact with the store for too long, or the "
            "store was restored.",
        )

    def _run(self, transaction: Transaction, commands: list[StoreCommand[object]], first: int = 0) -> list[object]:
        """Run the handler of each command; `first` = the index of the first one in its group."""
        answers: list[object] = []
        for index, command in enumerate(commands, first):
            try:
                answers.append(self._handlers[type(command)](transaction, command))
            except FencedError:
                raise
            except Exception as fault:
                if self._meaning(fault) is not None:
                    raise
                raise GuiltyError(index, fault) from fault
        return answers


def _as_result(command: StoreCommand[object], cause: Exception) -> Exception:
    """Return the error that a command gets as its result."""
    if isinstance(cause, MainspringError):
        return cause
    error = UnwritableCommandError(f"{type(command).__name__} cannot be written: {type(cause).__name__}: {cause}")
    error.__cause__ = cause
    return error
