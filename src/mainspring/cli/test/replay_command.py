"""The replay command, `mainspring test replay`: saved journals against the code of today."""

import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mainspring.cli import exits, params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.app.replay.journal_replayer import JournalReplayer
    from mainspring.app.replay.journal_report import AutomationCount, DifferenceGroup, JournalReport
    from mainspring.app.replay.journal_sources import Journal, JournalFilter

_LINE_LENGTH = 1_000
_PROGRESS_EACH = 25


def _read_limit(ctx: click.Context, param: click.Parameter, value: str) -> float:
    from mainspring.domain.duration import parse_duration
    from mainspring.domain.errors import MainspringError

    try:
        limit = parse_duration(value).total_seconds()
    except MainspringError as error:
        raise click.BadParameter(str(error), ctx=ctx, param=param) from None
    if limit <= 0:
        raise click.BadParameter("it must be greater than zero", ctx=ctx, param=param)
    return limit


@command("replay", "replay saved journals against the code of today, and list what differs")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-m", "modules", metavar="MODULE_OR_FILE", multiple=True, help="load this code too: jobs.py or package.module"
)
@click.option("--from", "store", metavar="STORE", help="replay the runs of this store: a file or a URL")
@click.option(
    "--last", type=click.IntRange(min=1), default=500, show_default=True, help="at most so many runs of the store"
)
@click.option("--unfinished", is_flag=True, help="only runs that have not ended")
@params.name_option
@params.since_option
@click.option(
    "--timeout",
    "limit_s",
    metavar="SPAN",
    default="5s",
    show_default=True,
    callback=_read_limit,
    help="cut a replay that does not come to rest after SPAN",
)
@pass_invocation
def replay(
    invocation: Invocation,
    files: tuple[Path, ...],
    modules: tuple[str, ...],
    store: str | None,
    last: int,
    *,
    unfinished: bool,
    name: str | None,
    since: str | None,
    limit_s: float,
) -> int:
    """Load the code as `up` does, and replay journals: the FILES (or folders) that `runs export` wrote, else the newest runs of the store.

    No step starts, and the store is only read. The exit code is 9 if a journal differs or cannot be replayed, 2 if none was replayed.
    """
    from mainspring.app.replay.journal_sources import JournalFilter

    if files and (store is not None or since is not None):
        raise click.UsageError("FILES have no store: leave out --from and --since, or the files")
    if store is not None:
        invocation.flags.store = store
    selection = JournalFilter(
        last, None if name is None else [name], params.read_instant(invocation, since), unfinished
    )
    report = _replay(invocation, _open_source(invocation, files, selection), modules, limit_s)
    invocation.output.document(report, lambda: _print(invocation, report))
    if report.problems or (report.replayed and not report.is_same):
        return exits.CHECK_FAILED
    if not report.replayed:
        if (fault := invocation.store_fault()) is not None:
            raise fault
        invocation.output.warn(f"error: nothing was replayed\n{_describe_nothing(report)}")
        return exits.USAGE
    return exits.OK


def _open_source(
    invocation: Invocation, files: tuple[Path, ...], selection: "JournalFilter"
) -> "Callable[[JournalReplayer], tuple[int, Iterable[Journal]]]":
    """Return what lists the journals, and how many there are. Raises ArgumentError for a file, NoStoreError."""
    from mainspring.app.replay.journal_sources import list_exported, list_stored, read_files, read_stored

    if files:
        exported = read_files(files)
        if selection.is_unfinished:
            exported = [item for item in exported if not item.is_ended]

        def list_files(replayer: "JournalReplayer") -> "tuple[int, Iterable[Journal]]":
            names = _expand_names(replayer, selection)
            journals = [journal for journal in list_exported(exported) if names is None or journal.automation in names]
            return len(journals), journals

        return list_files
    reader, sealing = invocation.reader, invocation.sealing

    def list_runs(replayer: "JournalReplayer") -> "tuple[int, Iterable[Journal]]":
        rows = list_stored(reader, selection._replace(names=_expand_names(replayer, selection)))
        return len(rows), read_stored(reader, sealing, rows)

    return list_runs


def _expand_names(replayer: "JournalReplayer", selection: "JournalFilter") -> list[str] | None:
    """Return the names by which journals are chosen: also the former ones (`was=`)."""
    return None if selection.names is None else [each for name in selection.names for each in replayer.names_of(name)]


def _replay(
    invocation: Invocation,
    source: "Callable[[JournalReplayer], tuple[int, Iterable[Journal]]]",
    modules: tuple[str, ...],
    limit_s: float,
) -> "JournalReport":
    from mainspring.app.replay.journal_replayer import JournalReplayer
    from mainspring.app.replay.journal_report import JournalReport, replay_journals
    from mainspring.app.replay.replay_protocol import ReplaySpec
    from mainspring.app.replay.replay_session import ReplayAbortedError

    environment = invocation.flags.environment
    flags = {} if environment is None else {"project.environment": environment}
    spec = ReplaySpec(flags, invocation.flags.config, modules)
    try:
        with JournalReplayer(spec, limit_s=limit_s) as replayer:
            count, journals = source(replayer)
            return replay_journals(replayer, journals, _make_progress(invocation, count))
    except ReplayAbortedError as error:
        return JournalReport([], [], 0, 0, 0, 0.0, [error.message])


def _make_progress(invocation: Invocation, count: int) -> Callable[[int], None]:
    """Return what shows the progress on a terminal."""
    is_visible = count > _PROGRESS_EACH and sys.stderr.isatty() and not invocation.flags.quiet

    def show(number: int) -> None:
        if is_visible and (number % _PROGRESS_EACH == 0 or number == count):
            end = "\n" if number == count else ""
            click.echo(f"\r{number:,} of {count:,} journals{end}", err=True, nl=False)

    return show


def _print(invocation: Invocation, report: "JournalReport") -> None:
    output = invocation.output

    def count_column(title: str, name: str, colour: str | None = None) -> TableColumn:
        def read(row: "AutomationCount") -> int:
            return int(getattr(row, name))

        return TableColumn(
            title, lambda row: f"{read(row):,}" if read(row) else "-", lambda row: colour if read(row) else None, True
        )

    columns = [
        TableColumn("AUTOMATION", lambda row: formatting.escape_line(row.automation), cut=True),
        count_column("JOURNALS", "journals"),
        count_column("SAME", "same", "green"),
        count_column("DIFFERENT", "different", "red"),
        count_column("NOT REPLAYED", "not_replayed", "red"),
    ]
    if any(row.left_out for row in report.automations):
        columns.append(count_column("LEFT OUT", "left_out"))
    if report.automations:
        output.rows(report.automations, columns, empty="")
    for group in report.differences:
        _print_group(invocation, group)
    for problem in report.problems:
        output.warn(f"not loaded: {problem}")
    if any(row.left_out for row in report.automations):
        output.hint("Left out: runs that have ended, of automations that the code does not have.")
    if report.replayed:
        output.hint(_describe_coverage(report))


def _print_group(invocation: Invocation, group: "DifferenceGroup") -> None:
    """Print one difference: its sentences, the first runs, and what to do."""
    from mainspring.app.replay.difference_text import describe_difference, describe_histories

    output = invocation.output
    output.line("")
    count = formatting.format_count(group.number, "journal")
    output.line(output.paint(formatting.escape_line(f"{group.automation}: {group.outcome}, {count}"), None, bold=True))
    first, *further = group.differences
    lines = [*describe_difference(first), *describe_histories(group.histories)]
    for difference in further:
        lines += [f"also {difference.outcome}: {line}" for line in describe_difference(difference)[:1]]
    lines.append(f"runs: {', '.join(group.runs)}{', ...' if group.number > len(group.runs) else ''}")
    if group.fix:
        lines.append(f"Fix: {group.fix}")
    for line in lines:
        for part in _wrap(invocation, formatting.escape_line(line, _LINE_LENGTH)):
            output.line(f"  {part}")


def _wrap(invocation: Invocation, line: str) -> list[str]:
    """Return a line in parts that fit a terminal; elsewhere each line is whole."""
    if not invocation.output.is_terminal:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, max(20, invocation.output.width - 2), subsequent_indent=indent, drop_whitespace=True)


def _describe_coverage(report: "JournalReport") -> str:
    journals = formatting.format_count(f"{report.replayed:,}", "journal")
    different = report.replayed - report.same
    absent = sum(row.not_replayed for row in report.automations)
    end = "all are the same" if not different else f"{report.same:,} the same, {different:,} different"
    rest = f" Not replayed: {absent:,}." if absent else ""
    return f"Replayed {journals} in {report.seconds:g} s: {end}.{rest}"


def _describe_nothing(report: "JournalReport") -> str:
    if not report.journals:
        return "There is no run to replay. Export one: mainspring runs export RUN > FILE"
    return "Each journal is listed with the reason."
