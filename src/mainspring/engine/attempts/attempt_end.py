"""The end of an attempt, as it is reported to the driver.

Invariant: exactly one of these holds: `ok`; `refused` is set (the effect happened, its value cannot be saved: it must never
be repeated); `failure` is set. A time-out and a cancellation are failures too, each with its flag.
"""

import signal
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.duration import format_duration
from mainspring.domain.failures.classifier import Classifier
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import Verdict, permanent, transient, unknown
from mainspring.domain.runs.measurement import StepRecord
from mainspring.domain.text.phrases import format_span
from mainspring.domain.values.saved_call import roundtrip_result
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.process_exit import signal_name
from mainspring.store.effect_database import EarlierAttemptError


class LastSign(NamedTuple):
    """The last sign of life of an attempt: its name for people, and how long after the start it came (ms)."""

    name: str
    after_ms: int


class AttemptEnd(msgspec.Struct, kw_only=True):
    """The end of an attempt. `value` is the decoded `output`, so that live runs and replays see the same.

    `duration_us` counts from the call.
    `lost`: nothing was done, because an earlier attempt that was lost or cancelled has not ended yet. Such an attempt never counts.
    """

    ok: bool = False
    output: bytes | None = None
    value: Any = None
    failure: Failure | None = None
    verdict: Verdict | None = None
    refused: Failure | None = None
    duration_us: int = 0
    timed_out: bool = False
    cancelled: bool = False
    lost: bool = False
    is_code_running: bool = False
    """The code of this attempt still runs in this process, which has to end before the next attempt begins."""
    error: BaseException | None = None
    """The raised exception without its traceback, for retry policies that check it; that of a child process is rebuilt."""
    records: tuple[StepRecord, ...] = ()
    """Events, messages and numbers of the step; only if it succeeded."""


def end_with_result(spec: AttemptSpec, value: object, classifier: Classifier, duration_us: int) -> AttemptEnd:
    """Return the end of an attempt whose function returned `value`."""
    try:
        output, same = roundtrip_result(spec.signature, value, f"result of step {spec.name!r}", limit=spec.payload_max)
    except Exception as error:  # noqa: BLE001 - any error: the effect happened, so this must not count as a failed attempt
        return AttemptEnd(refused=Failure.of(error, classifier.classify(error)), duration_us=duration_us)
    return AttemptEnd(ok=True, output=output, value=same, duration_us=duration_us)


def end_with_error(error: BaseException, classifier: Classifier, clock: Clock, duration_us: int) -> AttemptEnd:
    """Return the end of an attempt whose function raised `error`."""
    # Seconds are enough: the time is for a `Retry-After` that holds a date.
    verdict = classifier.classify(error, datetime.fromtimestamp(clock.now() // 1000, UTC))
    lost = issubclass(type(error), EarlierAttemptError)  # an error may lie about its class
    failure = Failure.of(error, verdict)
    bare = error.with_traceback(None)  # its frames hold the attempt, which holds this
    return AttemptEnd(failure=failure, verdict=verdict, duration_us=duration_us, lost=lost, error=bare)


def end_with_timeout(spec: AttemptSpec, duration_us: int, cause: Failure | None = None) -> AttemptEnd:
    """Return the end of an attempt that took longer than its time-out."""
    span = format_duration(spec.timeout) if spec.timeout is not None else "?"
    verdict = transient("timeout")
    failure = Failure(
        type="TimeoutError",
        code=verdict.code,
        message=f"attempt {spec.attempt} of step {spec.name!r} took longer than its time-out of {span}",
        kind=verdict.kind,
        cause=cause,
    )
    error = TimeoutError(failure.message)
    return AttemptEnd(failure=failure, verdict=verdict, duration_us=duration_us, timed_out=True, error=error)


def end_with_silence(
    spec: AttemptSpec, last: LastSign | None, duration_us: int, cause: Failure | None = None
) -> AttemptEnd:
    """Return the end of an attempt that gave no sign of life for its heartbeat. `last` = the last sign; None = it gave none."""
    span = format_duration(spec.heartbeat) if spec.heartbeat is not None else "?"
    since = " since its start"
    if last is not None:
        since = f": the last one was {last.name}, {format_span(last.after_ms)} after its start"
    verdict = transient("heartbeat_timeout")
    failure = Failure(
        type="TimeoutError",
        code=verdict.code,
        message=f"attempt {spec.attempt} of step {spec.name!r} gave no sign of life for its heartbeat of {span}{since}",
        kind=verdict.kind,
        hint="ms.progress(), ms.checkpoint(), ms.heartbeat() and each log line are signs of life. Give one more often, or set a longer "
        "heartbeat=.",
        cause=cause,
    )
    error = TimeoutError(failure.message)
    return AttemptEnd(failure=failure, verdict=verdict, duration_us=duration_us, timed_out=True, error=error)


def end_with_cancellation(spec: AttemptSpec, reason: str, duration_us: int, cause: Failure | None = None) -> AttemptEnd:
    """Return the end of an attempt that was cancelled."""
    verdict = permanent("cancelled")
    failure = Failure(
        type="CancelledError",
        code=verdict.code,
        message=f"attempt {spec.attempt} of step {spec.name!r} was cancelled: {reason}",
        kind=verdict.kind,
        cause=cause,
    )
    return AttemptEnd(failure=failure, verdict=verdict, duration_us=duration_us, cancelled=True)


def end_with_child_death(spec: AttemptSpec, code: int, last_words: str, duration_us: int) -> AttemptEnd:
    """Return the end of an attempt whose child process ended without an answer.

    `code` is negative for a signal; `last_words` is its last line on stderr, printable.
    """
    verdict = unknown("child_died")
    by_signal = code < 0
    death = f"killed by {signal_name(-code)}" if by_signal else f"it ended with exit code {code}"
    failure = Failure(
        type="ChildDied",
        code=verdict.code,
        message=f"the child process of step {spec.name!r} died in attempt {spec.attempt}: {death}",
        kind=verdict.kind,
        hint=_SIGNAL_HINTS.get(-code) or (f"Its last line on stderr: {last_words}" if last_words else None),
        data={"signal": signal_name(-code)} if by_signal else {"exit_code": code},
    )
    return AttemptEnd(failure=failure, verdict=verdict, duration_us=duration_us)


_SIGNAL_HINTS: dict[int, str] = {
    signal.SIGKILL: "Usually the system killed it because memory ran out.",
    signal.SIGSEGV: "A library written in C failed; its own output may say where.",
}
