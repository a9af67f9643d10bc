"""Output of a command: data on stdout, all else on stderr.

A reader that closes the pipe (`| head`) ends the program quietly. Tables fit the terminal; elsewhere each row is one whole line.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, TextIO

import click

from mainspring.cli.exits import make_output_lost_error
from mainspring.cli.global_flags import GlobalFlags
from mainspring.cli.table import TableColumn, format_cells, lay_out
from mainspring.insight.text.formatting import escape_text

_DEFAULT_WIDTH = 80


class Output:
    """The two streams of one call."""

    def __init__(self, flags: GlobalFlags, env: Mapping[str, str] = os.environ) -> None:
        self._flags = flags
        self._env = env
        self._reserved_stdout: TextIO | None = None
        self._replaced: TextIO | None = None
        self.is_partial = False
        """Whether the store is damaged or lacks commits, so that an empty answer proves nothing."""
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                with suppress(OSError):  # an error of earlier output of another program, which the next write reports
                    stream.reconfigure(errors="backslashreplace")

    @property
    def data(self) -> TextIO:
        """The stream for data."""
        return sys.stdout if self._reserved_stdout is None else self._reserved_stdout

    def reserve_stdout(self) -> None:
        """Redirect other output of this process and its children to stderr: from here on stdout is for data only.

        This is permanent: users' code may still print when the process ends.
        """
        if self._reserved_stdout is not None:
            return
        stdout = sys.stdout
        stdout.flush()
        try:
            number = stdout.fileno()
        except (OSError, ValueError):  # this process reads the output itself
            self._reserved_stdout, self._replaced, sys.stdout = stdout, stdout, sys.stderr
            return
        self._reserved_stdout = os.fdopen(os.dup(number), "w", encoding=stdout.encoding, errors="backslashreplace")
        try:
            os.dup2(sys.stderr.fileno(), number)
        except (OSError, ValueError):
            _discard_output(number)
        if isinstance(stdout, TextIOWrapper):
            stdout.reconfigure(line_buffering=True)

    def close(self) -> None:
        """Release the streams."""
        if self._replaced is not None:
            sys.stdout, self._reserved_stdout, self._replaced = self._replaced, None, None

    def is_lost(self, error: OSError) -> bool:
        """Return whether printing failed, in Mainspring or in click (a help page). The rest of the buffer is lost then."""
        import traceback

        try:
            self.data.flush()
        except OSError:
            self.silence()
            return True
        return traceback.extract_tb(error.__traceback__)[-1].filename == click.utils.__file__

    def silence(self) -> None:
        """Discard the rest of the buffer: no one reads it."""
        _discard_output(self.data.fileno())

    @property
    def is_json(self) -> bool:
        """Whether the output is JSON."""
        return self._flags.json or self._flags.fields is not None

    @property
    def is_terminal(self) -> bool:
        """Whether stdout is a terminal with a person."""
        return self.data.isatty() and self._env.get("TERM") != "dumb"

    @property
    def has_colour(self) -> bool:
        """Whether stdout may be coloured."""
        return self.is_terminal and not self._flags.no_color and not self._env.get("NO_COLOR")

    @property
    def width(self) -> int:
        """Characters in a line: of the terminal, else 80."""
        if not self.data.isatty():
            return _DEFAULT_WIDTH
        try:
            return os.get_terminal_size(self.data.fileno()).columns or _DEFAULT_WIDTH
        except (OSError, ValueError):
            return _DEFAULT_WIDTH

    def paint(self, text: str, colour: str | None, *, bold: bool = False) -> str:
        """Return the text in a colour, if colours are enabled."""
        return click.style(text, fg=colour, bold=bold) if self.has_colour and (colour or bold) else text

    def line(self, text: str = "") -> None:
        """Print one line of data."""
        self._write(self.data, f"{text}\n")

    def flush(self) -> None:
        """Flush printed lines now, for lines that arrive one by one, also in a pipe."""
        try:
            self.data.flush()
        except BrokenPipeError:
            self.silence()
            raise click.exceptions.Exit(0) from None

    def hint(self, text: str) -> None:
        """Print a hint for a person besides the data."""
        if not self._flags.quiet and not self.is_json:
            self._write(sys.stderr, f"{escape_text(text)}\n")

    def hint_empty(self, text: str) -> None:
        """Print that the result is empty; for a suspect store, only that its readable part holds nothing."""
        self.hint("The readable part of the store has none." if self.is_partial else text)

    def warn(self, text: str) -> None:
        """Print a warning that is not the result; --quiet does not suppress it."""
        self._write(sys.stderr, f"{escape_text(text)}\n")

    def document(self, data: Any, text: Callable[[], None] | str) -> None:
        """Print one object: as JSON, or as text (or by the function that prints it)."""
        if self.is_json:
            self.json(data)
        elif isinstance(text, str):
            self.line(text)
        else:
            text()

    def rows(self, rows: Sequence[Any], columns: Sequence[TableColumn], *, empty: str) -> None:
        """Print a list: a JSON array of all fields, or a table of these columns."""
        if self.is_json:
            self.json(list(rows))
        elif not rows:
            self.hint_empty(empty)
        else:
            self._table(rows, columns)

    def json(self, data: Any) -> None:
        """Print data as JSON, with --fields only those fields."""
        from mainspring.cli.json_output import format_json, select_fields
        from mainspring.domain.values.plain_json import to_plain_json

        document = to_plain_json(data)
        if self._flags.fields is not None:
            fields = [field.strip() for field in self._flags.fields.split(",") if field.strip()]
            document = (
                [select_fields(item, fields) for item in document]
                if isinstance(document, list)
                else select_fields(document, fields)
            )
        self.line(format_json(document))

    def _table(self, rows: Sequence[Any], columns: Sequence[TableColumn]) -> None:
        """Print a table: on a terminal it fits, elsewhere each row is one whole line."""
        layout = lay_out(rows, columns, self.width if self.is_terminal else None)
        self.line(self.paint("  ".join(format_cells(None, layout)).rstrip(), None, bold=True))
        for row in rows:
            cells = zip(format_cells(row, layout), layout.columns, strict=True)
            self.line("  ".join(self._paint_cell(cell, column.colour(row)) for cell, column in cells).rstrip())
        if layout.left_out:
            self.hint(f"Columns left out: {', '.join(layout.left_out)}. All: --json, or a wider terminal.")

    def _paint_cell(self, cell: str, colour: str | None) -> str:
        return self.paint(cell, None, bold=True) if colour == "bold" else self.paint(cell, colour)

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            stream.write(text)
            if stream is sys.stderr:
                stream.flush()
        except BrokenPipeError:
            self.silence()
            raise click.exceptions.Exit(0) from None
        except OSError as error:
            if stream is not sys.stderr:
                self.silence()
                raise make_output_lost_error(error) from error
            # A fault of stderr cannot be printed, and is no reason to fail.
            _discard_output(stream.fileno())


def _discard_output(number: int) -> None:
    """Redirect a descriptor to nowhere."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, number)
    finally:
        os.close(devnull)
