"""Drain command, `mainspring drain [WORKER]`: let workers finish and claim nothing new."""

import time
from typing import TYPE_CHECKING

import click

from mainspring.cli import exits
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.domain.errors import NotFoundError
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.store.session_views import SessionView

_POLL_INTERVAL_S = 0.2
_WORKER_ROLES = ("worker", "probation", "app")


@command("drain", "let workers finish running steps and claim no more runs")
@click.argument("worker", type=int, required=False)
@click.option("--here", is_flag=True, help="drain only workers of this machine")
@click.option("--timeout", metavar="SPAN", help="wait up to SPAN for running work to finish")
@pass_invocation
def drain(invocation: Invocation, worker: int | None, *, here: bool, timeout: str | None) -> int:
    """WORKER is a number of `mainspring workers list`; without it, all workers drain. Running steps end, then the worker releases its runs.
    Its process continues until you stop it.

    Without --timeout this command does not wait. If runs are left after --timeout, the exit code is 7. SIGTERM to the process releases
    those, too.
    """
    from mainspring.domain.duration import parse_duration
    from mainspring.service.worker import drain as drain_worker

    within = None if timeout is None else parse_duration(timeout).total_seconds()
    chosen = [session for session in _find_workers(invocation, here=here) if worker is None or session.id == worker]
    if worker is not None and not chosen:
        raise NotFoundError(f"no worker {worker} is running", hint="See: mainspring workers list")
    for session in chosen:
        drain_worker(invocation.store, session.id, act=invocation.act.part(str(session.id)))
    left = chosen if within is None else _wait_for_drain(invocation, {session.id for session in chosen}, within)
    drained = [{"worker": session.id, "pid": session.pid, "running": session.running} for session in left]
    names = ", ".join(
        f"worker {session.id} (process {session.pid}) will release {formatting.format_count(session.running, 'run')}"
        for session in left
    )
    text = names or ("no run is left on them" if chosen else "no worker is running")
    invocation.output.document(drained, text)
    return exits.OK if within is None or not left else exits.TIMED_OUT


def _find_workers(invocation: Invocation, *, here: bool) -> "list[SessionView]":
    from mainspring.store.liveness import host_identity
    from mainspring.store.read.status.status import sessions

    host = host_identity() if here else None
    found = sessions(invocation.reader, limit=1_000)
    return [session for session in found if session.role in _WORKER_ROLES and host in (None, session.host)]


def _wait_for_drain(invocation: Invocation, session_ids: set[int], within: float) -> "list[SessionView]":
    """Wait until none of these sessions executes a run; return those that still do when the time is over."""
    until = time.monotonic() + within
    while True:
        left = [
            session
            for session in _find_workers(invocation, here=False)
            if session.id in session_ids and session.running
        ]
        if not left or time.monotonic() >= until:
            return left
        time.sleep(_POLL_INTERVAL_S)
