"""The flag command, `mainspring flag`: the value of a flag for a shell script."""

from typing import Any

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.exits import OK, UNEXPECTED
from mainspring.cli.lazy_group import FlaggedCommand

HELP_LINE = "ask for the value of a flag: exit code 0 = on, 1 = off"


def _read_attributes(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    for name, separator, _ in pairs:
        if not name or not separator:
            raise click.BadParameter("expected NAME=VALUE, such as country=DE", ctx=ctx, param=param)
    return {name: value for name, _, value in pairs}


@click.command("flag", cls=FlaggedCommand, short_help=HELP_LINE)
@click.argument("name")
@click.option("--by", metavar="KEY", help="for whom: a customer, a host (default: all calls have the same key)")
@click.option("--default", metavar="JSON", default="null", help="the value without an answer (default: none)")
@click.option(
    "--attribute", "attributes", metavar="NAME=VALUE", multiple=True, callback=_read_attributes, help="for the rules"
)
@pass_invocation
def flag_command(invocation: Invocation, /, name: str, by: str | None, default: str, attributes: dict[str, str]) -> int:
    """ask for the value of a flag: exit code 0 = on, 1 = off

    \b
      if mainspring flag new-backup --by "$(hostname)"; then ./backup2.sh; else ./backup.sh; fi
      region=$(mainspring flag region --default '"eu"')

    A boolean flag prints nothing. The value of another type is printed, a text without quotes.

    If there is no such flag, or the store does not answer, the default counts (off without one), and a line on stderr says so. Each
    question is counted: `mainspring flags show NAME`.
    """  # noqa: D301 - \b is for click, and the first line is a line of a list
    from mainspring.app.program_flags import ProgramFlags
    from mainspring.app.project import Project
    from mainspring.cli.json_values import read_json_value
    from mainspring.domain.flags.flag import FlagSide
    from mainspring.domain.flags.flag_question import make_question, read_value

    question = make_question(name, by, read_json_value(default, "--default"), attributes)
    flags = ProgramFlags(Project(invocation.settings))
    try:
        answer = flags.answer(question)
    finally:
        flags.close()
    value: Any = read_value(answer.value)
    output = invocation.output
    if output.is_json:
        output.json({"flag": name, "value": value, "side": answer.side, "reason": answer.reason})
    elif value is not None and not isinstance(value, bool):
        output.line(value if isinstance(value, str) else answer.value)
    is_on = value if isinstance(value, bool) else answer.side is FlagSide.ON
    return OK if is_on else UNEXPECTED
