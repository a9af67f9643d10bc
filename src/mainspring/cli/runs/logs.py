"""`mainspring runs logs`: the log lines of a run."""

import time
from typing import TYPE_CHECKING

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.domain.runs.log_line import Level
from mainspring.domain.states import TERMINAL_STATES, RunState

if TYPE_CHECKING:
    from mainspring.domain.runs.log_line import LogLine

_POLL_INTERVAL_S = 0.3
_LAST_LINES_TIMEOUT_S = 1.5
"""The last lines of a run may be stored this long after its end: the body hands its own over once a second."""


@command("logs", "print what a run logged and printed")
@click.argument("run", type=params.RUN)
@click.option("--step", type=params.STEP, help="print only lines of this step")
@click.option("--attempt", type=click.IntRange(1), help="print only lines of this attempt")
@click.option(
    "--level",
    type=click.Choice([level.value for level in Level]),
    default="debug",
    help="print only lines of this level or above",
)
@click.option("-f", "--follow", is_flag=True, help="continue until the run ends or needs a person")
@click.option("--tail", type=click.IntRange(0, 100_000), metavar="N", help="print only the last N existing lines")
@pass_invocation
def logs(
    invocation: Invocation,
    run: str,
    step: str | None,
    attempt: int | None,
    level: str,
    tail: int | None,
    *,
    follow: bool,
) -> None:
    """Prints the lines of `ms.log`, `run.log`, the logging module, print, and scripts. --json prints one object a line."""
    from mainspring.cli.runs.log_printer import LineFilter, LogPrinter

    run_id, selection = invocation.run_id(run), LineFilter(step, attempt, level)
    reader = _RunLogReader(invocation, run_id)
    printer = LogPrinter(invocation.output, invocation.zone, is_of_many=False)
    is_over = not follow or reader.is_over()  # checked first: lines from before the end are read after it
    lines = [line for line in reader.new() if selection.has(line)]
    printer.print(lines if tail is None else lines[len(lines) - min(tail, len(lines)) :])
    if is_over and not lines:
        invocation.output.hint_empty(
            "It has no stored log lines." if selection == LineFilter() else "No matching lines."
        )
    ends_at = None
    while not is_over:
        time.sleep(_POLL_INTERVAL_S)
        if ends_at is None and reader.is_over():
            ends_at = time.monotonic() + _LAST_LINES_TIMEOUT_S
        is_over = ends_at is not None and time.monotonic() >= ends_at
        printer.print(line for line in reader.new() if selection.has(line))


class _RunLogReader:
    """Reads the lines of one run, each once."""

    def __init__(self, invocation: Invocation, run_id: str) -> None:
        from mainspring.store.read.runs.run_views import run_view

        self._invocation = invocation
        self._run_id = run_id
        self._automation = run_view(invocation.reader, run_id).automation
        self._after = 0
        self._next = 1

    def new(self) -> "list[LogLine]":
        """Return the lines since the last call."""
        import msgspec

        from mainspring.service.runs.log_lines import read_lines
        from mainspring.store.read.runs.logs import parts_of

        found = parts_of(self._invocation.reader, self._run_id, self._after)
        if not found:
            return []
        parts = [msgspec.structs.replace(part, automation=self._automation) for part in found]
        lines = self._invocation.unseal(lambda unsealer: read_lines(parts, unsealer, after=self._next))
        self._after, self._next = parts[-1].seq, parts[-1].seq + parts[-1].lines
        return lines

    def is_over(self) -> bool:
        """Return whether the run has ended or needs a person."""
        from mainspring.store.read.runs.run_views import run_view

        state = run_view(self._invocation.reader, self._run_id).state
        return state in TERMINAL_STATES or state is RunState.NEEDS_ATTENTION
