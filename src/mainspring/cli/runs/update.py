"""`mainspring runs update`: send a request to a run and print its reply."""

import threading
import time
from typing import TYPE_CHECKING

import click

from mainspring.cli import exits, params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.json_values import find_sealing, read_json_value
from mainspring.cli.lazy_group import command
from mainspring.domain.duration import parse_duration
from mainspring.domain.states import RunState

if TYPE_CHECKING:
    from mainspring.domain.values.sealing import Sealing
    from mainspring.service.run_engine import RunEngine
    from mainspring.store.views import UpdateView


@command("update", "send a request to a run and print its reply")
@click.argument("run", type=params.RUN)
@click.argument("name")
@click.argument("value", required=False, metavar="[JSON]")
@click.option(
    "--id", "request_id", metavar="ID", help="the same id is the same update: a repeated command prints the first reply"
)
@click.option(
    "--timeout", default="60s", show_default=True, metavar="SPAN", help="wait at most this long for the reply"
)
@pass_invocation
def update(
    invocation: Invocation, run: str, name: str, value: str | None, *, request_id: str | None, timeout: str
) -> None:
    """The workflow handles it with `@run.on_update(NAME)`. It is applied once; after a timeout it stays in force.

    JSON may be @FILE, or - for stdin; without it the value is null. The exit code is 5 if the workflow rejects the update or its handler
    fails.
    """
    seconds = parse_duration(timeout).total_seconds()
    run_id = invocation.run_id(run)
    sealing = find_sealing(invocation, run_id)
    engine = invocation.engine(sealing)
    data = None if value is None else read_json_value(value, f"update {name}")
    stored = engine.request_update(run_id, name, data, act=invocation.act, request_id=request_id)
    view = _await_reply(invocation, engine, stored.id, seconds, sealing)
    result = _read_result(view, sealing)
    document = {"run": view.run, "update": view.id, "state": view.state, "result": result}
    invocation.output.document(document, _format_result(result))


def _await_reply(
    invocation: Invocation, engine: "RunEngine", update_id: str, timeout: float, sealing: "Sealing"
) -> "UpdateView":
    """Return the update once it has its reply. Raises WaitTimedOutError, RunFailed, UpdateFailed."""
    from mainspring.domain.failures.saved_error import RunFailed
    from mainspring.domain.runs.update import describe_handlers, make_update_error

    until = time.monotonic() + timeout
    changed = threading.Event()
    view = engine.read_update(update_id)
    while True:
        changed.clear()
        with engine.watch_end(update_id, changed.set), engine.watch_end(view.run, changed.set):
            view = engine.read_update(update_id)
            if view.failure is not None:
                raise make_update_error(
                    view.run, view.name, view.state, sealing.open_failure(view.failure) or view.failure
                )
            if view.replied_at is not None:
                return view
            run = engine.describe(view.run)
            if run.state is RunState.NEEDS_ATTENTION:
                raise RunFailed(run.id, run.state, sealing.open_failure(run.failure))
            left = until - time.monotonic()
            if left <= 0:
                raise exits.WaitTimedOutError(
                    f"run {view.run} has not replied to update {view.name!r} in {timeout:g} s; it is {run.state}."
                    f"{describe_handlers(view.name, run.waiting_for)}",
                    hint=f"The update stays in force. Wait for its reply: the same command with --id {view.request_id}\n"
                    f"See: mainspring explain {view.run}",
                )
            changed.wait(left)


def _read_result(view: "UpdateView", sealing: "Sealing") -> object:
    import msgspec

    return msgspec.json.decode(sealing.open(view.result or b"null"))


def _format_result(result: object) -> str:
    import msgspec

    return msgspec.json.encode(result).decode()
