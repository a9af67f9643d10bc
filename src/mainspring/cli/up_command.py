"""`mainspring up`: the supervisor in this process, the worker beside it."""

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy import command
from mainspring.cli.serving import serve

_modules = click.option("-m", "modules", metavar="MODULE_OR_FILE", multiple=True, help="load this code too")


@command("up", "run supervisor and worker")
@_modules
@click.option(
    "--tag", "tags", metavar="TAG", multiple=True, help="take runs with this tag= too; instead of worker.tags"
)
@pass_invocation
def up(invocation: Invocation, modules: tuple[str, ...], tags: tuple[str, ...]) -> int:
    """Stays in the foreground; Ctrl-C or SIGTERM drains the worker and ends. What the worker finds wrong with automations is printed, and
    shown by `mainspring doctor`.
    """
    return serve(invocation, modules, tags=tags)
