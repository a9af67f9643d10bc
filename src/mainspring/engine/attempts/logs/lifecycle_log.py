"""What the engine itself says of runs and attempts: that they began, how they ended, what follows.

Role: finds the words; `LogProcessor` takes them as it takes the lines of steps. That something began or went well is said where the level
of this process's log is `debug`, and costs nothing elsewhere. Ends that need a look are always said.
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
    """Tell whether somebody listens to beginnings and good ends of attempts."""
    return STEP_LOG.isEnabledFor(logging.DEBUG)


class LifecycleLog:
    """`values` = lines carry the beginning of inputs and outputs. Where values are sealed none does: a line is also written in plain."""

    def __init__(self, desk: "LogProcessor", sealing: Sealing, *, values: bool) -> None:
        self._desk = desk
        self._sealing = sealing
        self._has_values = values and sealing.is_plain

    def attempt_began(self, spec: AttemptSpec) -> None:
        """Say that an attempt begins."""
        told = self._told(AttemptState.STARTED, input=spec.input)
        self._desk.put(spec, Level.DEBUG, f"attempt {spec.attempt} started", told)

    def attempt_ended(self, spec: AttemptSpec, sign: EndReport) -> None:
        """Say how an attempt ended."""
        duration_ms = sign.took_us // 1000
        if sign.failure is not None:
            how, level = (_STOPPED, Level.WARNING) if sign.stopped else (AttemptState.FAILED.value, Level.ERROR)
            text = f"attempt {spec.attempt} {how}: {_failure_text(sign.failure)}"
            told = self._told(how, sign.failure, input=spec.input, duration_ms=duration_ms)
            self._desk.put(spec, level, KNOWN_SECRETS.redact(text), told)
        elif is_step_debug_enabled():
            told = self._told(OutcomeState.SUCCEEDED, output=sign.output, duration_ms=duration_ms)
            self._desk.put(spec, Level.DEBUG, f"attempt {spec.attempt} succeeded", told)

    def attempt_follows(self, run: ClaimedRun, name: str, attempt: int, at: int) -> None:
        """Say when the next attempt of a step is."""
        text = KNOWN_SECRETS.redact(f"attempt {attempt} of {name} follows at {format_iso_instant(at)}")
        self._desk.put_of_run(run, Level.INFO, text, {"state": RunState.RETRYING.value, "step": name})

    def run_began(self, run: ClaimedRun) -> None:
        """Say that a run begins, if it does not go on and somebody listens."""
        if run.fresh and RUN_LOG.isEnabledFor(logging.DEBUG):
            self._desk.put_of_run(run, Level.DEBUG, "run started", self._told(RunState.RUNNING, input=run.input))

    def run_ended(
        self,
        run: ClaimedRun,
        state: RunState,
        result: bytes | None = None,
        failure: Failure | None = None,
        reason: FailureReason | None = None,
    ) -> None:
        """Say how a run ended, or why it needs a person; that it succeeded only if somebody listens."""
        level = _LEVELS.get(state, Level.ERROR)
        if level is Level.DEBUG and not RUN_LOG.isEnabledFor(logging.DEBUG):
            return
        why = ": ".join([*([reason.value] if reason else []), *([_failure_text(failure)] if failure else [])])
        text = f"run {state.value}: {why}" if why else f"run {state.value}"
        took = max(0, self._desk.now() - run.started_at)
        told = self._told(state.value, failure, output=result, duration_ms=took)
        self._desk.put_of_run(run, level, KNOWN_SECRETS.redact(text), told)
        self._desk.hand_over(run.id)

    def run_continued(self, run: ClaimedRun) -> None:
        """Say that the run is continued after its worker died: who died, how that was noticed, after how long."""
        for loss in run.losses:
            after_ms = loss.resumed_after_ms or 0
            text = f"continued after {after_ms / 1000:.1f} s: its {describe_death(loss, format_iso_instant)}"
            told = {"state": RunState.RUNNING.value, "duration_ms": after_ms}
            self._desk.put_of_run(run, Level.WARNING, text, told)

    def fact_rejected(self, run: ClaimedRun, fact: Fact, failure: Failure) -> None:
        """Say that the run's code cannot read a signal or event, and waits on."""
        text = KNOWN_SECRETS.redact(f"{fact.kind.value} {fact.name} rejected: {_failure_text(failure)}")
        self._desk.put_of_run(run, Level.ERROR, text, {"code": failure.code})

    def _told(
        self,
        state: str,
        failure: Failure | None = None,
        *,
        input: bytes | None = None,
        output: bytes | None = None,
        duration_ms: int | None = None,
    ) -> dict[str, Any]:
        """Return the fields of a line; what is not known is left out."""
        told: dict[str, Any] = {"state": str(state)}
        if duration_ms is not None:
            told["duration_ms"] = duration_ms
        if failure is not None:
            told["code"] = failure.code
            told["fingerprint"] = fingerprint_of(self._sealing.seal_failure(failure) or failure).id
        if self._has_values:
            values = {"input": input, "output": output}
            told |= {
                name: summarize_value(data, KNOWN_SECRETS.redactor) for name, data in values.items() if data is not None
            }
        return told


_LEVELS = {RunState.SUCCEEDED: Level.DEBUG, RunState.CANCELLED: Level.INFO}


def _failure_text(failure: Failure) -> str:
    return failure.full_text
