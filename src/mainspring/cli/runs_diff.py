"""`mainspring runs diff`: what is different about this run."""

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy import command
from mainspring.insight import words

_VALUE = 200


@command("diff", "compare a run with another one, or with the last good one")
@click.argument("run", type=params.RUN)
@click.argument("other", type=params.RUN, required=False)
@pass_invocation
def diff(invocation: Invocation, run: str, other: str | None) -> None:
    """Compares input, steps with their results, errors, and the version and deployment that ran it.

    Without OTHER: the newest succeeded run of the same automation that was created before it.
    """
    from mainspring.service.difference import differences, last_good

    reads = invocation.reads
    this = reads.story(invocation.run_id(run))
    that = reads.story(invocation.run_id(other) if other else last_good(reads, this.run))
    this, that = invocation.opened(lambda opening: (opening.story(this), opening.story(that)))
    found = differences(that, this)

    def text() -> None:
        output = invocation.output
        output.line(f"- {that.run.id}  {words.state_word(that.run.state)}")
        output.line(f"+ {this.run.id}  {words.state_word(this.run.state)}")
        for one in found:
            output.line(f"  {words.one_line(one.path)}")
            output.line(f"    {output.paint('- ' + words.one_line(one.other, _VALUE), 'red')}")
            output.line(f"    {output.paint('+ ' + words.one_line(one.this, _VALUE), 'green')}")
        if not found:
            output.line("  no difference in input, steps, results and versions")

    invocation.output.document({"other": that.run.id, "this": this.run.id, "differences": found}, text)
