"""`mainspring auto paths`: which way the newest runs of a workflow went, and which failures have no way on."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import params
from mainspring.cli.automations.automation_list import find_automation
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.domain.definitions.options import DefinitionKind
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.insight.runs.run_paths import RunPaths


@command("paths", "show which way its runs go, and which failures end them")
@click.argument("name", type=params.AUTOMATION)
@pass_invocation
def paths(invocation: Invocation, name: str) -> None:
    """Of the newest 50 runs of a workflow that ended: from which step to which they went, and how many. A sleep is no step."""
    from mainspring.insight.runs.run_paths import build_run_paths, summarize_run_paths

    known, nothing = find_automation(invocation, name), build_run_paths(name, [], lambda _: True)
    found = nothing
    if (view := known.view) is not None:
        found = invocation.read_if_made(lambda reader: summarize_run_paths(reader, view, lambda _: True), nothing)
    is_workflow = view is None or view.kind == DefinitionKind.WORKFLOW
    invocation.output.document(found, lambda: _print(invocation, found, is_workflow=is_workflow))


def _print(invocation: Invocation, found: "RunPaths", *, is_workflow: bool) -> None:
    from mainspring.insight.runs.run_paths import END, edge_word
    from mainspring.store.read.short_ids import IdKind

    output = invocation.output
    short = invocation.short_ids(IdKind.RUN, (edge.run for edge in found.edges))
    columns = [
        TableColumn("STEP", lambda edge: formatting.escape_line(edge.step), cut=True, most=60),
        TableColumn(
            "THEN",
            lambda edge: formatting.escape_line(edge.then),
            lambda edge: "bold" if edge.after.startswith(END) else None,
            cut=True,
            most=60,
        ),
        TableColumn("RUNS", lambda edge: str(edge.runs)),
        TableColumn(
            "NOTE", lambda edge: edge_word(edge) or "-", lambda edge: "red" if edge.is_missing else None, cut=True
        ),
        TableColumn("NEWEST", lambda edge: short[edge.run]),
    ]
    empty = (
        "No run of it has ended yet."
        if is_workflow
        else f"{found.automation} is one step: there is no way from step to step."
    )
    output.rows(found.edges, columns, empty=empty)
    for sentence in found.missing:
        output.hint(f"{sentence}.")
    if found.edges:
        cut = f"; of {found.cut} only the first 100 steps" if found.cut else ""
        more = f"; {formatting.format_count(found.left_out, 'way is', 'ways are')} left out" if found.left_out else ""
        output.hint(f"Of the newest {formatting.format_count(found.runs, 'run')} that ended{cut}{more}.")
