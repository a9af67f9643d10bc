"""`run.log`: log lines of a body, written once: not again in a replay."""

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mainspring.engine.body import Body

_LOG = logging.getLogger("mainspring.run")


class RunLog:
    """Writes through the stdlib's logging with the run's id; silent while saved history is handed over."""

    def __init__(self, body: "Body") -> None:
        self._body = body

    def debug(self, text: str, **fields: object) -> None:
        """Write at level DEBUG."""
        self._write(logging.DEBUG, text, fields)

    def info(self, text: str, **fields: object) -> None:
        """Write at level INFO."""
        self._write(logging.INFO, text, fields)

    def warning(self, text: str, **fields: object) -> None:
        """Write at level WARNING."""
        self._write(logging.WARNING, text, fields)

    def error(self, text: str, **fields: object) -> None:
        """Write at level ERROR."""
        self._write(logging.ERROR, text, fields)

    def _write(self, level: int, text: str, fields: dict[str, object]) -> None:
        if self._body.live:
            _LOG.log(level, "%s", text, extra={"run": self._body.run_id, "fields": fields})
