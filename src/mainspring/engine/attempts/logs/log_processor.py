"""Where lines of attempts and bodies become values: secrets are taken out, what they belong to is added; then they are kept, and logged.

Invariant: no line goes anywhere before its secrets were taken out. Used in the loop's thread.
"""

import asyncio
from typing import Any

from mainspring.domain.clock import Clock
from mainspring.domain.redaction.redactor import LineRedactor
from mainspring.domain.runs.log_line import Level, LogLine, bound_fields, fit_line, format_value
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.engine.attempts.attempt_reports import EndReport, LogReport
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.logs.lifecycle_log import RUN_LOG, STEP_LOG, LifecycleLog
from mainspring.engine.attempts.logs.log_writer import LogWriter
from mainspring.engine.attempts.step_context import CURRENT_STEP
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.commands.runs import ClaimedRun

_MAX_TEXT = 16 * 1024
_FLUSH_AFTER_S = 1.0

StreamStates = dict[str, tuple[LineRedactor, LogReport]]
"""Of each stream what is held back, and a line as it came."""


class LogProcessor:
    """`environment` and `worker` are the same in each line of this process; `values` says whether inputs and outputs are shown."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        keeper: LogWriter,
        clock: Clock,
        *,
        environment: str = "",
        worker: str = "",
        sealing: Sealing = PLAIN_SEALING,
        values: bool = True,
    ) -> None:
        self._loop = loop
        self._keeper = keeper
        self._clock = clock
        self._environment = environment
        self._worker = worker
        self.life = LifecycleLog(self, sealing, values=values)
        """What the engine says itself."""
        self._printing: dict[tuple[str, str, int], tuple[AttemptSpec, StreamStates]] = {}
        """Attempts that print, with what is held back of each stream."""
        self._timer: asyncio.TimerHandle | None = None

    def take(self, spec: AttemptSpec, sign: LogReport) -> None:
        """Take a line of an attempt."""
        redactor = KNOWN_SECRETS.redactor
        if sign.stream is None:
            self._put(spec, sign, redactor.redact(sign.text), redactor.redact_data(sign.fields) if sign.fields else {})
            return
        _, streams = self._printing.setdefault((spec.run_id, spec.ident, spec.attempt), (spec, {}))
        lines, _ = streams.setdefault(sign.stream, (LineRedactor(), sign))
        for text in lines.feed(redactor, sign.text):
            self._put(spec, sign, text, {})
        if lines.is_holding and self._timer is None:
            self._timer = self._loop.call_later(_FLUSH_AFTER_S, self._settle)

    def end(self, spec: AttemptSpec, sign: EndReport) -> None:
        """Let out what was held back, say how an attempt ended, and hand its lines over."""
        _, streams = self._printing.pop((spec.run_id, spec.ident, spec.attempt), (spec, {}))
        for lines, line in streams.values():
            for text in lines.end(KNOWN_SECRETS.redactor):
                self._put(spec, line, text, {})
        self.life.attempt_ended(spec, sign)
        self._keeper.hand_over(spec.run_id)

    def take_of_body(self, run: ClaimedRun, level: str, text: object, fields: dict[str, object]) -> None:
        """Take a line of a body."""
        plain = KNOWN_SECRETS.redactor.redact_data(bound_fields(fields)) if fields else {}
        self._put_of_run(run, level, KNOWN_SECRETS.redact(escape(format_value(text), _MAX_TEXT)), plain)

    def put(self, spec: AttemptSpec, level: Level, text: str, told: dict[str, Any]) -> None:
        """Take what the engine says of an attempt, without secrets."""
        self._put(spec, LogReport(level, text), text, {}, **told)

    def put_of_run(self, run: ClaimedRun, level: Level, text: str, told: dict[str, Any]) -> None:
        """Take what the engine says of a run, without secrets."""
        self._put_of_run(run, level, text, {}, **told)

    def hand_over(self, run: str) -> None:
        """Hand over what there is of a run."""
        self._keeper.hand_over(run)

    def now(self) -> int:
        """Return the time of lines."""
        return self._clock.now()

    def _settle(self) -> None:
        """Let out what has waited for its next line long enough."""
        self._timer = None
        for spec, streams in self._printing.values():
            for lines, line in streams.values():
                for text in lines.settle(KNOWN_SECRETS.redactor) if lines.is_holding else ():
                    self._put(spec, line, text, {})

    def close(self) -> None:
        """Hand everything over; nothing comes after it."""
        if self._timer is not None:
            self._timer.cancel()
        self._keeper.close()

    def _put(self, spec: AttemptSpec, sign: LogReport, text: str, fields: dict[str, Any], **told: Any) -> None:
        line, data = self._line(
            sign.level, text, fields, step=spec.name, stream=sign.stream, logger=sign.logger, **told
        )
        self._keeper.add(spec.run_id, spec.ident, spec.attempt, line.at, data)
        if sign.is_out or not STEP_LOG.isEnabledFor(line.level.number):
            return
        extra = {"run": spec.run_id, "workflow": spec.automation, "step": spec.name, "attempt": spec.attempt}
        extra |= told | {"fields": fields, "stream": sign.stream, "is_clean": True}
        # Outside of the step: whatever handler of the user's writes this to a stream that is captured must not bring it back here.
        token = CURRENT_STEP.set(None)
        try:
            STEP_LOG.log(line.level.number, "%s", line.text, extra=extra)
        finally:
            CURRENT_STEP.reset(token)

    def _put_of_run(self, run: ClaimedRun, level: str, text: str, fields: dict[str, Any], **told: Any) -> None:
        line, data = self._line(level, text, fields, **told)
        self._keeper.add(run.id, "", 0, line.at, data)
        if RUN_LOG.isEnabledFor(line.level.number):
            extra = {"run": run.id, "workflow": run.automation} | told | {"fields": fields, "is_clean": True}
            RUN_LOG.log(line.level.number, "%s", line.text, extra=extra)

    def _line(self, level: str, text: str, fields: dict[str, Any], **more: Any) -> tuple[LogLine, bytes]:
        line = LogLine(
            at=self._clock.now(),
            level=Level(level),
            text=text,
            fields=fields,
            environment=self._environment,
            worker=self._worker,
            **more,
        )
        return fit_line(line)
