"""The driver of one loaded run: joins its body to the store. It is the only writer of that run's journal.

Invariants. Ranks are given in the order of submission, which is the order of commit and of handing over. Nothing is
handed to the body before it is committed. A refused owner's command means that another process owns the run: the
driver lets go at once and writes no more. A body is driven from plain callbacks only.
"""

import functools
from typing import Any

import msgspec

from mainspring.domain.errors import CodecUnavailableError
from mainspring.domain.runs.journal import AttemptRecord, Checkpoint, Fact, History, Outcome, OutcomeKind
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.domain.time.clock_step import ClockStep, RunClockSteps
from mainspring.engine.body.body import Body
from mainspring.engine.body.programs import Program
from mainspring.engine.body.request import Request, StepCall
from mainspring.engine.body.step_names import StepNames
from mainspring.engine.body.undo_program import last_request_number
from mainspring.engine.driver.callback_errors import halt_run_on_error
from mainspring.engine.driver.driver_host import DriverHost
from mainspring.engine.driver.generations import Generations
from mainspring.engine.driver.journal_writer import JournalWriter
from mainspring.engine.driver.run_end import (
    RunHalt,
    add_seed_hint,
    build_drift_halt,
    build_renamed_step_halt,
    build_run_end,
    build_unstoppable_halt,
    warn_of_unawaited,
    warn_of_unstoppable,
)
from mainspring.engine.driver.step_runner import StepRunner
from mainspring.engine.driver.waits import RunWaits
from mainspring.store.commands.results import Refused
from mainspring.store.commands.runs import AnnotateRun, ClaimedRun, FinishRun, HaltRun, ReleaseRun, StartRun, SuspendRun

_DOUBT_REASONS = {OutcomeState.IN_DOUBT: FailureReason.IN_DOUBT, OutcomeState.REFUSED: FailureReason.VALUE_REFUSED}


class Driver:
    """Drives one run from claim to suspend, halt or end."""

    def __init__(self, hosting: DriverHost, run: ClaimedRun, program: Program, history: History | None) -> None:
        self.hosting = hosting
        self.run = run
        self.claim = run.claim
        self.loaded_at = hosting.clock.now()
        self.clock_steps = RunClockSteps(run.clock_steps)
        self.program = program
        self.spent: dict[str, int] = {}
        """Attempts that outcomes took which answer nobody any more: numbers go on after them."""
        for outcome in (*history.superseded, *history.outcomes) if history is not None else ():
            if outcome.superseded is not None or outcome.state is OutcomeState.CANCELLED:
                self.spent[outcome.ident] = max(self.spent.get(outcome.ident, 0), outcome.attempt)
        self.generations = Generations(history.superseded if history is not None else ())
        self.journal = JournalWriter(self, history)
        self.attempts: dict[str, list[AttemptRecord]] = {}
        self.checkpoints: dict[str, Checkpoint] = dict(history.checkpoints) if history is not None else {}
        for record in history.attempts if history is not None else ():
            self.attempts.setdefault(record.ident, []).append(record)
        self.gone = False
        self.parked = False
        self.draining = False
        self.halt: RunHalt | None = None
        self.busy = False
        self.awaits_codec = False
        """Whether something that came for it cannot be opened yet: it does not rest before it can."""
        self.steps = StepRunner(self)
        self.waits = RunWaits(self)
        outcomes, after = (history.outcomes, (0, 0)) if history is not None else ([], (0, 0))
        if run.undoing and history is not None:
            outcomes, after = [], (last_request_number(history), run.rank)
        largest = hosting.payload_max
        self.body = Body(run.id, run.generation, program.main, outcomes, run.started_at, largest, after)
        self.body.names = StepNames.of(history)
        self.body.superseded = history.superseded if history is not None else ()
        if history is not None and not run.crashes:
            self.body.live = False  # also of what comes before the first outcome the lines were written
        self.body.notes.on_line = functools.partial(hosting.lines.take_of_body, run)
        self.waits.add_facts(run.facts)

    # -- life ----------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Drive the body through its history and start what it asks for."""
        self.body.begin()
        if self.run.deadline_at is not None:
            self.waits.watch_deadline(self.run.deadline_at)
        self.waits.return_unheard()
        self.advance()

    def resume(self, run: ClaimedRun) -> None:
        """Go on after parking, without replay, under a new claim."""
        self.run = run
        self.claim = run.claim
        self.parked = False
        self.waits.add_facts(run.facts)
        self.waits.rearm()
        self.advance()

    def let_go(self) -> None:
        """Forget the run: it is another's, or parked out of memory. Nothing more is written."""
        if not self.gone:
            self.gone = True
            self.steps.cancel_all("the run is no longer this worker's")
            self.waits.close()
            if not self.body.close() and self.halt is None:
                warn_of_unstoppable(self.run)
            self.hosting.gone(self)

    def meet_clock_step(self, step: ClockStep) -> None:
        """Move what the run waits for in memory by as much as the clock was set; its rows are moved in the store."""
        new_from, now = step.at - step.unseen_ms, self.hosting.clock.now()
        self.steps.meet_clock_step(step.by_ms, new_from, now)
        if not new_from <= self.loaded_at <= now:  # else it was claimed by the new clock
            handed = self.body.handed
            is_new = new_from <= self.body.base_at <= now
            self.clock_steps.add(handed - 1 if is_new else handed, step.by_ms, step.at)
            self.waits.due.move(step.by_ms, new_from)

    def drain(self) -> None:
        """Start nothing new; give the run back once what is in flight is saved."""
        self.draining = True
        self.awaits_codec = False
        self.advance()

    def await_codec(self) -> None:
        """Go on when the codec answers again."""
        if not self.awaits_codec:
            self.awaits_codec = True
            self.hosting.await_codec(self)

    @halt_run_on_error
    def codec_answered(self) -> None:
        """Look again at what could not be opened."""
        self.awaits_codec = False
        if not self.gone:
            self.waits.expire_again()
            self.advance()

    # -- the turn ------------------------------------------------------------------------------------------------------

    @halt_run_on_error
    def advance(self) -> None:
        """Look at where the body stands and do what follows; called after each handing over."""
        if self.gone or self.busy or self.parked:
            return
        body = self.body
        if body.drift is not None and self.halt is None:
            try:
                self.halt = add_seed_hint(build_drift_halt(body.drift, self.hosting.seal_now), self.run.hash_seed)
            except CodecUnavailableError:
                self.await_codec()
                return
        if body.refusals.are_over and self.halt is None:
            self.halt = build_unstoppable_halt()
        if body.given_up:
            given_up, body.given_up = body.given_up, []
            for request in given_up:
                self._give_up(request)
        if body.done and self.halt is None:
            self._finish()
            return
        if self.halt is None and not self.draining:
            self.waits.match_facts()
            if body.new and (not self.waits.stop_sent or body.stopping is not None):
                self._start_new()
                self.waits.match_facts()
        is_idle = not self.journal.saving and not self.steps.in_flight
        if is_idle and (not self.awaits_codec or self.halt is not None):
            self._rest()

    def _start_new(self) -> None:
        for request in self.body.new:
            missing = self.body.names.missing_step(self.body, self.program, request) if request.open else None
            if missing is not None and self.halt is None:
                self.halt = add_seed_hint(build_renamed_step_halt(missing), self.run.hash_seed)
                return
        new, self.body.new = self.body.new, []
        for request in new:
            if not request.open:
                continue
            doubt = self.body.doubts.get(request.ident)
            if doubt is not None:
                self.halt_for_doubt(doubt)
            elif isinstance(request.call, StepCall):
                self.steps.start(request, request.call)
            else:
                self.waits.start(request)

    def _give_up(self, request: Request) -> None:
        if isinstance(request.call, StepCall):
            self.steps.give_up(request)
        else:
            self.waits.give_up(request)

    def _rest(self) -> None:
        """Nothing is in flight: halt, release, fail a stuck body, or suspend until something is due."""
        if self.halt is not None:
            self._halt(self.halt)
        elif self.draining:
            self._send_last(ReleaseRun(self.run.id, self.claim, self.journal.rank))
        elif self.body.stuck:
            self._finish()
        else:
            due_at = self.waits.due.next()
            now = self.hosting.clock.now()
            if due_at is not None and due_at - now <= self.hosting.suspend_after_ms:
                self.waits.due.arm(due_at)
                return
            self.body.notes.tell_hints()
            self.send_notes()
            state = RunState.RETRYING if self.waits.due.retries else RunState.WAITING
            command = SuspendRun(
                self.run.id, self.claim, state, due_at, self.waits.seen, self.journal.rank, self.waits.describe()
            )
            self.parked = True
            self.waits.due.disarm()
            self.hosting.store.submit(command, self._suspended)

    def _suspended(self, result: Any) -> None:
        if isinstance(result, Refused):
            self.let_go()
        elif isinstance(result, Exception):
            self.hosting.broken(self, result)
        else:
            self.hosting.park(self)

    # -- saving and handing over ---------------------------------------------------------------------------------------

    @halt_run_on_error
    def committed(self, outcome: Outcome, value: Any, *, has_value: bool) -> None:
        """Hand over an outcome of the journal."""
        self.hosting.progressed(self, outcome.name)
        if outcome.state in _DOUBT_REASONS:
            self.body.doubts[outcome.ident] = outcome
            self.halt_for_doubt(outcome)
        elif outcome.kind is OutcomeKind.UNDO and outcome.state is OutcomeState.FAILED:
            self.halt = self.halt or RunHalt(FailureReason.UNDO_FAILED, outcome.failure, outcome.ident, {})
        else:
            try:
                if has_value:
                    self.body.hand(outcome, value)
                else:
                    self.body.hand(outcome)
            except Exception as error:  # noqa: BLE001  a saved value that today's type cannot read
                self.halt = self.halt or RunHalt(
                    FailureReason.BODY_ERROR, self.hosting.failure_of(error), outcome.ident, {}
                )
            self.waits.taking.pop(outcome.ident, None)
            if self.body.unheard:
                self.waits.return_unheard()
        self.advance()

    def accepts(self, result: Any) -> bool:
        """Take the answer to an owner's command: whether the run is still ours. If not, it is let go here."""
        if self.gone:
            return False
        if isinstance(result, Refused):
            self.let_go()
            return False
        if isinstance(result, Exception):
            self.hosting.broken(self, result)
            return False
        return True

    def halt_for_doubt(self, outcome: Outcome) -> None:
        """Ask for a person because of an outcome that nobody can know or save."""
        if self.halt is None:
            self.halt = RunHalt(_DOUBT_REASONS[outcome.state], outcome.failure, outcome.ident, {"step": outcome.name})

    @halt_run_on_error
    def look_after(self, now: int) -> None:
        """Do what is done twice a second: marks of long attempts, notes."""
        self.steps.mark_long(now)
        self.send_notes()

    # -- notes and ends ------------------------------------------------------------------------------------------------

    def send_notes(self) -> None:
        """Commit what the body says about itself, if it changed."""
        notes = self.body.notes
        if notes.changed and not self.gone:
            progress = msgspec.json.encode(list(notes.progress)) if notes.progress is not None else None
            detail = msgspec.json.encode({"hints": sorted(notes.hints)}) if notes.hints else None
            seal = self.hosting.seal
            tags = seal(msgspec.json.encode(notes.tags)) if notes.tags else None
            command = AnnotateRun(self.run.id, self.claim, tags, progress, seal(notes.published), detail)
            notes.changed = False
            self.hosting.store.submit(command, self._noted)

    def _noted(self, result: Any) -> None:
        if isinstance(result, Refused):
            self.let_go()

    def _halt(self, halted: RunHalt) -> None:
        detail = msgspec.json.encode(halted.detail) if halted.detail else None
        passes = self.program.on_blocked == "pass"
        failure = self.hosting.seal_failure(halted.failure)
        rank = self.journal.rank
        self.hosting.lines.life.run_ended(self.run, RunState.NEEDS_ATTENTION, None, halted.failure, halted.reason)
        self._send_last(HaltRun(self.run.id, self.claim, halted.reason, rank, failure, halted.ident, detail, passes))

    def _finish(self) -> None:
        if self.journal.saving:
            return  # outcomes on their way belong before the end
        self.steps.cancel_all("the run has ended")
        self.send_notes()
        end = build_run_end(self.body, self.program, self.hosting.failure_of)
        then: StartRun | None = None
        if end.restart is not None:
            then = self.hosting.restart_of(self.run, self.program, end.restart)
            end.detail["restarted_as"] = then.id
        if self.body.notes.hints:
            end.detail["hints"] = sorted(self.body.notes.hints)
        warn_of_unawaited(self.run, end.detail)
        detail = msgspec.json.encode(end.detail) if end.detail else None
        self.hosting.lines.life.run_ended(self.run, end.state, end.result, end.failure, end.reason)
        self._send_last(
            FinishRun(
                self.run.id,
                self.claim,
                end.state,
                self.journal.rank,
                self.hosting.seal(end.result),
                self.hosting.seal_failure(end.failure),
                end.reason,
                end.failed_ident,
                detail,
                then,
                end.size,
                end.unheard,
            )
        )

    def _send_last(self, command: FinishRun | HaltRun | ReleaseRun) -> None:
        """Send the driver's last command and let go whatever it answers."""
        self.busy = True

        def answered(result: Any) -> None:
            if isinstance(result, Exception):
                self.hosting.broken(self, result)
            self.let_go()

        self.hosting.store.submit(command, answered)

    @halt_run_on_error
    def add_facts(self, facts: list[Fact]) -> None:
        """Take note of what came from outside while the run is loaded."""
        self.waits.add_facts(facts)
        self.advance()
