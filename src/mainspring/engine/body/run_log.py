"""`run.log`: the log of a run for its workflow body, and for the middleware around it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mainspring.engine.body.body import Body


class RunLog:
    """The log of a run, `run.log` in a workflow body. Its lines are stored with the run; a replay writes none again.

    `fields` = JSON values that belong to the line.
    """

    def __init__(self, body: "Body", *, is_of_middleware: bool = False) -> None:
        self._body = body
        self._is_of_middleware = is_of_middleware

    def debug(self, text: str, **fields: object) -> None:
        """Write a line that is shown only on request."""
        self._write("debug", text, fields)

    def info(self, text: str, **fields: object) -> None:
        """Write a line about what the run does."""
        self._write("info", text, fields)

    def warning(self, text: str, **fields: object) -> None:
        """Write a line about something that may need a check."""
        self._write("warning", text, fields)

    def error(self, text: str, **fields: object) -> None:
        """Write a line about a failure. The run continues: raise an error to end it."""
        self._write("error", text, fields)

    def _write(self, level: str, text: str, fields: dict[str, object]) -> None:
        if not self._is_of_middleware:
            self._body.refuse_if_read_only()
        on_line = self._body.notes.on_line
        if self._body.live and on_line is not None:
            on_line(level, text, fields)
