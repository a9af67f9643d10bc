"""The steps of one loaded run: starts attempts, decides what follows each end, marks long ones, saves checkpoints.

Invariants. A start mark is committed before the first attempt of an at-most-once step, before every attempt after the
first, and before any of a run that crashed its worker (its journal may be all there is to undo it by); others get one
when they have run for a second or tell of themselves. A lost attempt never counts against the policy. The next
attempt's instant is committed before anybody waits for it.
"""

import functools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mainspring.domain.duration import to_milliseconds
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.retry import Retry
from mainspring.domain.failures.verdict import permanent
from mainspring.domain.ids import make_idempotency_key
from mainspring.domain.runs.journal import AttemptRecord, Checkpoint, OutcomeKind
from mainspring.domain.states import AttemptState, OutcomeState
from mainspring.domain.time.clock_step import STEP_MS
from mainspring.engine.attempts.attempt_end import AttemptEnd
from mainspring.engine.attempts.attempt_reports import AttemptReport, CheckpointReport, ProgressReport
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.executor import AttemptHandle
from mainspring.engine.body.request import Request, StepCall
from mainspring.engine.driver.callback_errors import halt_run_on_error
from mainspring.engine.driver.live_step import LiveStep, build_attempt_command, build_in_doubt_failure
from mainspring.store.commands.journal import SaveCheckpoint

if TYPE_CHECKING:
    from mainspring.engine.driver.driver import Driver

_DEFAULT_RETRY = Retry().as_default()
_STATES_WITHOUT_OUTCOME = frozenset({AttemptState.STARTED, AttemptState.LOST, AttemptState.IN_DOUBT})
MARK_AFTER_MS = 1_000
"""An attempt that has run for so long gets its start mark."""


class StepRunner:
    """Steps in flight, by identity."""

    def __init__(self, driver: "Driver") -> None:
        self._driver = driver
        self._live: dict[str, LiveStep] = {}
        self._adopted: tuple[str, AttemptHandle | None, int] | None = None
        self._undos: dict[str, tuple[Request, StepCall]] = {}
        """Undos whose step's attempt is still being stopped: it must not act after its undo."""

    @property
    def in_flight(self) -> bool:
        """Tell whether an attempt runs or its mark is on its way."""
        return bool(self._live)

    def adopt(self, ident: str, handle: AttemptHandle | None, started_at: int) -> None:
        """Take the first attempt of a step, which was started before the body asks for it, as the one that it asks for."""
        self._adopted = ident, handle, started_at

    def adopted_ended(self, ident: str, end: AttemptEnd) -> None:
        """Take the end of the adopted attempt, if it still counts."""
        step = self._live.get(ident)
        if step is not None and step.attempt == 1:
            self._ended(step, end)

    def start(self, request: Request, call: StepCall, *, is_due: bool = False) -> None:
        """Start a step: its first attempt, or the next one after what is on record; `is_due` = the time of that has come."""
        if self._adopted is not None and self._adopted[0] == request.ident:
            step, (_, step.handle, step.started_at) = LiveStep(request, call), self._adopted
            step.first_at, self._adopted = step.started_at, None
            self._live[request.ident] = step
            return
        undone = request.ident.removeprefix("undo:")
        if request.kind is OutcomeKind.UNDO and undone in self._live:
            self._undos[undone] = (request, call)
            return
        step, driver = LiveStep(request, call), self._driver
        spent = driver.spent.get(request.ident, 0)
        step.attempt = spent + 1
        records = driver.attempts.get(request.ident) if driver.attempts else None
        if records:
            last = step.take_up(records)
            step.attempt = max(step.attempt, spent + 1)
            if last.state in _STATES_WITHOUT_OUTCOME and call.plan.delivery == "at_most_once":
                step.attempt = last.attempt
                self._doubt(step, build_in_doubt_failure(request.name, last.state))
                return
            next_at = None if is_due else _remaining_due_at(last, driver.hosting.clock.now())
            if next_at is not None:
                driver.waits.retry_at(request, call, next_at)
                return
        self._attempt(step)

    def _start_undo_of(self, ident: str) -> None:
        """Start the undo that waited for this step's attempt to end."""
        waiting = self._undos.pop(ident, None)
        if waiting is not None and waiting[0].open:
            self.start(*waiting)

    def _attempt(self, step: LiveStep) -> None:
        driver = self._driver
        step.started_at = driver.hosting.clock.now()
        step.first_at = step.first_at or step.started_at
        self._live[step.request.ident] = step
        if step.attempt > 1 or step.call.plan.delivery == "at_most_once" or driver.run.crashes:
            self._mark(step, functools.partial(self._marked, step))
        else:
            self._run(step)

    @halt_run_on_error
    def _marked(self, step: LiveStep, result: Any) -> None:
        if self._driver.accepts(result) and self._live.get(step.request.ident) is step:
            if step.stopped:
                self._ended(step, AttemptEnd(verdict=permanent("given_up", not_sent=True)))
            elif self._driver.draining:
                del self._live[step.request.ident]
                self._driver.advance()
            else:
                self._run(step)

    def _run(self, step: LiveStep) -> None:
        driver, request = self._driver, step.request
        try:
            key = make_idempotency_key(driver.run.id, request.ident, driver.generations.of(request.asked))
            spec = step.spec(driver.run, key, driver.checkpoints.get(request.ident), driver.hosting.payload_max)
            if step.call.plan.delivery == "transactional":
                spec.fn = step.transaction = driver.hosting.transactional(spec)
            step.handle = driver.hosting.attempts.start(spec, functools.partial(self._ended, step))
        except Exception as error:  # noqa: BLE001  what cannot be started is a permanent failure of that step
            self._ended(step, AttemptEnd(failure=driver.hosting.failure_of(error), verdict=permanent("cannot_start")))

    # -- ends ----------------------------------------------------------------------------------------------------------

    @halt_run_on_error
    def _ended(self, step: LiveStep, end: AttemptEnd) -> None:
        driver, request = self._driver, step.request
        if step.transaction is not None:
            step.transaction.give_up()
        if driver.gone or self._live.get(request.ident) is not step:
            return
        del self._live[request.ident]
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
            now = driver.hosting.clock.now()
            self._try_again(step, AttemptState.LOST, end, now, now + step.wait_for_earlier_ms())
        else:
            self._failed(step, end)
        driver.advance()

    def _failed(self, step: LiveStep, end: AttemptEnd) -> None:
        driver, plan = self._driver, step.call.plan
        verdict = end.verdict or permanent("unknown")
        if plan.delivery == "at_most_once" and not verdict.not_sent:
            self._save(step, OutcomeState.IN_DOUBT, end)
            return
        step.failures += 1
        now = driver.hosting.clock.now()
        delay = (plan.retry or driver.program.retry or _DEFAULT_RETRY).delay_after(
            step.failures,
            elapsed=timedelta(milliseconds=max(0, now - step.first_at)),
            verdict=verdict,
            seed=f"{driver.run.id}\x1f{step.request.ident}\x1f{step.failures}",
            exc=end.error,
        )
        if delay is None:
            self._save(step, OutcomeState.FAILED, end)
            return
        self._try_again(step, AttemptState.FAILED, end, now, now + to_milliseconds(delay))

    def _try_again(self, step: LiveStep, state: AttemptState, end: AttemptEnd, now: int, next_at: int) -> None:
        driver = self._driver
        record = step.record(driver.run.generation, state, end.failure, now, next_at)
        driver.attempts.setdefault(step.request.ident, []).append(record)
        driver.journal.saving += 1
        driver.hosting.lines.life.attempt_follows(driver.run, step.request.name, step.attempt + 1, next_at)
        self._submit(record, functools.partial(self._retry_saved, step, next_at, next_at - now))

    @halt_run_on_error
    def _retry_saved(self, step: LiveStep, next_at: int, delay_ms: int, result: Any) -> None:
        driver = self._driver
        next_at = min(next_at, driver.hosting.clock.now() + delay_ms)  # the clock may have been put back meanwhile
        driver.journal.saving -= 1
        if self._driver.accepts(result):
            if step.request.open:
                driver.waits.retry_at(step.request, step.call, next_at)
            driver.advance()

    def _stopped(self, step: LiveStep, end: AttemptEnd) -> None:
        """The attempt was stopped by us: because the body gave it up (kept for the record), or to drain."""
        if step.request.open:
            if step.marked:  # else no row tells of it: whoever goes on begins it as the first
                now = self._driver.hosting.clock.now()
                lost = step.record(self._driver.run.generation, AttemptState.LOST, end.failure, now)
                self._submit(lost, self._driver.accepts)
            return
        if step.call.plan.delivery == "at_most_once" and (end.verdict is None or not end.verdict.not_sent):
            # Should the body ask for it again after a person's retry, this tells that its effect may be in the world.
            doubt = (AttemptState.IN_DOUBT, end.failure, self._driver.hosting.clock.now())
            self._submit(step.record(self._driver.run.generation, *doubt), self._driver.accepts)
        self._save(step, OutcomeState.CANCELLED, end)

    def _save(self, step: LiveStep, state: OutcomeState, end: AttemptEnd) -> None:
        self._driver.checkpoints.pop(step.request.ident, None)
        self._driver.journal.save(
            step.request,
            state,
            value=end.value,
            has_value=end.ok,
            output=end.output,
            failure=end.failure,
            attempt=step.attempt,
            started_at=step.started_at,
            took_us=end.took_us,
            marked=step.marked or step.attempt > 1,
            input=step.call.input,
            undo=step.undo_name,
            outgoing=end.outgoing,
            first_at=step.first_at or None,
        )

    def _doubt(self, step: LiveStep, failure: Failure) -> None:
        step.started_at = self._driver.hosting.clock.now()
        self._save(step, OutcomeState.IN_DOUBT, AttemptEnd(failure=failure))

    # -- giving up -----------------------------------------------------------------------------------------------------

    def give_up(self, request: Request) -> None:
        """The body no longer waits for this step: stop its attempt."""
        step = self._live.get(request.ident)
        if step is not None and step.request is request:
            step.stopped = True
            step.stop("the workflow gave it up")
        else:
            self._driver.waits.drop_retry(request)

    def cancel_all(self, why: str) -> None:
        """Stop every attempt; what they still say is not heard."""
        live, self._live = self._live, {}
        for step in live.values():
            step.stop(why)
        if self._adopted is not None and self._adopted[1] is not None:
            self._adopted[1].cancel(why)

    def stop_all(self, why: str) -> None:
        """Stop every attempt because the worker drains: each is to be run again by whoever continues the run."""
        for step in list(self._live.values()):
            step.stop(why)

    # -- marks and signs -----------------------------------------------------------------------------------------------

    def mark_long(self, now: int) -> None:
        """Write the start mark of each attempt that has run long enough."""
        for step in self._live.values():
            if not step.marked and now - step.started_at >= MARK_AFTER_MS:
                self._mark(step, self._driver.accepts)

    def meet_clock_step(self, by_ms: int, new_from: int, now: int) -> None:
        """Let each attempt have run for as long as it has run, whatever the clock shows; see LiveStep.move."""
        for step in self._live.values():
            step.move(by_ms, new_from, now)

    def endless(self) -> list[LiveStep]:
        """Return the steps whose attempt runs and that nothing ends."""
        return [step for step in self._live.values() if step.handle is not None and step.call.plan.is_endless]

    def _mark(self, step: LiveStep, answered: Any) -> None:
        step.marked = True
        self._submit(step.record(self._driver.run.generation, AttemptState.STARTED), answered)

    def sign(self, spec: AttemptSpec, sign: AttemptReport) -> None:
        """Take a sign of life of a running attempt; save a checkpoint or progress."""
        driver = self._driver
        step = self._live.get(spec.ident)
        if step is None or step.attempt != spec.attempt:
            if isinstance(sign, CheckpointReport):
                sign.ack(RuntimeError("this attempt no longer counts"))
            return
        step.signed_at = driver.hosting.clock.now()
        if isinstance(sign, CheckpointReport | ProgressReport) and not step.marked:
            self._mark(step, self._driver.accepts)  # what tells of itself is worth telling that it was lost
        if isinstance(sign, CheckpointReport):
            command = SaveCheckpoint(driver.run.id, driver.claim, spec.ident, driver.hosting.seal(sign.data))
            # The next attempt may begin in this very process; its mark is committed after this.
            driver.checkpoints[spec.ident] = Checkpoint(spec.ident, sign.data, None, None, step.signed_at)
            driver.hosting.store.submit(command, functools.partial(self._checkpointed, sign))
        elif isinstance(sign, ProgressReport):
            done = SaveCheckpoint(driver.run.id, driver.claim, spec.ident, done=sign.done, total=sign.total)
            driver.hosting.store.submit(done, self._driver.accepts)

    def _checkpointed(self, sign: CheckpointReport, result: Any) -> None:
        sign.ack(
            None
            if self._driver.accepts(result)
            else RuntimeError("the checkpoint was not saved: another worker owns the run")
        )

    def _submit(self, record: AttemptRecord, answered: Any) -> None:
        driver = self._driver
        driver.hosting.store.submit(build_attempt_command(driver.hosting, driver.run, driver.claim, record), answered)


def _remaining_due_at(last: AttemptRecord, now: int) -> int | None:
    """Return when the attempt after this one is due; None = now. What a clock wrote that was put back since is counted from now,
    unless it has moved with that step.
    """
    next_at = last.next_at
    if next_at is not None and last.ended_at is not None and next_at >= last.ended_at > now + STEP_MS:
        next_at -= last.ended_at - now
    return next_at if next_at is not None and next_at > now else None
