"""The lifecycle log: the engine's own lines about runs and attempts: start, end, next attempt.

Role: builds the texts; `LogProcessor` handles them like the lines of steps. Starts and good ends are logged only if the level of this
process's log is `debug`, and cost nothing otherwise. Ends that need a check are always logged.
"""

import logging
from typing import TYPE_CHECKING, Any

from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.fingerprint import fingerprint_of
from mainspring.domain.processes.worker_loss import describe_death
from mainspring.domain.redaction.value_summary import summarize_value
from mainspring.domain.runs.journal import Fact
from mainspring.domain.runs.log_line import Level, format_iso_instant
from mainspring.domain.states import AttemptState, FailureReason, OutcomeState, RunState
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.attempts.attempt_reports import EndReport
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.commands.runs import ClaimedRun

if TYPE_CHECKING:
    from mainspring.engine.attempts.logs.log_processor import LogProcessor

STEP_LOG = logging.getLogger("mainspring.step")
RUN_LOG = logging.getLogger("mainspring.run")
_STOPPED = "was stopped"


def is_step_debug_enabled() -> bool:
    """Return whether starts and good ends of attempts are logged."""
    return STEP_LOG.isEnabledFor(logging.DEBUG)


class LifecycleLog:
    """Writes the lines. `values` = lines contain the first characters of inputs and outputs, unless values are sealed: lines are plain."""

    def __init__(self, processor: "LogProcessor", sealing: Sealing, *, values: bool) -> None:
        self._processor = processor
        self._sealing = sealing
        self._has_values = values and sealing.is_plain

    def attempt_started(self, spec: AttemptSpec) -> None:
        """Log the start of an attempt."""
        attributes = self._attributes(AttemptState.STARTED, input=spec.input)
        self._processor.put(spec, Level.DEBUG, f"attempt {spec.attempt} started", attributes)

    def attempt_ended(self, spec: AttemptSpec, report: EndReport) -> None:
        """Log the end of an attempt."""
        duration_ms = report.duration_us // 1000
        if report.failure is not None:
            outcome, level = (_STOPPED, Level.WARNING) if report.stopped else (AttemptState.FAILED.value, Level.ERROR)
            text = f"attempt {spec.attempt} {outcome}: {_failure_text(report.failure)}"
            attributes = self._attributes(outcome, report.failure, input=spec.input, duration_ms=duration_ms)
            self._processor.put(spec, level, KNOWN_SECRETS.redact(text), attributes)
        elif is_step_debug_enabled():
            attributes = self._attributes(OutcomeState.SUCCEEDED, output=report.output, duration_ms=duration_ms)
            self._processor.put(spec, Level.DEBUG, f"attempt {spec.attempt} succeeded", attributes)

    def attempt_follows(self, run: ClaimedRun, name: str, attempt: int, at: int) -> None:
        """Log when the next attempt of a step is due."""
        text = KNOWN_SECRETS.redact(f"attempt {attempt} of {name} follows at {format_iso_instant(at)}")
        self._processor.put_of_run(run, Level.INFO, text, {"state": RunState.RETRYING.value, "step": name})

    def run_started(self, run: ClaimedRun) -> None:
        """Log the start of a new run, if debug lines are logged."""
        if run.fresh and RUN_LOG.isEnabledFor(logging.DEBUG):
            self._processor.put_of_run(
                run, Level.DEBUG, "run started", self._attributes(RunState.RUNNING, input=run.input)
            )

    def run_ended(
        self,
        run: ClaimedRun,
        state: RunState,
        result: bytes | None = None,
        failure: Failure | None = None,
        reason: FailureReason | None = None,
    ) -> None:
        """Log the end of a run, or why it needs a person; success only if debug lines are logged. All its lines are sent before its end."""
        level = _LEVELS.get(state, Level.ERROR)
        if level is Level.DEBUG and not RUN_LOG.isEnabledFor(logging.DEBUG):
            self._processor.flush(run.id)
            return
        cause = ": ".join([*([reason.value] if reason else []), *([_failure_text(failure)] if failure else [])])
        text = f"run {state.value}: {cause}" if cause else f"run {state.value}"
        duration_ms = max(0, self._processor.now() - run.started_at)
        attributes = self._attributes(state.value, failure, output=result, duration_ms=duration_ms)
        self._processor.put_of_run(run, level, KNOWN_SECRETS.redact(text), attributes)
        self._processor.flush(run.id)

    def run_continued(self, run: ClaimedRun) -> None:
        """Log that a run continues after its worker died: which worker, how the death was noticed, after how long."""
        for loss in run.losses:
            after_ms = loss.resumed_after_ms or 0
            text = f"continued after {after_ms / 1000:.1f} s: its {describe_death(loss, format_iso_instant)}"
            attributes = {"state": RunState.RUNNING.value, "duration_ms": after_ms}
            self._processor.put_of_run(run, Level.WARNING, text, attributes)

    def fact_rejected(self, run: ClaimedRun, fact: Fact, failure: Failure) -> None:
        """Log that the run's code cannot read a signal, an event or an answer; the run still waits."""
        text = KNOWN_SECRETS.redact(f"{fact.kind.value} {fact.name} rejected: {_failure_text(failure)}")
        self._processor.put_of_run(run, Level.ERROR, text, {"code": failure.code})

    def _attributes(
        self,
        state: str,
        failure: Failure | None = None,
        *,
        input: bytes | None = None,
        output: bytes | None = None,
        duration_ms: int | None = None,
    ) -> dict[str, Any]:
        """Return the attributes of a line; unknown ones are omitted."""
        attributes: dict[str, Any] = {"state": str(state)}
        if duration_ms is not None:
            attributes["duration_ms"] = duration_ms
        if failure is not None:
            attributes["code"] = failure.code
            attributes["fingerprint"] = fingerprint_of(self._sealing.seal_failure(failure) or failure).id
        if self._has_values:
            values = {"input": input, "output": output}
            attributes |= {
                name: summarize_value(data, KNOWN_SECRETS.redactor) for name, data in values.items() if data is not None
            }
        return attributes


_LEVELS = {RunState.SUCCEEDED: Level.DEBUG, RunState.CANCELLED: Level.INFO}


def _failure_text(failure: Failure) -> str:
    return failure.full_text
