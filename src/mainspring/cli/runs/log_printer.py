"""Log printer and filter, for the lines of one run and of all."""

from typing import TYPE_CHECKING

import msgspec

from mainspring.cli.output import Output
from mainspring.domain.runs.log_line import Level, LogLine, encode_line
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from collections.abc import Iterable

_LEVEL_COLOURS = {Level.DEBUG: "bright_black", Level.INFO: None, Level.WARNING: "yellow", Level.ERROR: "red"}


class LineFilter(msgspec.Struct, frozen=True):
    """The selection of lines; `step` is a step's name. A line that stands for missing lines belongs to no step."""

    step: str | None = None
    attempt: int | None = None
    level: str = "debug"

    def has(self, line: LogLine) -> bool:
        """Return whether a line is selected."""
        return (
            (self.step is None or line.step == self.step)
            and (self.attempt is None or line.attempt == self.attempt)
            and line.level.number >= Level(self.level).number
        )


class LogPrinter:
    """Prints lines as JSON objects or as text. `is_of_many` = of many runs, so that each line names its run."""

    def __init__(self, output: Output, zone: str, *, is_of_many: bool, margin: str = "") -> None:
        self._output = output
        self._zone = zone
        self._is_of_many = is_of_many
        self._margin = margin
        self._day = ""

    def print(self, lines: "Iterable[LogLine]") -> None:
        """Print lines and flush them."""
        for line in lines:
            if self._output.is_json:
                self._output.line(encode_line(line).decode())
            else:
                self._print(line)
        self._output.flush()

    def _print(self, line: LogLine) -> None:
        day, _, clock = formatting.format_instant(line.at, self._zone).partition(" ")
        if day != self._day:
            self._day = day
            self._output.line(self._margin + self._output.paint(f"--- {day} {self._zone}", None, bold=True))
        head, *rest = formatting.escape_text(line.text).split("\n")
        values = {name: value for name, value in (("input", line.input), ("output", line.output)) if value}
        fields = "".join(f"  {name}={formatting.escape_line(value)}" for name, value in (values | line.fields).items())
        level = self._output.paint(f"{line.level.value.upper():<7}", _LEVEL_COLOURS[line.level])
        self._output.line(
            f"{self._margin}{clock}.{line.at % 1000:03} {level} {self._source_prefix(line)}{head}{fields}"
        )
        for continuation in rest:
            self._output.line(f"{self._margin}    {continuation}")

    def _source_prefix(self, line: LogLine) -> str:
        parts = [formatting.escape_line(line.workflow, 30), line.run] if self._is_of_many else []
        if line.step and line.step != line.workflow:
            parts.append(formatting.escape_line(line.step, 30))
        if line.attempt > 1:
            parts.append(f"({line.attempt})")
        return f"{' '.join(parts)}: " if parts else ""
