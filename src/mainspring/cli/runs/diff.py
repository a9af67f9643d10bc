"""`mainspring runs diff`: the differences between two runs."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.service.runs.run_differences import Difference
    from mainspring.store.views import RunView

_VALUE_LENGTH = 200


@command("diff", "compare a run with another run, or with the last success")
@click.argument("run", type=params.RUN)
@click.argument("other", type=params.RUN, required=False)
@pass_invocation
def diff(invocation: Invocation, run: str, other: str | None) -> None:
    """Compares input, steps, results, errors, and the version and deployment that ran them.

    Without OTHER it takes the newest succeeded run of the automation that was created before RUN. For a run that stopped for drift it
    compares the saved step with the step that its code requests now.
    """
    from mainspring.service.runs.run_differences import compare_runs, find_last_success, list_drift

    reads = invocation.reads
    this = reads.run_history(invocation.run_id(run))
    drift = [] if other else list_drift(invocation.unseal(lambda unsealer: unsealer.run_history(this)))
    if drift:
        document = {"other": None, "this": this.run.id, "differences": drift}
        invocation.output.document(document, lambda: _print_drift(invocation, this.run, drift))
        return
    that = reads.run_history(invocation.run_id(other) if other else find_last_success(reads, this.run))
    this, that = invocation.unseal(lambda unsealer: (unsealer.run_history(this), unsealer.run_history(that)))
    differences = compare_runs(that, this)

    def print_text() -> None:
        output = invocation.output
        output.line(f"- {that.run.id}  {formatting.format_state(that.run.state)}")
        output.line(f"+ {this.run.id}  {formatting.format_state(this.run.state)}")
        for difference in differences:
            output.line(f"  {formatting.escape_line(difference.path)}")
            output.line(f"    {output.paint('- ' + formatting.escape_line(difference.other, _VALUE_LENGTH), 'red')}")
            output.line(f"    {output.paint('+ ' + formatting.escape_line(difference.this, _VALUE_LENGTH), 'green')}")
        if not differences:
            output.line("  no difference in input, steps, results and versions")

    invocation.output.document({"other": that.run.id, "this": this.run.id, "differences": differences}, print_text)


def _print_drift(invocation: Invocation, run: "RunView", drift: "list[Difference]") -> None:
    output = invocation.output
    output.line(
        f"{run.id}  {formatting.format_state(run.state)}: the saved step, and the step that its code requests now"
    )
    for change in drift:
        output.line(f"  {formatting.escape_line(change.path)}")
        output.line(f"    {output.paint('- saved ' + formatting.escape_line(change.other, _VALUE_LENGTH), 'red')}")
        output.line(f"    {output.paint('+ now   ' + formatting.escape_line(change.this, _VALUE_LENGTH), 'green')}")
