"""The end of a run, derived from the end of its body: pure functions over the finished body."""

import asyncio
import logging
import shlex
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.domain.errors import BodyError, MainspringError, Permanent
from mainspring.domain.failures.error_location import locate_line
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.saved_error import StepFailed
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.processes.hash_seed import HASH_SEED_FIX, hash_seed_fingerprint
from mainspring.domain.runs.journal import CLEANUP_DETAIL, Outcome, OutcomeKind
from mainspring.domain.states import FailureReason, RunState
from mainspring.engine.body.lost_errors import LostError
from mainspring.engine.body.request import Restarted, RolledBack
from mainspring.engine.commands.output_file_check import NOT_PRODUCED
from mainspring.engine.commands.result_schema import NOT_EXPECTED, ResultNotExpected
from mainspring.store.commands.runs import ClaimedRun

if TYPE_CHECKING:
    from mainspring.engine.body.body import Body
    from mainspring.engine.body.drift import Drift
    from mainspring.engine.body.moved_steps import MovedStep
    from mainspring.engine.body.programs import Program
    from mainspring.engine.body.step_names import MissingStep

_LOG = logging.getLogger("mainspring.worker")
FailureBuilder = Callable[[BaseException], Failure]

_MAY_AWAIT = (
    "A body may await run.*, asyncio.sleep and tasks made of them. Put anything else into run.step(function, ...)."
)


@dataclass(frozen=True, slots=True)
class RunHalt:
    """The reason why a run needs a person."""

    reason: FailureReason
    failure: Failure | None
    ident: str | None
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The end of a run. `restart` = the input with which it starts again; `size` = bytes of its output.

    `unhandled` = requests of failed children that no code awaited.
    """

    state: RunState
    result: bytes | None = None
    failure: Failure | None = None
    reason: FailureReason | None = None
    failed_ident: str | None = None
    restart: bytes | None = None
    size: int | None = None
    unhandled: tuple[str, ...] = ()
    detail: dict[str, Any] = field(default_factory=dict)


_INPUT_HINT = (
    "Accept the new input: runs retry RUN --accept STEP. Or run it again from there: runs retry RUN --from-step STEP."
)
_REPLY_HINT = (
    "The reply was given and stays. To continue with the code of now: runs retry RUN --accept STEP. Or handle the update "
    "again: runs retry RUN --from-step STEP."
)


def build_drift_halt(drift: "Drift", seal: Callable[[bytes | None], bytes | None]) -> RunHalt:
    """Return the halt of a run with drift: the step, and the differences."""
    if drift.unread is not None:
        return _build_unread_halt(drift)
    changes = [{"path": change.path, "was": change.was, "now": change.now} for change in drift.changes]
    if drift.is_newer_version:
        return _build_newer_version_halt(drift, changes)
    failure = Failure(
        type="Drift",
        code="drift",
        message=f"the handler of update {drift.name!r} returns another reply than the saved one ({drift.ident})"
        if drift.is_reply
        else f"the code requests the saved step {drift.name!r} ({drift.ident}) with another input",
        kind=FailureKind.PERMANENT,
        hint=_REPLY_HINT if drift.is_reply else _INPUT_HINT,
        data=changes,
    )
    return RunHalt(
        FailureReason.DRIFT,
        failure,
        drift.ident,
        {"drift": {drift.ident: b64encode(seal(drift.input) or b"").decode()}},
    )


def _build_newer_version_halt(drift: "Drift", changes: list[dict[str, str]]) -> RunHalt:
    """Return the halt of a run that takes a newer version of a change than the code has."""
    (change,) = changes
    failure = Failure(
        type="Drift",
        code="drift",
        message=f"the run takes version {change['was']} of the change {drift.name!r}, and the current code has version "
        f"{change['now']} at most",
        kind=FailureKind.PERMANENT,
        hint="Deploy the code that has this version, then: runs retry RUN.",
        data=changes,
    )
    return RunHalt(FailureReason.DRIFT, failure, drift.ident, {})


def _build_unread_halt(drift: "Drift") -> RunHalt:
    """Return the halt of a run whose code cannot read a fact that the run accepted before."""
    failure = Failure(
        type="Drift",
        code="drift",
        message=f"the current code cannot read {drift.unread} (saved as {drift.ident})",
        kind=FailureKind.PERMANENT,
        hint="Change its type so that it reads the saved value, restart the worker, then: runs retry RUN. Or "
        "wait for another one from there: runs retry RUN --from-step STEP.",
    )
    return RunHalt(FailureReason.DRIFT, failure, drift.ident, {"unread": drift.ident})


def add_seed_hint(halted: RunHalt, started_under: str | None) -> RunHalt:
    """Name the hash seed as the likely cause of a drift, if the run started in a process with another one."""
    if halted.failure is None or started_under in (None, hash_seed_fingerprint()):
        return halted
    cause = (
        "The run started in a process with another hash seed, and so with another order of sets: that is "
        f"the likely cause. To fix it, {HASH_SEED_FIX}; `mainspring up` does. Then: runs retry RUN "
        "--from-step STEP."
    )
    hint = f"{cause}\n{halted.failure.hint}" if halted.failure.hint else cause
    return replace(halted, failure=msgspec.structs.replace(halted.failure, hint=hint))


def build_renamed_step_halt(missing: "MissingStep") -> RunHalt:
    """Return the halt of a run with a saved step that the current code cannot request, while it requests a new one."""
    old, new = missing.old, missing.new
    failure = Failure(
        type="Drift",
        code="drift",
        message=f"the current code does not request the saved step {old!r} any more, and requests the new step "
        f"{new!r}: was it renamed?",
        kind=FailureKind.PERMANENT,
        hint=f"The same step: runs retry RUN --map {old}={new}, or was={old!r} on the step. Removed on "
        f"purpose: runs retry RUN --accept {old}, or gone=[{old!r}] on the workflow. Run it again: runs "
        f"retry RUN --from-step {old}.",
        data=[{"path": "name of a step", "was": old, "now": new}],
    )
    return RunHalt(
        FailureReason.DRIFT, failure, missing.ident, {"renamed": {"ident": missing.ident, "old": old, "new": new}}
    )


def build_moved_step_halt(moved: "MovedStep") -> RunHalt:
    """Return the halt of a run whose code requests a saved step under another identity."""
    old, new, pair = moved.old, moved.new, shlex.quote(f"{moved.old}={moved.new}")
    quoted = shlex.quote(old)
    failure = Failure(
        type="Drift",
        code="drift",
        message=f"the current code requests the saved step {moved.ident!r} as {moved.requested!r}, with the same input: "
        "was its key or its place changed?",
        kind=FailureKind.PERMANENT,
        hint=f"The same step: runs retry RUN --map {pair}. Another step: runs retry RUN --accept {quoted}. Run it "
        f"again: runs retry RUN --from-step {quoted}. Or undo the edit, restart the worker, then: runs retry RUN.",
        data=[{"path": "identity of a step", "was": moved.ident, "now": moved.requested}],
    )
    return RunHalt(
        FailureReason.DRIFT, failure, moved.ident, {"renamed": {"ident": moved.ident, "old": old, "new": new}}
    )


_UNSTOPPABLE_HINT = (
    "It catches the exception that ends it. A bare `except:` and `except BaseException:` must end "
    "with `raise`; `except Exception:` is fine."
)


def build_unstoppable_halt() -> RunHalt:
    """Return the halt of a run whose body continues after its cancel."""
    failure = Failure(
        type="BodyError",
        code=BodyError.code,
        message="the workflow continues after it was stopped",
        kind=FailureKind.PERMANENT,
        hint=f"{_UNSTOPPABLE_HINT} Fix it, restart the worker, then: runs retry RUN, or runs cancel RUN.",
    )
    return RunHalt(FailureReason.BODY_ERROR, failure, None, {})


def warn_of_unstoppable(run: ClaimedRun) -> None:
    """Warn of a body that continues after it was unloaded: the run is not harmed, but its code stays in memory."""
    _LOG.warning(
        "run %s: the code of %s continues although it is being unloaded. %s", run.id, run.automation, _UNSTOPPABLE_HINT
    )


def build_run_end(body: "Body", program: "Program", failure_of: FailureBuilder) -> RunEnd:
    """Return the end of the run from the end of its coroutine."""
    unasked = sorted(body.unclaimed)
    detail: dict[str, Any] = {"unasked": unasked[:100]} if unasked else {}
    if body.stop.cleanup_end is not None:
        detail[CLEANUP_DETAIL] = str(body.stop.cleanup_end)
    if not body.done:
        return _stuck_end(body, detail, failure_of)
    task = body.task
    assert task is not None
    if task.cancelled():
        return _cancelled_end(body, detail, failure_of)
    error_raised = _safe_error(task.exception())
    if error_raised is None:
        try:
            result = program.encode_result(task.result())
            size = program.measure(result) if body.notes.reported_size is None else body.notes.reported_size
            unawaited = body.failures.unawaited()
            if unawaited:
                detail["unawaited"] = [_unawaited_failure(outcome) for outcome in unawaited[:100]]
            unhandled = tuple(outcome.ident for outcome in unawaited if outcome.kind is OutcomeKind.CHILD)
            return RunEnd(RunState.SUCCEEDED, result=result, detail=detail, size=size, unhandled=unhandled)
        except Exception as refused:  # noqa: BLE001  the workflow's own result cannot be saved
            return RunEnd(
                RunState.FAILED, failure=failure_of(refused), reason=FailureReason.VALUE_REFUSED, detail=detail
            )
    if isinstance(error_raised, Restarted):
        if body.stop.kind is not None:  # a stop that arrived with the restart also stops the restarted run
            return _cancelled_end(body, detail, failure_of)
        return RunEnd(RunState.SUCCEEDED, restart=error_raised.input, detail=detail)
    return _add_lost_hint(_failed_end(body, error_raised, detail, failure_of), body.loop.lost_errors.find(error_raised))


def _stuck_end(body: "Body", detail: dict[str, Any], failure_of: FailureBuilder) -> RunEnd:
    """Return the end of a body that awaits no request; often it waits for a task that has failed."""
    error = BodyError(
        "the workflow awaits something that Mainspring cannot complete. Use run.step(...)", hint=_MAY_AWAIT
    )
    for lost in body.loop.lost_errors:
        error = BodyError(
            f"a {lost.origin} failed, and the workflow awaits something that only other code can complete: "
            f"{failure_of(lost.error).headline}",
            hint=lost.hint,
        )
        error.__cause__ = lost.error
        break
    return RunEnd(RunState.FAILED, failure=failure_of(error), reason=FailureReason.BODY_ERROR, detail=detail)


def _unawaited_failure(outcome: Outcome) -> str:
    place = locate_line(outcome.failure.frames) if outcome.failure is not None else ""
    return f"{outcome.kind} {outcome.name} failed, and nothing awaited it" + (f" ({place})" if place else "")


def warn_of_unawaited(run: ClaimedRun, detail: dict[str, Any]) -> None:
    """Warn of failures in a run that succeeded: a task that no code awaits fails silently."""
    for failure in detail.get("unawaited", ()):
        _LOG.warning("run %s of %s succeeded, but %s", run.id, run.automation, failure)


def _safe_error(error: BaseException | None) -> BaseException | None:
    """Return the error, or a BodyError in its place if reading its class raises: users' classes may."""
    try:
        _ = error.__class__
    except BaseException as fault:  # noqa: BLE001 - whatever it raises
        message = f"the workflow raised {type(error).__name__}, whose class cannot be read: {type(fault).__name__}"
        return BodyError(message, hint="Raise an ordinary exception.")
    return error


def _cancelled_end(body: "Body", detail: dict[str, Any], failure_of: FailureBuilder) -> RunEnd:
    if body.stop.kind is OutcomeKind.CANCEL:
        return RunEnd(RunState.CANCELLED, detail=detail)
    if body.stop.kind is OutcomeKind.DEADLINE:
        failure = Failure(
            type="DeadlineExceeded",
            code="deadline",
            message="the run's deadline passed before it ended",
            kind=FailureKind.PERMANENT,
            hint="Continue it with a new deadline: runs retry RUN; or raise deadline= of the automation.",
        )
        return RunEnd(RunState.FAILED, failure=failure, reason=FailureReason.DEADLINE, detail=detail)
    error = asyncio.CancelledError("the workflow cancelled itself")
    return RunEnd(RunState.FAILED, failure=failure_of(error), reason=FailureReason.BODY_ERROR, detail=detail)


def _failed_end(body: "Body", error: BaseException, detail: dict[str, Any], failure_of: FailureBuilder) -> RunEnd:
    if isinstance(error, RolledBack):
        failure = Failure(type="RolledBack", code="rolled_back", message=error.reason, kind=FailureKind.PERMANENT)
        return RunEnd(RunState.FAILED, failure=failure, reason=FailureReason.ROLLED_BACK, detail=detail)
    failed = _step_failure(error)
    failing = body.failures.causes_of(error)
    if failing:
        detail["failing"] = failing
    if isinstance(error, RuntimeError) and "attached to a different loop" in str(error):  # asyncio's own words
        error = BodyError(f"the workflow awaits something of another event loop: {error}", hint=_MAY_AWAIT)
    if failed is None:
        reason = FailureReason.PERMANENT_ERROR if isinstance(error, Permanent) else FailureReason.BODY_ERROR
        if isinstance(error, MainspringError) and error.code == "value_refused":
            reason = FailureReason.VALUE_REFUSED
        if isinstance(error, ResultNotExpected):
            reason = FailureReason.NO_OUTPUT
        return RunEnd(RunState.FAILED, failure=failure_of(error), reason=reason, detail=detail)
    reason = (
        FailureReason.PERMANENT_ERROR
        if failed.failure.kind is FailureKind.PERMANENT
        else FailureReason.RETRIES_EXHAUSTED
    )
    if failed.failure.code in (NOT_PRODUCED, NOT_EXPECTED):
        reason = FailureReason.NO_OUTPUT
    ident = body.failures.ident_of(failed.failure)
    return RunEnd(RunState.FAILED, failure=failed.failure, reason=reason, failed_ident=ident, detail=detail)


def _add_lost_hint(end: RunEnd, lost: LostError | None) -> RunEnd:
    """State in the hint that no code could handle the error that ends the run."""
    if lost is None or end.failure is None:
        return end
    hint = f"{lost.hint}\n{end.failure.hint}" if end.failure.hint else lost.hint
    return replace(end, failure=msgspec.structs.replace(end.failure, hint=hint))


def _step_failure(error: BaseException) -> StepFailed | None:
    """Return the failed step that an error stands for: the error itself, or the first in a group."""
    if isinstance(error, StepFailed):
        return error
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            found = _step_failure(inner)
            if found is not None:
                return found
    return None
