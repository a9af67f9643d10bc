"""Queues: `mainspring queues list|show|pause|resume`."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import params, short_lists
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.store.views import QueueView


def _queue_state(view: "QueueView") -> str:
    return "open" if view.paused_at is None else "paused"


@command("list", "list queues with their limits and load")
@short_lists.add_list_options("open", "paused")
@pass_invocation
def list_command(
    invocation: Invocation, states: tuple[str, ...], name: str | None, since: str | None, limit: int
) -> None:
    """READY counts runs that a worker could claim now, OLDEST is since when the first of them waits: add workers by these. BACKLOG counts
    runs that never started, with those due later. --since compares pauses.
    """
    from mainspring.store.read.status.queue_loads import queue_loads

    rows = short_lists.filter_rows(
        invocation,
        invocation.read(lambda reader: queue_loads(reader, invocation.clock.now())),
        name_of=lambda view: view.name,
        state=_queue_state,
        at=lambda view: view.paused_at,
        states=states,
        name=name,
        since=since,
        limit=limit,
    )
    columns = [
        TableColumn("QUEUE", lambda view: formatting.escape_line(view.name), cut=True),
        TableColumn("STATE", _queue_state, lambda view: "green" if view.paused_at is None else "yellow"),
        TableColumn("RUNNING", lambda view: str(view.running), right=True),
        TableColumn("OF", lambda view: str(view.concurrency or "-"), right=True),
        TableColumn(
            "RATE", lambda view: formatting.format_rate(view.rate_count, view.rate_per_ms), right=True, spare=True
        ),
        TableColumn("READY", lambda view: str(view.claimable), right=True),
        TableColumn(
            "OLDEST",
            lambda view: "-" if view.oldest_s is None else formatting.format_span(round(view.oldest_s * 1000)),
            right=True,
        ),
        TableColumn("WORKERS", lambda view: str(view.workers), right=True, spare=True),
        TableColumn("BACKLOG", lambda view: str(view.backlog), right=True),
        TableColumn("OF", lambda view: str(view.max_backlog or "-"), right=True),
    ]
    invocation.output.rows(rows, columns, empty="No queues yet.")


@command("show", "show a queue, and the runs that use its slots")
@click.argument("name", type=params.QUEUE)
@pass_invocation
def show(invocation: Invocation, name: str) -> None:
    """The runs are those that count against its limits now."""
    from mainspring.domain.states import RunState
    from mainspring.store.read.runs.run_views import list_runs
    from mainspring.store.read.status.status import queue_views

    short_lists.require_known_name("queue", name, params.read_queue_names(invocation.reader))
    view = next(view for view in queue_views(invocation.reader) if view.name == name)
    page = list_runs(invocation.reader, states=(RunState.RUNNING,), limit=1000)
    running = invocation.unseal(lambda unsealer: [unsealer.row(row) for row in page.runs if row.queue == name])

    def print_text() -> None:
        from mainspring.cli.runs.run_list import make_run_columns
        from mainspring.store.read.short_ids import IdKind

        output, now = invocation.output, invocation.clock.now()
        output.line(f"{output.paint(formatting.escape_line(name), None, bold=True)}  {_queue_state(view)}")
        if view.paused_at is not None:
            reason_text = f": {formatting.escape_line(view.pause_reason)}" if view.pause_reason else ""
            output.line(
                f"  paused    {formatting.format_distance(view.paused_at, now)} by {formatting.escape_line(view.paused_by)}{reason_text}"
            )
        output.line(f"  running   {view.running} of {view.concurrency or 'no limit'}")
        output.line(f"  rate      {formatting.format_rate(view.rate_count, view.rate_per_ms)}")
        output.line(f"  backlog   {view.backlog} of {view.max_backlog or 'no limit'}")
        short_ids = invocation.short_ids(IdKind.RUN, (row.id for row in running))
        output.rows(running, make_run_columns(running, now, short_ids), empty="No run runs in it.")

    from mainspring.domain.values.plain_json import to_plain_json

    invocation.output.document(to_plain_json(view) | {"state": _queue_state(view), "runs": running}, print_text)


@command("pause", "pause a queue: workers claim no runs from it")
@click.argument("name", type=params.QUEUE)
@pass_invocation
def pause(invocation: Invocation, name: str) -> None:
    """New runs can be queued. A run that a worker holds continues. A run that waits continues after the pause."""
    from mainspring.service.queue import pause as pause_queue

    pause_queue(
        invocation.store,
        short_lists.require_known_name("queue", name, params.read_queue_names(invocation.reader)),
        act=invocation.act,
    )
    invocation.output.document({"name": name, "paused": True}, f"Queue {name} is paused.")


@command("resume", "resume a queue")
@click.argument("name", type=params.QUEUE)
@pass_invocation
def resume(invocation: Invocation, name: str) -> None:
    """Workers claim its runs again, oldest first."""
    from mainspring.service.queue import resume as resume_queue

    resume_queue(
        invocation.store,
        short_lists.require_known_name("queue", name, params.read_queue_names(invocation.reader)),
        act=invocation.act,
    )
    invocation.output.document({"name": name, "paused": False}, f"Queue {name} is resumed.")
