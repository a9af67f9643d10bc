"""The crash test command, `mainspring test crash`: a run is killed at each crash point, and the ends are compared."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from mainspring.cli import exits, params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.runs.run_arguments import read_arguments
from mainspring.cli.runs.run_command import find_automation
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.testing.crash.crash_protocol import FunctionPlace
    from mainspring.testing.crash.crash_report import CrashReport

_LINE_LENGTH = 1_000
_PROGRESS_EACH = 10


@command("crash", "kill a run at each crash point, and compare the ends")
@click.argument("name", type=params.AUTOMATION)
@click.argument("arguments", metavar="[ARGUMENTS]...", nargs=-1)
@click.option(
    "-m", "modules", metavar="MODULE_OR_FILE", multiple=True, help="load this code too: jobs.py or package.module"
)
@click.option("--at", "place", metavar="TEXT", help="only crash points whose text contains TEXT")
@click.option("--points", "most", type=click.IntRange(min=1), help="at most so many points, chosen by --seed")
@click.option("--lines", is_flag=True, help="each line of your own code in steps is a point too")
@click.option("--jobs", type=click.IntRange(min=1, max=64), default=1, show_default=True, help="processes at a time")
@click.option("--seed", type=int, default=0, show_default=True, help="of random numbers")
@click.option("--setup", metavar="FILE:FUNCTION", help="called with the lab before each life opens it, for fakes")
@click.option("--play", metavar="FILE:FUNCTION", help="called with the lab and the run, to answer and to signal")
@click.option("--within", metavar="SPAN", default="30d", show_default=True, help="a run that has not ended then hangs")
@pass_invocation
def crash_test(
    invocation: Invocation,
    name: str,
    arguments: tuple[str, ...],
    modules: tuple[str, ...],
    *,
    place: str | None,
    most: int | None,
    lines: bool,
    jobs: int,
    seed: int,
    setup: str | None,
    play: str | None,
    within: str,
) -> int:
    """Runs NAME in a lab, then again for each crash point: the process is killed there with kill -9, and another one continues.

    ARGUMENTS are those of `mainspring run`. Compared are the states, the results, and the files that steps write below their working
    folder. Nothing of your store is used. The exit code is 9 if an end differs, 2 if nothing was tested.
    """
    from mainspring.testing.crash.crash_protocol import CrashPlan
    from mainspring.testing.crash.crash_search import search_crash_points
    from mainspring.testing.lab.lab import BEGIN

    automation = find_automation(invocation, invocation.registry(modules), name)
    environment = invocation.flags.environment
    setup_place, play_place = _read_place(setup, "--setup"), _read_place(play, "--play")
    more = [found.file for found in (setup_place, play_place) if found is not None]
    file = Path(automation.where.rpartition(":")[0]).resolve()
    plan = CrashPlan(
        files=[*modules, *more],
        project={} if environment is None else {"project.environment": environment},
        config=None if invocation.flags.config is None else str(Path(invocation.flags.config).resolve()),
        automation=automation.name,
        kwargs=msgspec.json.decode(read_arguments(automation, arguments, invocation.sealing.limit)),
        setup=setup_place,
        play=play_place,
        at=BEGIN.timestamp(),
        seed=seed,
        within=within,
        sources=[str(file.parent)] if lines else None,
    )
    report = search_crash_points(plan, jobs=jobs, most=most, at=place, on_case=_make_progress(invocation))
    repeat = shlex.join(
        ["mainspring", "test", "crash", name, *arguments, *(part for module in modules for part in ("-m", module))]
    )
    invocation.output.document(report, lambda: _print(invocation, report, repeat))
    if report.findings or report.void:
        return exits.CHECK_FAILED
    return exits.OK if report.ok else exits.USAGE


def _make_progress(invocation: Invocation) -> "Callable[[int, int], None]":
    is_visible = sys.stderr.isatty() and not invocation.flags.quiet

    def show(done: int, count: int) -> None:
        if is_visible and (done % _PROGRESS_EACH == 0 or done == count):
            click.echo(f"\r{done} of {count} crash points", nl=done == count, err=True)

    return show


def _read_place(text: str | None, option: str) -> "FunctionPlace | None":
    """Return where a function stands, from FILE:FUNCTION. Raises click.BadParameter."""
    from mainspring.testing.crash.crash_protocol import FunctionPlace

    if text is None:
        return None
    file, _, name = text.rpartition(":")
    if not name.isidentifier() or not Path(file).is_file():
        raise click.BadParameter(f"{text!r} is no FILE:FUNCTION of a file that is there", param_hint=option)
    return FunctionPlace(str(Path(file).resolve()), name)


def _print(invocation: Invocation, report: "CrashReport", repeat: str) -> None:
    """Print the verdicts, each finding with its fix, and the command that repeats the first."""
    output = invocation.output
    for line in str(report).splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        output.line(indent + formatting.escape_line(line.lstrip(), _LINE_LENGTH))
    if report.findings:
        output.hint(f"To repeat the first finding: {repeat} --at {shlex.quote(report.findings[0].point.text)}")
