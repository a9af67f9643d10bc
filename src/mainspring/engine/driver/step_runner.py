"""The step runner of one loaded run: starts attempts, decides what follows each end, marks long ones, saves checkpoints.

Invariants. A start mark is committed before the first attempt of an at-most-once step, before every attempt after the
first, and before any attempt of a run that crashed its worker (its journal may be the only source for an undo); others get
one when they have run for a second or send a report. A lost attempt never counts against the policy. The instant of the next
attempt is committed before any timer waits for it.
"""

import functools
from datetime import timedelta
from typing import TYPE_CHECKING

from mainspring.domain.duration import to_milliseconds
from mainspring.domain.effects.errors import EffectInDoubtError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.retry import Retry
from mainspring.domain.failures.verdict import permanent
from mainspring.domain.ids import make_idempotency_key
from mainspring.domain.runs.journal import AttemptRecord, Checkpoint, OutcomeKind
from mainspring.domain.states import AttemptState, OutcomeState
from mainspring.domain.time.clock_step import STEP_MS
from mainspring.engine.attempts.attempt_end import AttemptEnd
from mainspring.engine.attempts.attempt_reports import (
    AttemptReport,
    CheckpointReport,
    ProgressReport,
    StreamFlushReport,
    StreamReport,
)
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.executor import AttemptHandle
from mainspring.engine.body.request import Request, StepCall
from mainspring.engine.driver.live_step import LiveStep, build_attempt_command, build_in_doubt_failure
from mainspring.engine.driver.loaded_run import halt_run_on_error
from mainspring.store.base import CommitCallback
from mainspring.store.commands.journal import SaveCheckpoint
from mainspring.store.commands.results import CommandDone, Refused

if TYPE_CHECKING:
    from mainspring.engine.driver.loaded_run import LoadedRun

_DEFAULT_RETRY = Retry().as_default()
_STATES_WITHOUT_OUTCOME = frozenset({AttemptState.STARTED, AttemptState.LOST, AttemptState.IN_DOUBT})
_PROCESS_END_MS = 10_000
"""A process that ends although code runs in it that cannot be stopped has ended after this."""
MARK_AFTER_MS = 1_000
"""An attempt that has run for this long gets its start mark."""


class StepRunner:
    """Runs the steps in flight, by identity."""

    def __init__(self, loaded: "LoadedRun") -> None:
        self._loaded = loaded
        self._live: dict[str, LiveStep] = {}
        self.were_stopped = False
        """Whether attempts were stopped at the end of a drain: they may have had their effect."""
        self._adopted: tuple[str, AttemptHandle | None, int] | None = None
        self._undos: dict[str, tuple[Request, StepCall]] = {}
        """Undos that wait until the attempt of their step has stopped: it must have no effect after its undo."""

    @property
    def in_flight(self) -> bool:
        """Whether an attempt runs or its mark is being committed."""
        return bool(self._live)

    def adopt(self, ident: str, handle: AttemptHandle | None, started_at: int) -> None:
        """Use an attempt that was started before the body requested the step as the first attempt of that step."""
        self._adopted = ident, handle, started_at

    def adopted_ended(self, ident: str, end: AttemptEnd) -> None:
        """Handle the end of the adopted attempt, if it still counts."""
        step = self._live.get(ident)
        if step is not None and step.attempt == 1:
            self._ended(step, end)

    def start(self, request: Request, call: StepCall, *, is_due: bool = False) -> None:
        """Start a step: its first attempt, or the next one after the recorded ones; `is_due` = that attempt is due."""
        if self._adopted is not None and self._adopted[0] == request.ident:
            step, (_, step.handle, step.started_at) = LiveStep(request, call), self._adopted
            step.first_at, self._adopted = step.started_at, None
            self._live[request.ident] = step
            return
        undone = request.ident.removeprefix("undo:")
        if request.kind is OutcomeKind.UNDO and undone in self._live:
            self._undos[undone] = (request, call)
            return
        step, loaded = LiveStep(request, call), self._loaded
        spent = loaded.spent.get(request.ident, 0)
        step.attempt = spent + 1
        records = loaded.attempts.get(request.ident) if loaded.attempts else None
        if records:
            last = step.restore_attempt(records)
            step.attempt = max(step.attempt, spent + 1)
            if last.state in _STATES_WITHOUT_OUTCOME and call.plan.delivery == "at_most_once":
                step.attempt = last.attempt
                self._doubt(step, build_in_doubt_failure(request.name, last.state))
                return
            next_at = None if is_due else _remaining_due_at(last, loaded.host.clock.now())
            if next_at is not None:
                loaded.wakeups.add_retry(request, call, next_at)
                return
        self._attempt(step)

    def _start_undo_of(self, ident: str) -> None:
        """Start the undo that waited for the end of this step's attempt."""
        waiting = self._undos.pop(ident, None)
        if waiting is not None and waiting[0].open:
            self.start(*waiting)

    def _attempt(self, step: LiveStep) -> None:
        loaded = self._loaded
        step.started_at = loaded.host.clock.now()
        step.first_at = step.first_at or step.started_at
        self._live[step.request.ident] = step
        loaded.streams.begin_attempt(step.request.ident, step.request.name, step.attempt)
        if step.attempt > 1 or step.call.plan.delivery == "at_most_once" or loaded.run.crashes:
            self._mark(step, functools.partial(self._marked, step))
        else:
            self._run(step)

    @halt_run_on_error
    def _marked(self, step: LiveStep, answer: CommandDone | Refused | BaseException) -> None:
        if self._loaded.accepts(answer) and self._live.get(step.request.ident) is step:
            if step.stopped:
                self._ended(step, AttemptEnd(verdict=permanent("given_up", not_sent=True)))
            elif self._loaded.draining:
                del self._live[step.request.ident]
                self._loaded.advance()
            else:
                self._run(step)

    def _run(self, step: LiveStep) -> None:
        loaded, request = self._loaded, step.request
        try:
            key = make_idempotency_key(loaded.run.id, request.ident, loaded.generations.of(request.request_number))
            spec = step.spec(
                loaded.run, key, loaded.checkpoints.get(request.ident), loaded.host.payload_max, loaded.program.headers
            )
            if step.call.plan.delivery == "transactional":
                spec.fn = step.transaction = loaded.host.transactional(spec)
            step.handle = loaded.host.attempts.start(spec, functools.partial(self._ended, step))
        except Exception as error:  # noqa: BLE001  a step that cannot be started fails permanently
            self._ended(step, AttemptEnd(failure=loaded.host.failure_of(error), verdict=permanent("cannot_start")))

    # -- ends ----------------------------------------------------------------------------------------------------------

    @halt_run_on_error
    def _ended(self, step: LiveStep, end: AttemptEnd) -> None:
        loaded, request = self._loaded, step.request
        if step.transaction is not None:
            step.transaction.abandon()
        if loaded.is_unloaded or self._live.get(request.ident) is not step:
            return
        del self._live[request.ident]
        loaded.streams.flush(request.ident)  # before the outcome: in the same group
        self._start_undo_of(request.ident)
        step.handle = None  # it holds this step: no cycle is left for the collector
        if end.ok:
            self._save(step, OutcomeState.SUCCEEDED, end)
        elif end.refused is not None:
            end.failure = end.refused
            self._save(step, OutcomeState.REFUSED, end)
        elif step.stopped or end.cancelled:
            self._stopped(step, end)
        elif end.lost:
            now = loaded.host.clock.now()
            self._try_again(step, AttemptState.LOST, end, now, now + step.wait_for_earlier_ms())
        else:
            self._failed(step, end)
        loaded.advance()

    def _failed(self, step: LiveStep, end: AttemptEnd) -> None:
        loaded, plan = self._loaded, step.call.plan
        verdict = end.verdict or permanent("unknown")
        is_in_doubt = plan.delivery == "at_most_once" and not verdict.not_sent
        if is_in_doubt or (end.failure is not None and end.failure.code == EffectInDoubtError.code):
            self._save(step, OutcomeState.IN_DOUBT, end)
            return
        step.failures += 1
        now = loaded.host.clock.now()
        delay = (plan.retry or loaded.program.retry or _DEFAULT_RETRY).delay_after(
            step.failures,
            elapsed=timedelta(milliseconds=max(0, now - step.first_at)),
            verdict=verdict,
            seed=f"{loaded.run.id}\x1f{step.request.ident}\x1f{step.failures}",
            exc=end.error,
        )
        if delay is None:
            self._save(step, OutcomeState.FAILED, end)
            return
        delay_ms = to_milliseconds(delay)
        if end.is_code_running:
            delay_ms = max(delay_ms, _PROCESS_END_MS)
        self._try_again(step, AttemptState.FAILED, end, now, now + delay_ms)

    def _try_again(self, step: LiveStep, state: AttemptState, end: AttemptEnd, now: int, next_at: int) -> None:
        loaded = self._loaded
        record = step.record(loaded.run.generation, state, end.failure, now, next_at)
        loaded.attempts.setdefault(step.request.ident, []).append(record)
        loaded.journal.saving += 1
        loaded.host.lines.life.attempt_follows(loaded.run, step.request.name, step.attempt + 1, next_at)
        self._submit(record, functools.partial(self._retry_saved, step, next_at, next_at - now))

    @halt_run_on_error
    def _retry_saved(
        self, step: LiveStep, next_at: int, delay_ms: int, answer: CommandDone | Refused | BaseException
    ) -> None:
        loaded = self._loaded
        next_at = min(next_at, loaded.host.clock.now() + delay_ms)  # the clock may have been put back meanwhile
        loaded.journal.saving -= 1
        if self._loaded.accepts(answer):
            if step.request.open:
                loaded.wakeups.add_retry(step.request, step.call, next_at)
            loaded.advance()

    def _stopped(self, step: LiveStep, end: AttemptEnd) -> None:
        """Handle an attempt that the engine stopped: the body cancelled it (recorded), or the worker drains."""
        if step.request.open:
            if step.marked:  # otherwise it has no row: the next worker starts it as the first attempt
                now = self._loaded.host.clock.now()
                lost = step.record(self._loaded.run.generation, AttemptState.LOST, end.failure, now)
                self._submit(lost, self._loaded.accepts)
            return
        if step.call.plan.delivery == "at_most_once" and (end.verdict is None or not end.verdict.not_sent):
            # If the body requests it again after a person's retry, this row says that its effect may have happened.
            doubt = (AttemptState.IN_DOUBT, end.failure, self._loaded.host.clock.now())
            self._submit(step.record(self._loaded.run.generation, *doubt), self._loaded.accepts)
        self._save(step, OutcomeState.CANCELLED, end)

    def _save(self, step: LiveStep, state: OutcomeState, end: AttemptEnd) -> None:
        self._loaded.checkpoints.pop(step.request.ident, None)
        self._loaded.journal.save(
            step.request,
            state,
            value=end.value,
            has_value=end.ok,
            output=end.output,
            failure=end.failure,
            attempt=step.attempt,
            started_at=step.started_at,
            duration_us=end.duration_us,
            marked=step.marked or step.attempt > 1,
            input=step.call.input,
            undo=step.undo_name,
            records=end.records,
            first_at=step.first_at or None,
        )

    def _doubt(self, step: LiveStep, failure: Failure) -> None:
        step.started_at = self._loaded.host.clock.now()
        self._save(step, OutcomeState.IN_DOUBT, AttemptEnd(failure=failure))

    # -- cancelling ----------------------------------------------------------------------------------------------------

    def cancel(self, request: Request) -> None:
        """Stop the attempt of a step that the body no longer awaits."""
        step = self._live.get(request.ident)
        if step is not None and step.request is request:
            step.stopped = True
            step.stop("the workflow abandoned it")
        else:
            self._drop_retry(request)

    def _drop_retry(self, request: Request) -> None:
        """Record that a step was cancelled while its next attempt was not due."""
        loaded = self._loaded
        if loaded.wakeups.retries.pop(request.ident, None) is not None:
            call = request.call
            assert isinstance(call, StepCall)
            last = max((record.attempt for record in loaded.attempts.get(request.ident, ())), default=1)
            loaded.journal.save(request, OutcomeState.CANCELLED, attempt=last, marked=True, input=call.input)

    def cancel_all(self, reason: str) -> None:
        """Stop every attempt; their later reports are ignored."""
        live, self._live = self._live, {}
        for step in live.values():
            step.stop(reason)
        if self._adopted is not None and self._adopted[1] is not None:
            self._adopted[1].cancel(reason)

    def stop_all(self, reason: str) -> None:
        """Stop every attempt because the worker drains: the next worker of the run repeats them."""
        self.were_stopped |= bool(self._live)
        for step in list(self._live.values()):
            step.stop(reason)

    # -- marks and reports ---------------------------------------------------------------------------------------------

    def mark_long(self, now: int) -> None:
        """Save the start mark of each attempt that has run long enough."""
        for step in self._live.values():
            if not step.marked and now - step.started_at >= MARK_AFTER_MS:
                self._mark(step, self._loaded.accepts)

    def meet_clock_step(self, by_ms: int, new_from: int, now: int) -> None:
        """Move the instants of all attempts with a step of the clock, so that their durations stay true; see LiveStep.move."""
        for step in self._live.values():
            step.move(by_ms, new_from, now)

    def endless(self) -> list[LiveStep]:
        """Return the steps with a running attempt that nothing ends: without a time limit, or with code that it could not stop."""
        return [
            step
            for step in self._live.values()
            if step.handle is not None and (step.call.plan.is_endless or step.handle.is_unstoppable)
        ]

    def _mark(self, step: LiveStep, answered: CommitCallback[CommandDone | Refused]) -> None:
        step.marked = True
        self._submit(step.record(self._loaded.run.generation, AttemptState.STARTED), answered)

    def add_report(self, spec: AttemptSpec, report: AttemptReport) -> None:
        """Accept a report of a running attempt; save a checkpoint, records or progress."""
        loaded = self._loaded
        step = self._live.get(spec.ident)
        if step is None or step.attempt != spec.attempt:
            if isinstance(report, CheckpointReport | StreamReport):
                report.ack(RuntimeError("this attempt no longer counts"))
            return
        step.reported_at = loaded.host.clock.now()
        if isinstance(report, CheckpointReport | ProgressReport | StreamReport) and not step.marked:
            self._mark(step, self._loaded.accepts)  # an attempt that reports needs a mark, so that its loss is recorded
        if isinstance(report, CheckpointReport):
            command = SaveCheckpoint(loaded.run.id, loaded.claim, spec.ident, loaded.host.seal(report.data))
            # The next attempt may start in this process; its mark is committed after this.
            loaded.checkpoints[spec.ident] = Checkpoint(spec.ident, report.data, None, None, step.reported_at)
            loaded.host.store.submit(command, functools.partial(self._checkpointed, report))
        elif isinstance(report, StreamReport):
            loaded.streams.take(spec, report)
        elif isinstance(report, StreamFlushReport):
            loaded.streams.flush(spec.ident)
        elif isinstance(report, ProgressReport):
            done = SaveCheckpoint(loaded.run.id, loaded.claim, spec.ident, done=report.done, total=report.total)
            loaded.host.store.submit(done, self._loaded.accepts)

    def _checkpointed(self, report: CheckpointReport, answer: CommandDone | Refused | BaseException) -> None:
        report.ack(
            None
            if self._loaded.accepts(answer)
            else RuntimeError("the checkpoint was not saved: another worker has the run")
        )

    def _submit(self, record: AttemptRecord, answered: CommitCallback[CommandDone | Refused]) -> None:
        loaded = self._loaded
        loaded.host.store.submit(build_attempt_command(loaded.host, loaded.run, loaded.claim, record), answered)


def _remaining_due_at(last: AttemptRecord, now: int) -> int | None:
    """Return when the attempt after this one is due; None = now. If the clock was put back since, the delay counts from now,
    unless the instants were moved with that step.
    """
    next_at = last.next_at
    if next_at is not None and last.ended_at is not None and next_at >= last.ended_at > now + STEP_MS:
        next_at -= last.ended_at - now
    return next_at if next_at is not None and next_at > now else None
