"""`mainspring auto paths`: the paths of the newest runs of a workflow, and the failures that no path handles."""

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


@command("paths", "show the paths that runs took, and failures that ended them")
@click.argument("name", type=params.AUTOMATION)
@pass_invocation
def paths(invocation: Invocation, name: str) -> None:
    """Reads the newest 50 runs of a workflow that ended. Shows from which step to which step they went, and how many runs did. A sleep is
    not a step.
    """
    from mainspring.insight.runs.run_paths import build_run_paths, summarize_run_paths

    known, no_paths = find_automation(invocation, name), build_run_paths(name, [], lambda _: True)
    run_paths = no_paths
    if (view := known.view) is not None:
        run_paths = invocation.read_if_made(lambda reader: summarize_run_paths(reader, view, lambda _: True), no_paths)
    is_workflow = view is None or view.kind == DefinitionKind.WORKFLOW
    invocation.output.document(run_paths, lambda: _print(invocation, run_paths, is_workflow=is_workflow))


def _print(invocation: Invocation, run_paths: "RunPaths", *, is_workflow: bool) -> None:
    from mainspring.insight.runs.run_paths import END, edge_word
    from mainspring.store.read.short_ids import IdKind

    output = invocation.output
    short_ids = invocation.short_ids(IdKind.RUN, (edge.run for edge in run_paths.edges))
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
        TableColumn("NEWEST", lambda edge: short_ids[edge.run]),
    ]
    empty = (
        "No run of it has ended yet."
        if is_workflow
        else f"{run_paths.automation} is one step, so it has no paths from step to step."
    )
    output.rows(run_paths.edges, columns, empty=empty)
    for sentence in run_paths.missing:
        output.hint(f"{sentence}.")
    if run_paths.edges:
        cut_text = f"; of {run_paths.cut} only the first 100 steps" if run_paths.cut else ""
        left_out_text = (
            f"; {formatting.format_count(run_paths.left_out, 'path is', 'paths are')} left out"
            if run_paths.left_out
            else ""
        )
        output.hint(
            f"Of the newest {formatting.format_count(run_paths.runs, 'run')} that ended{cut_text}{left_out_text}."
        )
