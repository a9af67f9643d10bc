"""The check command, `mainspring deploy check`: what new code would change, before it runs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mainspring.cli import exits
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.app.deploy.report import DeployFinding, DeployReport, OldSide, ReplayCoverage
    from mainspring.app.replay.run_sources import RunSource
    from mainspring.domain.values.sealing import Sealing

_KINDS = (
    "not-loaded",
    "drift",
    "halts",
    "other-end",
    "continues",
    "not-replayed",
    "removed",
    "definition",
    "old-side",
    "unknown-flag",
)
_LINE_LENGTH = 1_000
_GROUPING_SHARE = 0.25
"""The part of the budget in which the runs of the store are grouped."""


def _read_budget(ctx: click.Context, param: click.Parameter, value: str) -> float:
    from mainspring.domain.duration import parse_duration
    from mainspring.domain.errors import MainspringError

    try:
        budget = parse_duration(value).total_seconds()
    except MainspringError as error:
        raise click.BadParameter(str(error), ctx=ctx, param=param) from None
    if budget <= 0:
        raise click.BadParameter("it must be greater than zero", ctx=ctx, param=param)
    return budget


@command("check", "show what new code would change: drift, definitions, removed automations, flags")
@click.option(
    "-m", "modules", metavar="MODULE_OR_FILE", multiple=True, help="load this code too: jobs.py or package.module"
)
@click.option(
    "--from",
    "exported",
    metavar="DIR_OR_FILE",
    type=click.Path(exists=True, path_type=Path),
    help="replay runs that `runs export` wrote, in place of those of the store",
)
@click.option(
    "--budget", metavar="SPAN", default="60s", show_default=True, callback=_read_budget, help="replay for at most SPAN"
)
@click.option(
    "--allow", "allowed", type=click.Choice(_KINDS), multiple=True, help="list findings of this kind, but end with 0"
)
@pass_invocation
def check(
    invocation: Invocation, modules: tuple[str, ...], exported: Path | None, budget: float, allowed: tuple[str, ...]
) -> int:
    """Load the code as `up` does and compare it with the store. Nothing is written, and no step starts.

    A process without network replays one run of each group of stored runs, then more of them until the budget is used up. The exit code is
    9 if there is a finding.
    """
    from mainspring.app.deploy.code_comparison import read_stored_code
    from mainspring.app.deploy.deploy_check import check_deployment
    from mainspring.app.replay.replay_protocol import ReplaySpec

    source, notices = _open_source(invocation, exported, budget)
    has_provider = invocation.settings.flags.provider is not None
    if has_provider:
        notices.append("Flags are not compared: flags.provider answers for them.")
    stored = invocation.read_if_made(lambda reader: read_stored_code(reader, with_flags=not has_provider), None)
    if stored is None:
        notices.append("There is no store: definitions, removed automations and flags are not compared.")
    flags = {"project.environment": invocation.flags.environment}
    spec = ReplaySpec(
        {name: value for name, value in flags.items() if value is not None}, invocation.flags.config, modules
    )
    report = check_deployment(spec, source, stored, budget_s=budget, notices=notices)
    invocation.output.document(report, lambda: _print(invocation, report))
    return exits.CHECK_FAILED if any(finding.kind not in allowed for finding in report.findings) else exits.OK


def _open_source(invocation: Invocation, exported: Path | None, budget_s: float) -> "tuple[RunSource, list[str]]":
    """Return the runs to replay, and what a person has to know about them. Raises NoStoreError, ArgumentError."""
    import time

    from mainspring.app.replay.exported_runs import read_exported_runs
    from mainspring.app.replay.run_sources import ExportedRuns, StoredRuns

    if exported is not None:
        return ExportedRuns(read_exported_runs(exported)), []
    sealing, notices = _find_sealing(invocation)
    return StoredRuns(invocation.reader, sealing, time.monotonic() + budget_s * _GROUPING_SHARE), notices


def _find_sealing(invocation: Invocation) -> "tuple[Sealing, list[str]]":
    from mainspring.domain.errors import ConfigError
    from mainspring.domain.values.sealing import PLAIN_SEALING

    try:
        return invocation.sealing, []
    except ConfigError as error:
        return PLAIN_SEALING, [f"Sealed runs are not replayed: {error.message}"]


def _print(invocation: Invocation, report: "DeployReport") -> None:
    output = invocation.output
    columns = [
        TableColumn("FINDING", lambda finding: finding.kind, lambda _: "red"),
        TableColumn("AUTOMATION", lambda finding: formatting.escape_line(finding.automation or "-"), cut=True),
        TableColumn("RUNS", lambda finding: str(finding.number or "-")),
        TableColumn("WHAT", lambda finding: formatting.escape_line(finding.text), cut=True),
    ]
    output.rows(report.findings, columns, empty="Nothing to report.")
    for finding in report.findings:
        _print_details(invocation, finding)
    for side in report.old_sides:
        if side.newest is not None:
            output.line(formatting.escape_line(_describe_old_side(side), _LINE_LENGTH))
    for notice in report.notices:
        output.warn(notice)
    output.hint(_describe_coverage(report.coverage))


def _print_details(invocation: Invocation, finding: "DeployFinding") -> None:
    """Print the differences, the first runs and the fix of a finding, if it has any."""
    output = invocation.output
    lines = [f"{change.path}: {change.was} -> {change.now}" for change in finding.changes]
    if finding.runs:
        lines.append(f"runs: {', '.join(finding.runs)}{', ...' if finding.number > len(finding.runs) else ''}")
    subject = formatting.escape_line(
        " ".join(filter(None, (finding.kind, finding.automation or "", finding.step or "")))
    )
    if lines:
        output.line("")
        output.line(output.paint(subject, None, bold=True))
    for line in lines:
        output.line(f"  {formatting.escape_line(line, _LINE_LENGTH)}")
    if finding.hint:
        output.hint(f"  {finding.hint}" if lines else f"{subject}: {finding.hint}")


def _describe_old_side(side: "OldSide") -> str:
    runs = ", ".join(side.runs) + (", ..." if side.number > len(side.runs) else "")
    verb = "takes" if side.number == 1 else "take"
    return (
        f"{side.automation}: {formatting.format_count(side.number, 'unfinished run')} {verb} version {side.chosen} of the change "
        f"{side.change!r}; the code has {side.newest}: {runs}"
    )


def _describe_coverage(coverage: "ReplayCoverage") -> str:
    if not coverage.runs:
        return "There is no run to replay."
    share = 100 * coverage.replayed / coverage.runs
    more = " Older runs were not grouped." if coverage.has_more else ""
    return (
        f"Replayed {coverage.replayed:,} of {formatting.format_count(f'{coverage.runs:,}', 'run')} ({share:.0f}%), "
        f"{coverage.replayed_groups:,} of {formatting.format_count(f'{coverage.groups:,}', 'group')}, "
        f"in {coverage.seconds:g} s.{more}"
    )
