"""What really was committed, seen between the store and its users, and what must hold at each commit."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from mainspring.domain.ids import make_idempotency_key
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import AttemptState, OutcomeState, RunState
from mainspring.store.commands.journal import SaveAttempt, SaveOutcome
from mainspring.store.commands.results import CommandDone, NumberAnswer, StartAnswer
from mainspring.store.commands.runs import ClaimedRuns, ClaimRuns, CompleteRun, FinishRun, ReopenRun, UndoChild
from mainspring.store.commands.sessions import DeclareSessionDead
from tests.simulation.effects import Effects

LIMITS = {"narrow": 2}
_EFFECTS = (OutcomeKind.STEP, OutcomeKind.UNDO, OutcomeKind.CHILD)
_RUNNING = "select queue, count(*) from runs where state = 'running' group by queue"
_PARTITIONS = (
    "select partition, count(*) from runs where partition is not null and parent is null and finished_at is null and fresh = 0"
    " and blocked is null and (state <> 'paused' or id in (select run from partition_holds))"
    " group by partition having count(*) > 1"
)
"""A run that was continued, waited for its partition again and was paused then has none."""


Rows = Callable[..., list[tuple[Any, ...]]]


class Truth:
    """`observe` is reported every executed commit, whatever its sender was reported; `rows` reads what is committed."""

    def __init__(self, effects: Effects, hits: Counter[str], rows: Rows) -> None:
        self.effects = effects
        self.hits = hits
        self._rows = rows
        self.on_death: Callable[[DeclareSessionDead], None] = lambda command: None
        self.on_commit: Callable[[list[Any], list[Any], bool], None] = lambda commands, results, again: None
        self.errors: list[str] = []
        self.commits = 0
        self._outcomes: dict[tuple[str, str, int], tuple[int, int]] = {}
        self.ended: dict[str, tuple[int, str]] = {}
        self._given_up: set[tuple[str, str, int, int]] = set()
        """Attempts that are on record as failed, timed out ones among them."""
        self._left: set[tuple[str, str, int]] = set()
        """Requests that their body abandoned."""
        self._superseded: set[tuple[str, int]] = set()
        self._claims: dict[str, int] = {}
        self._finished: set[tuple[str, int]] = set()
        self.started: dict[int, int] = {}
        """Order of the first claims, by the run's seq."""

    def observe(self, commands: list[Any], results: list[Any], *, again: bool) -> None:
        """Take note of a commit."""
        self.commits += 1
        for command, result in zip(commands, results, strict=True):
            if isinstance(result, Exception):
                self.errors.append(f"a command cannot be executed: {command!r}: {result!r}")
            elif isinstance(command, SaveOutcome) and isinstance(result, CommandDone):
                self._outcome(command)
            elif isinstance(command, SaveAttempt) and isinstance(result, CommandDone):
                if command.state is AttemptState.FAILED:
                    self._given_up.add((command.run, command.ident, command.generation, command.attempt))
            elif isinstance(command, FinishRun) and isinstance(result, CommandDone):
                self._end(command)
            elif isinstance(command, CompleteRun) and isinstance(result, CommandDone):
                self.hits["went straight"] += 1
                self._outcome(command.outcome())
                self._end(FinishRun(command.run, command.claim, RunState.SUCCEEDED, 1))
            elif isinstance(command, ReopenRun) and isinstance(result, CommandDone):
                self._reopened(command)
            elif isinstance(command, UndoChild) and isinstance(result, StartAnswer):
                self.hits["child undone"] += 1
                self.ended.pop(result.run, None)
            elif isinstance(command, DeclareSessionDead) and isinstance(result, NumberAnswer):
                self.on_death(command)
            elif isinstance(command, ClaimRuns) and isinstance(result, ClaimedRuns):
                self._claimed(result, again=again)
        self.on_commit(commands, results, again)
        if any(isinstance(command, ClaimRuns) for command in commands):
            for queue, running in self._rows(_RUNNING):
                if running > LIMITS.get(queue, running):
                    self.errors.append(f"{running} runs of queue {queue} run at a time")
            for partition, held in self._rows(_PARTITIONS):
                self.errors.append(f"{held} runs of partition {partition} were begun and have not ended")

    def _reopened(self, command: ReopenRun) -> None:
        """A person continued a run: what had failed is done again, what had succeeded is not, and it may end again."""
        run = command.run
        self.hits["reopened"] += 1
        self.ended.pop(run, None)
        self._given_up = {
            key for key in self._given_up if key[0] != run
        }  # a step gets its attempts back, and their numbers
        text = "select ident, generation, rank, kind, state from journal where run = ? and superseded is not null"
        rows = self._rows(text, run)
        # What was undone is not done: it is done again, and so is what stood on it.
        undone = any((run, rank) not in self._superseded and kind == OutcomeKind.UNDO for _, _, rank, kind, _ in rows)
        for ident, generation, rank, kind, state in rows:
            new = (run, rank) not in self._superseded and not undone
            if new and state == OutcomeState.SUCCEEDED and kind in _EFFECTS:
                self.errors.append(
                    f"{ident} of {run} had succeeded and is done again because another request had failed"
                )
            self._superseded.add((run, rank))
            self._outcomes.pop((run, ident, generation), None)
            self.effects.committed.discard(make_idempotency_key(run, ident, generation))

    def _outcome(self, command: SaveOutcome) -> None:
        key = (command.run, command.ident, command.generation)
        was = self._outcomes.setdefault(key, (command.rank, command.claim))
        # What was abandoned by an owner whom a person let continue answers no one: the step is asked for again.
        is_again = key in self._left and was[1] < command.claim
        if command.state is OutcomeState.CANCELLED:
            self._left.add(key)
        if (
            was != (command.rank, command.claim)
            and not is_again
            and command.kind not in (OutcomeKind.CANCEL, OutcomeKind.DEADLINE)
        ):
            if command.ident not in self.effects.given.get(command.run, ()):
                self.errors.append(f"two outcomes of {key}: rank and claim {was}, then {(command.rank, command.claim)}")
            self._outcomes[key] = (command.rank, command.claim)
        if command.state is OutcomeState.SUCCEEDED:
            self._of_its_attempt(command)
        if command.kind is OutcomeKind.STEP and command.state in (OutcomeState.SUCCEEDED, OutcomeState.FAILED):
            self.effects.committed.add(make_idempotency_key(command.run, command.ident, command.generation))

    def _of_its_attempt(self, command: SaveOutcome) -> None:
        """What an attempt returned counts for that attempt alone, and not once it was abandoned."""
        if (command.run, command.ident, command.generation, command.attempt) in self._given_up:
            self.errors.append(
                f"attempt {command.attempt} of {command.ident} in {command.run} succeeded after it had failed"
            )
        if command.name == "deaf" and command.output is not None:
            own = msgspec.json.decode(command.output)[1]
            if own != command.attempt:
                self.errors.append(f"attempt {own} of {command.ident} in {command.run} was taken for {command.attempt}")

    def _end(self, command: FinishRun) -> None:
        if (command.run, command.claim) in self._finished:  # sent again, maybe after a person continued the run
            return
        self._finished.add((command.run, command.claim))
        was = self.ended.setdefault(command.run, (command.claim, command.state.value))
        if was != (command.claim, command.state.value):
            self.errors.append(f"run {command.run} ended twice: {was}, then {command.claim} {command.state}")

    def _claimed(self, result: ClaimedRuns, *, again: bool) -> None:
        for run in result.runs:
            self.hits["resumed"] += not run.fresh
            if run.fresh:
                ((seq,),) = self._rows("select seq from runs where id = ?", run.id)
                self.started.setdefault(seq, len(self.started))
            before = self._claims.get(run.id, 0)
            if run.claim < before or (run.claim == before and not again):
                self.errors.append(f"claim {run.claim} of {run.id} was given after claim {before}")
            self._claims[run.id] = run.claim
            if run.id in self.ended:
                self.errors.append(f"run {run.id} was claimed after its end")
