"""`mainspring runs export`."""

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command


@command("export", "print everything that is stored about a run, as JSON")
@click.argument("run", type=params.RUN)
@pass_invocation
def export(invocation: Invocation, run: str) -> None:
    """Prints the journal row by row, attempts, checkpoints, inbox and children, and superseded outcomes."""
    from mainspring.store.read.runs.run_views import run_history

    stored = run_history(invocation.reader, invocation.run_id(run))
    invocation.output.json(invocation.unseal(lambda unsealer: unsealer.run_history(stored)))
