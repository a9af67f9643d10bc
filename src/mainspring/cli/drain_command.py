"""`mainspring drain [WORKER]`: let workers finish and take nothing new."""

import click

from mainspring.cli import exits
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy import command
from mainspring.domain.errors import NotFoundError


@command("drain", "let the workers finish and take nothing new")
@click.argument("worker", type=int, required=False)
@pass_invocation
def drain(invocation: Invocation, worker: int | None) -> int:
    """WORKER is a number of `mainspring workers list`; without one all workers are meant. They stay until they are stopped."""
    from mainspring.service.worker import drain as drain_one
    from mainspring.store.reads.status import sessions

    live = [s for s in sessions(invocation.reader) if s.role in ("worker", "probation", "app")]
    chosen = [s for s in live if worker is None or s.id == worker]
    if worker is not None and not chosen:
        raise NotFoundError(f"no worker {worker} is alive", hint="See: mainspring workers list")
    for session in chosen:
        drain_one(invocation.store, session.id, act=invocation.act.part(str(session.id)))
    drained = [{"worker": s.id, "pid": s.pid, "running": s.running} for s in chosen]
    text = (
        ", ".join(f"worker {s.id} (process {s.pid}) finishes {s.running} runs" for s in chosen) or "no worker is alive"
    )
    invocation.output.document(drained, text)
    return exits.OK
