"""`mainspring doctor`: every check with its state and how to mend it; `--config` shows each setting with its source."""

import click

from mainspring.cli import exits
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy import command
from mainspring.cli.table import Column
from mainspring.insight import words

_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}
_ICONS = {"ok": words.GOOD, "warning": words.WARN, "problem": words.BAD}


@command("doctor", "check the whole installation")
@click.option("--config", "show_config", is_flag=True, help="print each setting in force, with its source")
@pass_invocation
def doctor(invocation: Invocation, *, show_config: bool) -> int:
    """Check configuration, store, workers, automations and channels, and print a fix for each finding.

    The exit code is 9 if there is a problem or a warning. To check another configuration: mainspring --config FILE doctor
    """
    if show_config:
        return _config(invocation)
    from mainspring.cli.checks import all_checks

    found = all_checks(invocation)

    def text() -> None:
        output = invocation.output
        for check in found:
            icon = output.paint(_ICONS[check.state], _COLOURS[check.state])
            output.line(f"{icon} {check.name:<12} {words.shown(check.text)}")
            if check.fix:
                output.line(f"  {'':<12} {words.shown(check.fix)}")
                output.hint(f"  {'':<12} {check.docs}")
        bad, doubtful = (sum(check.state == state for check in found) for state in ("problem", "warning"))
        problems, warnings = words.many(bad, "problem"), words.many(doubtful, "warning")
        output.hint(f"\n{problems} and {warnings} in {words.many(len(found), 'check')}.")

    invocation.output.document(found, text)
    return exits.OK if all(check.state == "ok" for check in found) else exits.CHECK_FAILED


def _config(invocation: Invocation) -> int:
    from mainspring.cli.plain import json_text
    from mainspring.domain.values.plain_json import to_plain_json

    rows = [
        {"setting": path, "value": to_plain_json(value), "source": source}
        for path, value, source in invocation.settings.describe()
    ]

    def value_text(value: object) -> str:
        return "-" if value is None else value if isinstance(value, str) else " ".join(json_text(value).split())

    columns = [
        Column("SETTING", lambda row: row["setting"], cut=True),
        Column("VALUE", lambda row: words.one_line(value_text(row["value"])), cut=True, most=120),
        Column("SOURCE", lambda row: words.one_line(row["source"]), cut=True),
    ]
    invocation.output.rows(rows, columns, empty="No settings.")
    return exits.OK
