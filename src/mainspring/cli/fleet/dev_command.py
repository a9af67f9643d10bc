"""The dev command, `mainspring dev`: as `up`, in the environment `development`. The worker restarts when the code changes."""

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.fleet.supervisor_run import run_until_stopped
from mainspring.cli.lazy_group import command


@command("dev", "run everything, and reload when the code changes")
@click.option("-m", "modules", metavar="MODULE_OR_FILE", multiple=True, help="load this code too")
@click.option("--no-reload", is_flag=True, help="do not restart the worker when the code changes")
@pass_invocation
def dev(invocation: Invocation, modules: tuple[str, ...], *, no_reload: bool) -> int:
    """Uses the environment `development`, which has its own store. --env chooses another environment."""
    invocation.flags.environment = invocation.flags.environment or "development"
    return run_until_stopped(invocation, modules, reload=not no_reload)
