"""The driver of one loaded run: connects its body to the store. It is the only writer of that run's journal.

Invariants. Ranks are assigned in the order of submission, which is the order of commit and of delivery. Nothing is
delivered to the body before it is committed. A refused owner's command means that another process owns the run: the
driver unloads at once and writes no more. A body is driven from plain callbacks only.
"""

from typing import Any

import msgspec

from mainspring.domain.errors import CodecUnavailableError, Permanent
from mainspring.domain.runs.journal import STOP_KINDS, Fact, History, Outcome, OutcomeKind
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.domain.time.clock_step import ClockStep
from mainspring.engine.body.programs import Program
from mainspring.engine.body.request import FlagCall, ReplyCall, Request, SendCall, StartCall, StepCall, VersionCall
from mainspring.engine.body.step_names import REPEATABLE
from mainspring.engine.driver.code_check import find_body_halt, find_name_halt
from mainspring.engine.driver.driver_host import DriverHost
from mainspring.engine.driver.flag_answers import RunFlags
from mainspring.engine.driver.loaded_run import LoadedRun, halt_run_on_error
from mainspring.engine.driver.run_end import (
    RunHalt,
    build_run_end,
    warn_of_unawaited,
    warn_of_unstoppable,
)
from mainspring.engine.driver.signal_sender import SignalSender
from mainspring.engine.driver.start_sender import StartSender
from mainspring.engine.driver.step_runner import StepRunner
from mainspring.engine.driver.version_answers import RunVersions
from mainspring.engine.driver.waits import RunWaits
from mainspring.store.commands.results import PAUSE_WITHDRAWN, CommandDone, Refused
from mainspring.store.commands.run_control import EnterPause
from mainspring.store.commands.runs import AnnotateRun, ClaimedRun, FinishRun, HaltRun, ReleaseRun, StartRun, SuspendRun

_DOUBT_REASONS = {OutcomeState.IN_DOUBT: FailureReason.IN_DOUBT, OutcomeState.REFUSED: FailureReason.VALUE_REFUSED}


class Driver(LoadedRun):
    """Drives one run from claim to suspend, halt or end."""

    def __init__(self, host: DriverHost, run: ClaimedRun, program: Program, history: History | None) -> None:
        super().__init__(host, run, program, history)
        self.busy = False
        self.steps = StepRunner(self)
        self.waits = RunWaits(self, history)
        self._flags, self._signals, self._starter = RunFlags(self), SignalSender(self), StartSender(self)
        self._versions = RunVersions(self, history)
        self.waits.add_facts(run.facts)

    @property
    def waits_for_stop(self) -> bool:
        """Whether a cancel or the deadline is being written to the journal."""
        return self.waits.stop_sent

    @property
    def has_new_requests(self) -> bool:
        """Whether the body has requests that are not started."""
        return any(request.open for request in self.body.new)

    @property
    def is_accepting_signals(self) -> bool:
        """Whether a signal is being written to the journal: the body may wait for the next one after it."""
        return bool(self.waits.accepting)

    @property
    def is_working(self) -> bool:
        """Whether a step runs or will be tried again."""
        return bool(self.steps.in_flight or self.wakeups.retries)

    # -- life ----------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Drive the body through its history and start what it requests."""
        self._versions.begin()
        self.body.begin()
        self.streams.begin()
        self._versions.save_given()
        if self.body.stop.kind is not None:
            self.waits.limit_cleanup()
        elif self.run.deadline_at is not None:
            self.waits.watch_deadline(self.run.deadline_at)
        self.waits.return_undelivered_facts()
        self.advance()

    def resume(self, run: ClaimedRun) -> None:
        """Continue a suspended run, without replay, under a new claim."""
        self.run = run
        self.claim = run.claim
        self.is_suspended = False
        self.waits.add_facts(run.facts)
        self.waits.rearm()
        self.advance()

    def unload(self) -> None:
        """Unload the run: another worker owns it, or it is dropped from memory. Nothing more is written."""
        if not self.is_unloaded:
            self.is_unloaded = True
            self.steps.cancel_all("the run is no longer this worker's")
            self.waits.close()
            self.streams.close()
            if not self.body.close() and self.halt is None:
                warn_of_unstoppable(self.run)
            self.host.driver_unloaded(self)

    def meet_clock_step(self, step: ClockStep) -> None:
        """Move the waits in memory by as much as the clock was set; the store moves the rows of the run."""
        new_from, now = step.at - step.unseen_ms, self.host.clock.now()
        self.steps.meet_clock_step(step.by_ms, new_from, now)
        if not new_from <= self.loaded_at <= now:  # otherwise it was claimed by the new clock
            delivered = self.body.delivered_rank
            is_new = new_from <= self.body.base_at <= now
            self.clock_steps.add(delivered - 1 if is_new else delivered, step.by_ms, step.at)
            self.wakeups.move(step.by_ms, new_from)

    def reload_if_spoiled(self) -> None:
        """Load the run again from its journal if code that may only read has changed its body in part."""
        if self.body.loop.is_spoiled:
            if self.is_suspended:
                self.unload()
            else:
                self.drain()

    def drain(self) -> None:
        """Start nothing new; release the run once open outcomes are saved."""
        self.draining = True
        self.awaits_codec = False
        self.advance()

    def wake(self) -> None:
        """Handle what is due."""
        self.waits.wake()

    def start_retry(self, request: Request, call: StepCall) -> None:
        """Start the next attempt of a step."""
        self.steps.start(request, call, is_due=True)

    def fail(self, error: Exception) -> None:
        """Give the run up after a defect: the worker unloads and halts it."""
        self.host.broken(self, error)

    def await_codec(self) -> None:
        """Continue when the codec answers again."""
        if not self.awaits_codec:
            self.awaits_codec = True
            self.host.await_codec(self)

    @halt_run_on_error
    def codec_answered(self) -> None:
        """Retry the facts that could not be opened."""
        self.awaits_codec = False
        if not self.is_unloaded:
            self.waits.expire_again()
            self.advance()

    # -- the turn ------------------------------------------------------------------------------------------------------

    @halt_run_on_error
    def advance(self) -> None:
        """Handle the state of the body: halt, finish, start requests or suspend. Called after each delivery."""
        if self.is_unloaded or self.busy or self.is_suspended:
            return
        body = self.body
        if self.halt is None and (body.drift is not None or body.refusals.are_over):
            try:
                self.halt = find_body_halt(body, self.run, self.host.seal_now)
            except CodecUnavailableError:
                self.await_codec()
                return
        if body.cancelled_requests:
            cancelled, body.cancelled_requests = body.cancelled_requests, []
            for request in cancelled:
                self._cancel(request)
        if body.done and self.halt is None and not body.loop.is_spoiled:
            self._finish()
            return
        if self.halt is None and not self.starts_nothing:
            self.waits.match_facts()
            if body.new and not self.waits.stop_sent:
                self._start_new()
                self.waits.match_facts()
        is_idle = not self.journal.saving and not self.steps.in_flight
        if is_idle and (not self.awaits_codec or self.halt is not None):
            self._settle()

    def _start_new(self) -> None:
        self.halt = find_name_halt(self.body, self.program, self.run)
        if self.halt is not None:
            return
        new, self.body.new = self.body.new, []
        for index, request in enumerate(new):
            if self._versions.are_saving:
                self.body.new = new[index:]
                return
            if not request.open:
                continue
            doubt = self.body.doubts.get(request.ident)
            if doubt is not None:
                self.halt_for_doubt(doubt)
            elif isinstance(request.call, StepCall):
                self.steps.start(request, request.call)
            elif isinstance(request.call, FlagCall):
                self._flags.ask(request, request.call)
            elif isinstance(request.call, VersionCall):
                self._versions.answer(request, request.call)
            elif isinstance(request.call, SendCall):
                self._signals.send(request, request.call)
            elif isinstance(request.call, StartCall):
                self._starter.start(request, request.call)
            elif isinstance(request.call, ReplyCall):
                self._save_reply(request, request.call)
            else:
                self.waits.start(request)

    def _save_reply(self, request: Request, call: ReplyCall) -> None:
        if call.error is None:
            self.journal.save(request, OutcomeState.SUCCEEDED, output=call.input, input=call.input)
        else:
            failure = self.host.failure_of(call.error)
            self.journal.save(request, OutcomeState.FAILED, failure=failure, input=call.input)

    def _cancel(self, request: Request) -> None:
        if isinstance(request.call, StepCall):
            self.steps.cancel(request)
        elif isinstance(request.call, StartCall):
            self._starter.cancel(request, request.call)
        else:
            self.waits.cancel(request)

    def _settle(self) -> None:
        """Halt, release, fail a stuck body, or suspend until something is due; called when nothing is in flight."""
        if self.halt is not None:
            self._halt(self.halt)
        elif self.draining:
            self._send_last(ReleaseRun(self.run.id, self.claim, self.journal.rank, is_returned=self._is_returned))
        elif self.pausing:
            self._pause()
        elif self.body.stuck:
            self._finish()
        else:
            due_at = self.wakeups.next()
            now = self.host.clock.now()
            if due_at is not None and due_at - now <= self.host.suspend_after_ms:
                self.wakeups.arm(due_at)
                return
            self.body.notes.mark_new_hints()
            self.send_notes()
            state = RunState.RETRYING if self.wakeups.retries else RunState.WAITING
            command = SuspendRun(
                self.run.id, self.claim, state, due_at, self.waits.seen, self.journal.rank, self.waits.describe()
            )
            self.is_suspended = True
            self.wakeups.disarm()
            self.host.store.submit(command, self._suspended)

    @property
    def _is_returned(self) -> bool:
        """Whether nothing is under way if the run is given back now. A lost attempt is, until this claim has repeated its step."""
        unstarted = any(request.open and request.kind in REPEATABLE for request in self.body.new)
        return not self.steps.were_stopped and (self.run.is_returned or not unstarted)

    def _pause(self) -> None:
        self.body.notes.mark_new_hints()
        self.send_notes()
        self.busy = True
        self.wakeups.disarm()
        command = EnterPause(
            self.run.id, self.claim, self.journal.rank, self.waits.describe(), is_returned=self._is_returned
        )
        self.host.store.submit(command, self._paused)

    @halt_run_on_error
    def _paused(self, result: CommandDone | Refused | BaseException) -> None:
        if result != PAUSE_WITHDRAWN:
            if isinstance(result, Exception):
                self.fail(result)
            self.unload()
            return
        self.pausing = self.busy = False  # a person has resumed it
        self.waits.rearm()

    def _suspended(self, result: CommandDone | Refused | BaseException) -> None:
        if isinstance(result, Refused):
            self.unload()
        elif isinstance(result, Exception):
            self.fail(result)
        else:
            self.host.park(self)

    # -- saving and handing over ---------------------------------------------------------------------------------------

    @halt_run_on_error
    def committed(self, outcome: Outcome, value: Any, *, has_value: bool) -> None:
        """Deliver a committed outcome of the journal to the body."""
        self.host.progressed(self, outcome.name)
        if outcome.state in _DOUBT_REASONS:
            self.body.doubts[outcome.ident] = outcome
            self.halt_for_doubt(outcome)
        elif outcome.kind is OutcomeKind.UNDO and outcome.state is OutcomeState.FAILED:
            self.halt = self.halt or RunHalt(FailureReason.UNDO_FAILED, outcome.failure, outcome.ident, {})
        else:
            try:
                if has_value:
                    self.body.deliver(outcome, value)
                else:
                    self.body.deliver(outcome)
            except Exception as error:  # noqa: BLE001  a saved value that the current type cannot read
                self.halt = self.halt or RunHalt(
                    FailureReason.BODY_ERROR, self.host.failure_of(error), outcome.ident, {}
                )
            self.waits.accepting.pop(outcome.ident, None)
            self._versions.committed(outcome.ident)
            if outcome.kind in STOP_KINDS:
                self.waits.limit_cleanup()
            if self.body.undelivered:
                self.waits.return_undelivered_facts()
        self.advance()

    def halt_for_doubt(self, outcome: Outcome) -> None:
        """Halt for a person because of an outcome that is unknown or cannot be saved."""
        if self.halt is None:
            self.halt = RunHalt(_DOUBT_REASONS[outcome.state], outcome.failure, outcome.ident, {"step": outcome.name})

    @halt_run_on_error
    def run_periodic_tasks(self, now: int) -> None:
        """Do the tasks of twice a second: start marks of long attempts, notes."""
        self.steps.mark_long(now)
        self.send_notes()

    # -- notes and ends ------------------------------------------------------------------------------------------------

    def send_notes(self) -> None:
        """Commit the notes of the body about its run, if they changed."""
        notes = self.body.notes
        if notes.changed and not self.is_unloaded:
            progress = msgspec.json.encode(list(notes.progress)) if notes.progress is not None else None
            detail = msgspec.json.encode({"hints": sorted(notes.hints)}) if notes.hints else None
            seal = self.host.seal
            tags = self.host.seal_inline(msgspec.json.encode(notes.tags)) if notes.tags else None
            command = AnnotateRun(self.run.id, self.claim, tags, progress, seal(notes.published), detail)
            notes.changed = notes.has_new_state = False
            self.host.store.submit(command, self._notes_sent)

    def _notes_sent(self, result: CommandDone | Refused | BaseException) -> None:
        if isinstance(result, Refused):
            self.unload()

    def _halt(self, halted: RunHalt) -> None:
        detail = msgspec.json.encode(halted.detail) if halted.detail else None
        passes = self.program.on_blocked == "pass"
        failure = self.host.seal_failure(halted.failure)
        rank = self.journal.rank
        self.host.lines.life.run_ended(self.run, RunState.NEEDS_ATTENTION, None, halted.failure, halted.reason)
        self._send_last(HaltRun(self.run.id, self.claim, halted.reason, rank, failure, halted.ident, detail, passes))

    def _finish(self) -> None:
        if self.journal.saving:
            return  # pending outcomes must be committed before the end
        self.steps.cancel_all("the run has ended")
        self.send_notes()
        end = build_run_end(self.body, self.program, self.host.failure_of)
        then: StartRun | None = None
        if end.restart is not None:
            then = self.host.restart_of(self.run, self.program, end.restart)
            end.detail["restarted_as"] = then.id
        if self.body.notes.hints:
            end.detail["hints"] = sorted(self.body.notes.hints)
        warn_of_unawaited(self.run, end.detail)
        detail = msgspec.json.encode(end.detail) if end.detail else None
        self.host.lines.life.run_ended(self.run, end.state, end.result, end.failure, end.reason)
        self._send_last(
            FinishRun(
                self.run.id,
                self.claim,
                end.state,
                self.journal.rank,
                self.host.seal(end.result),
                self.host.seal_failure(end.failure),
                end.reason,
                end.failed_ident,
                detail,
                then,
                end.size,
                end.unhandled,
                end.failure is not None and end.failure.code == Permanent.code,
            )
        )

    def _send_last(self, command: FinishRun | HaltRun | ReleaseRun) -> None:
        """Send the driver's last command, and unload after any answer."""
        self.busy = True

        def answered(result: CommandDone | Refused | BaseException) -> None:
            if isinstance(result, Exception):
                self.fail(result)
            self.unload()

        self.host.store.submit(command, answered)

    @halt_run_on_error
    def add_facts(self, facts: list[Fact]) -> None:
        """Accept facts that arrived while the run is loaded."""
        was_pausing = self.pausing
        self.waits.add_facts(facts)
        if was_pausing and not self.pausing:
            self.waits.rearm()  # what became due in the pause acts now
        else:
            self.advance()
