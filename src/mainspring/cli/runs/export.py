"""`mainspring runs export`."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command

if TYPE_CHECKING:
    from mainspring.store.base import StoreReader
    from mainspring.store.views import RunView


@command("export", "print everything that is stored about a run, as JSON")
@click.argument("run", type=params.RUN)
@pass_invocation
def export(invocation: Invocation, run: str) -> None:
    """Prints the journal row by row, attempts, checkpoints, inbox and children, superseded outcomes, renamed steps and the definition.

    `mainspring test replay FILE` replays the printed journal against the code of today.
    """
    from msgspec.structs import asdict

    from mainspring.store.read.run_decisions import read_decisions
    from mainspring.store.read.runs.history import read_step_renames, read_unfinished_children
    from mainspring.store.read.runs.run_views import run_history
    from mainspring.store.views import RunExport
    from mainspring.version import __version__

    run_id, reader = invocation.run_id(run), invocation.reader
    stored = run_history(reader, run_id)
    opened = invocation.unseal(lambda unsealer: unsealer.run_history(stored))
    given = read_decisions(reader, stored.run).given
    document = RunExport(
        **asdict(opened),
        mainspring=__version__,
        renames=read_step_renames(reader, run_id),
        unfinished_children=read_unfinished_children(reader, run_id),
        is_declared_done=any(result.ident is None for result in given),
        definition=_read_definition(reader, stored.run),
        restart_input=_read_restart_input(invocation, stored.run),
    )
    invocation.output.json(document)


def _read_restart_input(invocation: Invocation, run: "RunView") -> bytes | None:
    """Return the input of the run that continues a restarted run; None if there is none, or it was deleted."""
    from mainspring.domain.errors import NotFoundError
    from mainspring.store.read.runs.run_views import run_view
    from mainspring.store.views import find_continuation

    successor = find_continuation(run)
    try:
        stored = None if successor is None else run_view(invocation.reader, successor).input
    except NotFoundError:
        return None
    return invocation.unseal(lambda unsealer: unsealer.value(stored))


def _read_definition(reader: "StoreReader", run: "RunView") -> bytes | None:
    """Return the announced definition of the run's automation and version. Of its environment it has the names."""
    import msgspec

    from mainspring.domain.redaction.redactor import MASK
    from mainspring.store.read.rollouts import list_versions

    for view in list_versions(reader, run.automation):
        if view.version == run.version:
            definition = msgspec.json.decode(view.definition)
            definition["env"] = dict.fromkeys(definition.get("env") or {}, MASK)
            return msgspec.json.encode(definition)
    return None
