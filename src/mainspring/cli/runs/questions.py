"""`mainspring runs questions`: the open questions of runs to people."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.cli.output import Output
    from mainspring.store.views import WaitView


@command("questions", "list the open questions of runs, each with the command that answers it")
@click.option("--assignee", metavar="NAME", help="only those that this person or team is to answer now")
@params.name_option
@params.since_option
@params.limit_option
@pass_invocation
def list_questions(
    invocation: Invocation, assignee: str | None, name: str | None, since: str | None, limit: int
) -> None:
    """The oldest first. After the span of `escalate=` a question belongs to its next assignee."""
    from msgspec.structs import asdict

    from mainspring.insight.runs.waits import list_evidence_lines, read_evidence
    from mainspring.insight.status.upcoming import list_open_questions
    from mainspring.store.read.runs.run_views import questions

    now = invocation.clock.now()
    names, since_at = None if name is None else [name], params.read_instant(invocation, since)
    waits = invocation.rows_if_made(
        lambda reader: questions(reader, limit, names, assignee=assignee, since_at=since_at, now=now)
    )
    opened = invocation.unseal(lambda unsealer: [unsealer.wait(wait) for wait in waits])
    listed = list_open_questions(invocation.reader, opened, now) if opened else []
    wait_of = {(wait.run, wait.ident): wait for wait in opened}
    if invocation.output.is_json:
        invocation.output.json(
            [asdict(row) | {"evidence": read_evidence(wait_of[row.run, row.ident])} for row in listed]
        )
        return
    columns = [
        TableColumn("AUTOMATION", lambda row: formatting.escape_line(row.automation), cut=True, most=30),
        TableColumn("QUESTION", lambda row: formatting.escape_line(row.text), cut=True, most=60),
        TableColumn(
            "EVIDENCE", lambda row: ", ".join(list_evidence_lines(wait_of[row.run, row.ident])), cut=True, most=60
        ),
        TableColumn("NAME", lambda row: formatting.escape_line(row.name), cut=True, most=30),
        TableColumn("ASSIGNEE", lambda row: formatting.escape_line(row.assignee or ""), cut=True, most=24),
        TableColumn("UNTIL", lambda row: formatting.format_distance(row.until_at, now) if row.until_at else "no limit"),
        TableColumn("ANSWER", lambda row: row.command, spare=True),
    ]
    none = "No question is open." if assignee is None else f"No open question is for {assignee}."
    if name is not None or since is not None:
        none = "No open question matches these options."
    invocation.output.rows(listed, columns, empty=formatting.escape_line(none))


def print_evidence(output: "Output", waits: "Iterable[WaitView]") -> None:
    """Print the evidence of open questions; `waits` are those of one run, with their question unsealed."""
    from mainspring.insight.runs.waits import list_evidence_lines, name_if_many

    unanswered = [wait for wait in waits if wait.kind == "ask" and not wait.filled]
    for wait in unanswered:
        lines = list_evidence_lines(wait)
        name = name_if_many(wait, unanswered)
        if lines:
            output.line(f"  evidence{'' if name is None else f' of {formatting.escape_line(name, 80)}'}")
            for line in lines:
                output.line(f"    {line}")
