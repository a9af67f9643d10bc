"""`mainspring logs`: the logs of the whole project, of all runs, as they arrive."""

import time
from typing import TYPE_CHECKING

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.domain.runs.log_line import Level

if TYPE_CHECKING:
    from mainspring.domain.runs.log_line import LogLine

_POLL_INTERVAL_S = 0.5
_LATE_PART_MS = 15_000
"""A part may be committed this long after its last line; older parts are not read while following."""


@command("logs", "print the logs of all runs, newest last")
@params.name_option
@params.since_option
@click.option(
    "--level",
    type=click.Choice([level.value for level in Level]),
    default="debug",
    help="print only lines of this level or above",
)
@click.option("-f", "--follow", is_flag=True, help="continue until Ctrl-C")
@click.option(
    "--tail",
    type=click.IntRange(0, 10_000),
    default=200,
    show_default=True,
    metavar="N",
    help="print only the last N existing lines",
)
@pass_invocation
def logs_command(
    invocation: Invocation, name: str | None, since: str | None, level: str, tail: int, *, follow: bool
) -> None:
    """Lines of one run: `mainspring runs logs RUN`. --json prints one object a line."""
    from mainspring.cli.runs.log_printer import LineFilter, LogPrinter

    selection = LineFilter(level=level)
    reader = _ProjectLogReader(invocation, name)
    printer = LogPrinter(invocation.output, invocation.zone, is_of_many=True)
    since_at = params.read_instant(invocation, since) or 0
    lines = [line for line in reader.since(since_at) if line.at >= since_at and selection.has(line)]
    printer.print(lines[len(lines) - min(tail, len(lines)) :])
    if not lines and not follow:
        invocation.output.hint_empty("No lines are stored since that time.")
    while follow:
        time.sleep(_POLL_INTERVAL_S)
        printer.print(line for line in reader.since(invocation.clock.now() - _LATE_PART_MS) if selection.has(line))


class _ProjectLogReader:
    """Reads the parts of all runs, or of one automation's, each once."""

    def __init__(self, invocation: Invocation, automation: str | None) -> None:
        self._invocation = invocation
        self._automations = None if automation is None else [automation]
        self._seen: dict[tuple[str, int], int] = {}
        """The instant of the last line of each part that was read."""

    def since(self, at: int) -> "list[LogLine]":
        """Return the lines of new parts that end at or after an instant, in order."""
        from mainspring.service.runs.log_lines import read_lines
        from mainspring.store.read.runs.logs import parts_since

        found = self._invocation.read(lambda reader: parts_since(reader, at, self._automations))
        new = [part for part in found if (part.run, part.seq) not in self._seen]
        self._seen = {place: last for place, last in self._seen.items() if last >= at}
        self._seen |= {(part.run, part.seq): part.last_at for part in new}
        return self._invocation.unseal(lambda unsealer: read_lines(new, unsealer, after=None))
