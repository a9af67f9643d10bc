"""The log of a Mainspring process: lines on its standard error, as JSON for collectors or as text for people.

Invariants: a line holds no secret that this process knows, and no character that harms a terminal. A line of an attempt names
the attempt.
"""

import logging
import os
import socket
import sys
from functools import cache
from typing import Any, TextIO

from mainspring.config.settings import LogsSettings
from mainspring.domain.runs.log_line import Level, LogLine, bound_fields, encode_line
from mainspring.domain.text.escaping import escape
from mainspring.engine.attempts.step_context import CURRENT_STEP
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.resources.process_output import redact_process_output, redact_stream

_MAX_TEXT_LENGTH = 64 * 1024
_DEFAULT_SETTINGS = LogsSettings()


def configure_log(logs: LogsSettings = _DEFAULT_SETTINGS, *, environment: str = "", verbose: bool = False) -> None:
    """Write the log records of this process from now on. A second call changes the format and level."""
    KNOWN_SECRETS.add_variables(os.environ)
    redact_process_output()
    is_json = logs.format == "json" or (logs.format == "auto" and not sys.stderr.isatty())
    handler = _ProcessHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(environment) if is_json else TextFormatter())
    level = logging.DEBUG if verbose else Level(logs.level).number
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("watchfiles").setLevel(max(level, logging.WARNING))  # it logs each change of each file


class _ProcessHandler(logging.StreamHandler[TextIO]):
    """Writes records past the redaction of its stream: their formatters have hidden all secrets."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._write_redacted = redact_stream(stream)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            assert self.formatter is not None
            self._write_redacted(f"{self.formatter.format(record)}\n")
            self.flush()
        except Exception:  # noqa: BLE001 - like any handler
            self.handleError(record)


@cache
def process_name() -> str:
    """Return the name of this process in log lines: host and process number."""
    return f"{socket.gethostname()}:{os.getpid()}"


class TextFormatter(logging.Formatter):
    """Formats lines for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with its run, step and attempt at the end."""
        text = super().format(record)
        context = _record_context(record)
        if context:
            words = [str(context[name]) for name in ("workflow", "run", "step") if context.get(name)]
            text += f"  [{' '.join(words)}{_attempt_text(context)}]"
        return _clean_text(record, text)


_OWN_LOGGERS = ("mainspring.step", "mainspring.run")
"""Loggers of Mainspring whose records name the run and step of a line."""
_RECORD_FIELDS = (
    *("run", "workflow", "step", "attempt", "stream", "state", "code", "fingerprint", "duration_ms"),
    *("input", "output"),
)


class JsonFormatter(logging.Formatter):
    """Formats one JSON object a line: a domain.log_line.LogLine."""

    def __init__(self, environment: str) -> None:
        super().__init__()
        self._environment = environment

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[0] is not None:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        fields = bound_fields(getattr(record, "fields", None) or {})
        line = LogLine(
            at=int(record.created * 1000),
            level=Level.of(record.levelno),
            text=_clean_text(record, text),
            logger=record.name,
            environment=self._environment,
            worker=process_name(),
            fields=KNOWN_SECRETS.redactor.redact_data(fields) if fields else {},
            **_record_context(record),
        )
        return encode_line(line).decode()


def _clean_text(record: logging.LogRecord, text: str) -> str:
    """Return a text that is safe to print; the text of an attempt's line is safe already."""
    is_clean = record.name in _OWN_LOGGERS and getattr(record, "is_clean", False)
    return text if is_clean else escape(KNOWN_SECRETS.redact(text), _MAX_TEXT_LENGTH)


def _record_context(record: logging.LogRecord) -> dict[str, Any]:
    """Return the run, step and attempt of a record: those that it names, or those of the running step."""
    context: dict[str, Any] = {}
    if record.name in _OWN_LOGGERS:  # other loggers' attributes are theirs, and not read
        context = {name: value for name in _RECORD_FIELDS if (value := getattr(record, name, None)) is not None}
    step = CURRENT_STEP.get()
    if "run" not in context and step is not None:
        return {"run": step.run_id, "workflow": step.automation, "step": step.name, "attempt": step.attempt}
    return context if isinstance(context.get("run"), str) else {}


def _attempt_text(context: dict[str, Any]) -> str:
    number = context.get("attempt", 0)
    return f", attempt {number}" if isinstance(number, int) and number > 1 else ""
