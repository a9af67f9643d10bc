"""The up command, `mainspring up`: the supervisor in this process, and the processes that it keeps."""

from typing import TYPE_CHECKING, Any

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.fleet.supervisor_run import run_until_stopped
from mainspring.cli.lazy_group import command

if TYPE_CHECKING:
    from collections.abc import Sequence


def _read_list(ctx: click.Context, param: click.Parameter, value: "Sequence[str]") -> tuple[str, ...]:
    """Read an option that may be repeated and holds a list."""
    words = tuple(word.strip() for text in value for word in text.split(",") if word.strip())
    if value and not words:
        raise click.BadParameter("it is empty: leave it out, or give it a value", ctx=ctx, param=param)
    return words


_modules_option = click.option(
    "-m", "modules", metavar="MODULE_OR_FILE", multiple=True, help="load this code too: jobs.py or package.module"
)


@command("up", "run workers, scheduler, watcher and web")
@_modules_option
@click.option(
    "--role",
    "roles",
    metavar="ROLE,...",
    multiple=True,
    callback=_read_list,
    help="run only these roles: worker, scheduler, watcher, web; overrides up.roles",
)
@click.option("--processes", type=int, metavar="N", help="run N worker processes; overrides up.processes")
@click.option(
    "--queue",
    "queues",
    metavar="QUEUE,...",
    multiple=True,
    callback=_read_list,
    help="claim runs of these queues only; overrides up.queues",
)
@click.option(
    "--tag", "tags", metavar="TAG", multiple=True, help="also claim runs with this tag=; overrides worker.tags"
)
@pass_invocation
def up(invocation: Invocation, /, modules: tuple[str, ...], **given: Any) -> int:
    """Stay in the foreground until Ctrl-C or SIGTERM. Then the workers finish their running steps, and `up` ends.

    If no file in mainspring.toml defines your code, name the file here: `mainspring up -m ship.py`. Errors in automations are printed;
    `mainspring doctor` shows them, too. Each machine may run any mix of roles: see `mainspring docs show fleet`.
    """
    names = {"roles": "up.roles", "processes": "up.processes", "queues": "up.queues", "tags": "worker.tags"}
    values = {key: list(given[name]) if isinstance(given[name], tuple) else given[name] for name, key in names.items()}
    return run_until_stopped(
        invocation, modules, flags={key: value for key, value in values.items() if value not in (None, [])}
    )
