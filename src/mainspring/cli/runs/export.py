"""`mainspring runs export`."""

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command


@command("export", "print everything that is stored about a run, as JSON")
@click.argument("run", type=params.RUN)
@pass_invocation
def export(invocation: Invocation, run: str) -> None:
    """Prints the journal row by row, attempts, checkpoints, inbox and children, superseded outcomes, and renamed steps."""
    from msgspec.structs import asdict

    from mainspring.store.read.runs.history import read_step_renames
    from mainspring.store.read.runs.run_views import run_history
    from mainspring.store.views import RunExport

    run_id = invocation.run_id(run)
    stored = run_history(invocation.reader, run_id)
    opened = invocation.unseal(lambda unsealer: unsealer.run_history(stored))
    invocation.output.json(RunExport(**asdict(opened), renames=read_step_renames(invocation.reader, run_id)))
