"""The `mainspring doctor` command: every check with its state and fix; `--config` prints each setting with its source."""

import click

from mainspring.cli import exits
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.insight.text import formatting

_STATE_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}
_STATE_ICONS = {"ok": formatting.GOOD, "warning": formatting.WARN, "problem": formatting.BAD}


@command("doctor", "check the whole installation")
@click.option("--config", "show_config", is_flag=True, help="print each setting in force, with its source")
@pass_invocation
def doctor(invocation: Invocation, *, show_config: bool) -> int:
    """Check configuration, store, workers, automations and channels, and print a fix for each finding.

    The exit code is 9 if there is a problem or a warning. To check another configuration: mainspring --config FILE doctor
    """
    if show_config:
        return _print_config(invocation)
    from mainspring.cli.doctor.checks import run_all_checks

    results = run_all_checks(invocation)

    def print_text() -> None:
        output = invocation.output
        for check in results:
            icon = output.paint(_STATE_ICONS[check.state], _STATE_COLOURS[check.state])
            output.line(f"{icon} {check.name:<12} {formatting.escape_text(check.text)}")
            if check.fix:
                output.line(f"  {'':<12} {formatting.escape_text(check.fix)}")
                output.hint(f"  {'':<12} {check.docs}")
        problem_count, warning_count = (
            sum(check.state == state for check in results) for state in ("problem", "warning")
        )
        problems, warnings = (
            formatting.format_count(problem_count, "problem"),
            formatting.format_count(warning_count, "warning"),
        )
        output.hint(f"\n{problems} and {warnings} in {formatting.format_count(len(results), 'check')}.")

    invocation.output.document(results, print_text)
    return exits.OK if all(check.state == "ok" for check in results) else exits.CHECK_FAILED


def _print_config(invocation: Invocation) -> int:
    from mainspring.cli.json_output import format_json
    from mainspring.domain.values.plain_json import to_plain_json

    rows = [
        {"setting": path, "value": to_plain_json(value), "source": source}
        for path, value, source in invocation.settings.describe()
    ]

    def value_text(value: object) -> str:
        return "-" if value is None else value if isinstance(value, str) else " ".join(format_json(value).split())

    columns = [
        TableColumn("SETTING", lambda row: row["setting"], cut=True),
        TableColumn("VALUE", lambda row: formatting.escape_line(value_text(row["value"])), cut=True, most=120),
        TableColumn("SOURCE", lambda row: formatting.escape_line(row["source"]), cut=True),
    ]
    invocation.output.rows(rows, columns, empty="No settings.")
    return exits.OK
