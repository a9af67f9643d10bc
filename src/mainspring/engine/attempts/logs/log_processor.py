"""The processor of log lines of attempts and bodies: removes secrets, adds run and step, then stores and logs each line.

Invariant: no line is stored or logged before its secrets are removed. Used in the loop's thread.
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
"""By stream: the redactor with its held-back text, and the first line as it came."""


class LogProcessor:
    """Processes lines. `environment` and `worker` are the same in each line; `values` = engine lines show inputs and outputs."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        writer: LogWriter,
        clock: Clock,
        *,
        environment: str = "",
        worker: str = "",
        sealing: Sealing = PLAIN_SEALING,
        values: bool = True,
    ) -> None:
        self._loop = loop
        self._writer = writer
        self._clock = clock
        self._environment = environment
        self._worker = worker
        self.life = LifecycleLog(self, sealing, values=values)
        """The engine's own lines."""
        self._printing: dict[tuple[str, str, int], tuple[AttemptSpec, StreamStates]] = {}
        """Attempts that print, with the held-back text of each stream."""
        self._timer: asyncio.TimerHandle | None = None

    def take(self, spec: AttemptSpec, report: LogReport) -> None:
        """Process a line of an attempt."""
        redactor = KNOWN_SECRETS.redactor
        if report.stream is None:
            self._put(
                spec, report, redactor.redact(report.text), redactor.redact_data(report.fields) if report.fields else {}
            )
            return
        _, streams = self._printing.setdefault((spec.run_id, spec.ident, spec.attempt), (spec, {}))
        lines, _ = streams.setdefault(report.stream, (LineRedactor(), report))
        for text in lines.feed(redactor, report.text):
            self._put(spec, report, text, {})
        if lines.is_holding and self._timer is None:
            self._timer = self._loop.call_later(_FLUSH_AFTER_S, self._flush_held_back)

    def end(self, spec: AttemptSpec, report: EndReport) -> None:
        """Flush the held-back text, log the end of an attempt, and submit its lines."""
        _, streams = self._printing.pop((spec.run_id, spec.ident, spec.attempt), (spec, {}))
        for lines, line in streams.values():
            for text in lines.end(KNOWN_SECRETS.redactor):
                self._put(spec, line, text, {})
        self.life.attempt_ended(spec, report)
        self._writer.flush(spec.run_id)

    def take_of_body(self, run: ClaimedRun, level: str, text: object, fields: dict[str, object]) -> None:
        """Process a line of a body."""
        plain = KNOWN_SECRETS.redactor.redact_data(bound_fields(fields)) if fields else {}
        self._put_of_run(run, level, KNOWN_SECRETS.redact(escape(format_value(text), _MAX_TEXT)), plain)

    def put(self, spec: AttemptSpec, level: Level, text: str, attributes: dict[str, Any]) -> None:
        """Process a line of the engine about an attempt, without secrets."""
        self._put(spec, LogReport(level, text), text, {}, **attributes)

    def put_of_run(self, run: ClaimedRun, level: Level, text: str, attributes: dict[str, Any]) -> None:
        """Process a line of the engine about a run, without secrets."""
        self._put_of_run(run, level, text, {}, **attributes)

    def flush(self, run: str) -> None:
        """Submit the lines of a run."""
        self._writer.flush(run)

    def now(self) -> int:
        """Return the time of lines."""
        return self._clock.now()

    def _flush_held_back(self) -> None:
        """Flush the text that was held back long enough."""
        self._timer = None
        for spec, streams in self._printing.values():
            for lines, line in streams.values():
                for text in lines.settle(KNOWN_SECRETS.redactor) if lines.is_holding else ():
                    self._put(spec, line, text, {})

    def close(self) -> None:
        """Submit all lines; no line comes after this."""
        if self._timer is not None:
            self._timer.cancel()
        self._writer.close()

    def _put(self, spec: AttemptSpec, report: LogReport, text: str, fields: dict[str, Any], **attributes: Any) -> None:
        line, data = self._line(
            report.level, text, fields, step=spec.name, stream=report.stream, logger=report.logger, **attributes
        )
        self._writer.add(spec.run_id, spec.ident, spec.attempt, line.at, data)
        if report.is_out or not STEP_LOG.isEnabledFor(line.level.number):
            return
        extra = {"run": spec.run_id, "workflow": spec.automation, "step": spec.name, "attempt": spec.attempt}
        extra |= attributes | {"fields": fields, "stream": report.stream, "is_clean": True}
        # Outside of the step's context: a user's handler that writes this to a captured stream must not bring it back here.
        token = CURRENT_STEP.set(None)
        try:
            STEP_LOG.log(line.level.number, "%s", line.text, extra=extra)
        finally:
            CURRENT_STEP.reset(token)

    def _put_of_run(self, run: ClaimedRun, level: str, text: str, fields: dict[str, Any], **attributes: Any) -> None:
        line, data = self._line(level, text, fields, **attributes)
        self._writer.add(run.id, "", 0, line.at, data)
        if RUN_LOG.isEnabledFor(line.level.number):
            extra = {"run": run.id, "workflow": run.automation} | attributes | {"fields": fields, "is_clean": True}
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
