"""A live step: its attempt runs or is due at a known time. Builds its attempt and its records."""

from typing import Any

from mainspring.domain.errors import DefinitionError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import AttemptRecord, Checkpoint
from mainspring.domain.states import AttemptState
from mainspring.domain.values.saved_call import decode_call
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.executor import AttemptHandle
from mainspring.engine.attempts.isolation import choose_isolation, name_undo
from mainspring.engine.body.request import Request, StepCall
from mainspring.engine.driver.driver_host import DriverHost
from mainspring.store.commands.journal import SaveAttempt
from mainspring.store.commands.runs import ClaimedRun

_MAX_WAIT_FOR_EARLIER_MS = 60_000


class LiveStep:
    """One running step. `failures` counts the attempts that the retry policy counts; `attempt` counts all."""

    __slots__ = (
        "attempt",
        "call",
        "failures",
        "first_at",
        "handle",
        "marked",
        "reported_at",
        "request",
        "started_at",
        "stopped",
        "transaction",
    )

    def __init__(self, request: Request, call: StepCall) -> None:
        self.request = request
        self.call = call
        self.attempt = 1
        self.failures = 0
        self.first_at = 0
        self.started_at = 0
        self.handle: AttemptHandle | None = None
        self.marked = False
        self.reported_at = 0
        self.stopped = False
        self.transaction: Any = None

    @property
    def undo_name(self) -> str | None:
        """The name of its undo, by which a later generation finds it."""
        return None if self.call.plan.undo is None else name_undo(self.call.plan.undo)

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of this attempt; a retry decodes them again, because an earlier attempt may have changed them."""
        call = self.call
        if self.attempt == 1:
            return call.args, call.kwargs
        return decode_call(call.signature, call.input, f"input of step {self.request.name!r}")

    def spec(
        self, run: ClaimedRun, key: str, checkpoint: Checkpoint | None, payload_max: int, headers: bytes | None
    ) -> AttemptSpec:
        """Return the spec of this attempt; `headers` = those of the run as JSON.

        Raises:
            DefinitionError: the step cannot run with its isolation.
        """
        call, request = self.call, self.request
        isolate = choose_step_isolation(call)
        args, kwargs = self.arguments()
        return AttemptSpec(
            run_id=run.id,
            ident=request.ident,
            name=request.name,
            key=key,
            attempt=self.attempt,
            generation=run.generation,
            fn=call.fn,
            signature=call.signature,
            input=call.input,
            args=args,
            kwargs=kwargs,
            isolate=isolate,
            timeout=call.plan.timeout,
            heartbeat=call.plan.heartbeat,
            overlaps=call.plan.overlaps,
            checkpoint=checkpoint.value if checkpoint is not None else None,
            slot_at=run.slot_at,
            automation=run.automation,
            version=run.version,
            payload_max=payload_max,
            is_first=self.attempt == 1 and run.fresh,
            headers=headers,
        )

    def wait_for_earlier_ms(self) -> int:
        """Return how long (ms) to wait for an earlier attempt that is still being ended elsewhere; grows with each such attempt."""
        return min(1000 << min(self.attempt - self.failures - 1, 10), _MAX_WAIT_FOR_EARLIER_MS)

    def stop(self, reason: str) -> None:
        """Stop the attempt, and release its transaction in the user's database."""
        if self.handle is not None:
            self.handle.cancel(reason)
        if self.transaction is not None:
            self.transaction.abandon()

    def move(self, by_ms: int, new_from: int, now: int) -> None:
        """Move its instants by as much as the clock was set, except those from `new_from` to `now`: the new clock wrote them."""
        for name in ("first_at", "started_at", "reported_at"):
            at = getattr(self, name)
            if at and not new_from <= at <= now:
                setattr(self, name, at + by_ms)

    def restore_attempt(self, records: list[AttemptRecord]) -> AttemptRecord:
        """Continue after the recorded attempts; return the last of them."""
        last = max(records, key=lambda record: record.attempt)
        self.attempt = last.attempt + 1
        self.failures = sum(1 for record in records if record.state is AttemptState.FAILED)
        self.first_at = min(record.started_at for record in records)
        self.marked = True
        return last

    def record(
        self,
        generation: int,
        state: AttemptState,
        failure: Failure | None = None,
        ended_at: int | None = None,
        next_at: int | None = None,
    ) -> AttemptRecord:
        """Return this attempt as a row of `attempts`."""
        request = self.request
        return AttemptRecord(
            request.ident,
            request.name,
            generation,
            self.attempt,
            state,
            request.request_number,
            self.started_at,
            ended_at,
            next_at,
            failure,
            self.call.input,
            self.undo_name,
        )


def build_attempt_command(host: DriverHost, run: ClaimedRun, claim: int, record: AttemptRecord) -> SaveAttempt:
    """Return the command that saves an attempt."""
    return SaveAttempt(
        *(run.id, claim, record.ident, record.name),
        record.generation,
        record.attempt,
        record.state,
        record.request_number,
        record.started_at,
        run.automation,
        record.ended_at,
        record.next_at,
        host.seal_failure(record.failure),
        host.seal(record.input),
        record.undo,
    )


def choose_step_isolation(call: StepCall) -> str:
    """Return the isolation of a step: "loop", "thread" or "process".

    Raises:
        DefinitionError: the step cannot run with its isolation.
    """
    plan = call.plan
    if plan.delivery != "transactional":
        return choose_isolation(
            call.fn, {"isolate": plan.isolate, "timeout": plan.timeout, "heartbeat": plan.heartbeat}
        )
    if plan.isolate == "process":
        raise DefinitionError(
            f"step {call.signature.name!r} is transactional and cannot run in a child process",
            hint="Leave isolate= out: its timeout rolls the transaction back.",
        )
    return "thread"


def build_in_doubt_failure(name: str, last: AttemptState) -> Failure:
    """Return the failure of an at-most-once step in doubt: its last attempt was lost with its worker, or cancelled by the workflow."""
    cause = f"the worker died while {name!r} was running"
    if last is AttemptState.IN_DOUBT:
        cause = f"the workflow abandoned {name!r} while it was running, and calls it again"
    return Failure(
        type="InDoubt",
        code="in_doubt",
        message=f"{cause}; it may or may not have had its effect",
        hint="Check the target system, then: runs give-result RUN JSON, or runs retry RUN --again STEP to run "
        "it again under the same key.",
    )
