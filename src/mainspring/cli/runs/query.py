"""`mainspring runs query`: ask the code of a run about its state and print the answer."""

import threading
import time

import click

from mainspring.cli import params
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.json_values import find_sealing, read_json_value
from mainspring.cli.lazy_group import command


@command("query", "ask a run about its state and print the answer")
@click.argument("run", type=params.RUN)
@click.argument("name")
@click.argument("value", required=False, metavar="[JSON]")
@click.option(
    "--within", default="10s", show_default=True, metavar="SPAN", help="wait at most this long for the answer"
)
@pass_invocation
def query(invocation: Invocation, run: str, name: str, value: str | None, *, within: str) -> None:
    """The workflow answers with `@run.on_query(NAME)`. A query changes nothing, also works after the end of the run, and needs a worker.

    JSON may be @FILE, or - for stdin; without it the value is null. The exit code is 5 if the function of the query fails, and 75 if no
    worker answers.
    """
    import msgspec

    from mainspring.domain.failures.saved_error import QueryFailed
    from mainspring.domain.runs.query import make_unanswered_error, read_within

    span = read_within(within)
    run_id = invocation.run_id(run)
    sealing = find_sealing(invocation, run_id)
    engine = invocation.engine(sealing)
    data = None if value is None else read_json_value(value, f"query {name}")
    until = time.monotonic() + span.total_seconds()
    stored = engine.ask_query(run_id, name, data, span)
    answered = threading.Event()
    with engine.watch_end(stored.id, answered.set):
        while (view := engine.read_query(stored.id)).answered_at is None:
            if not answered.wait(max(until - time.monotonic(), 0)):
                raise make_unanswered_error(name, stored.run, span)
            answered.clear()
    if view.failure is not None:
        raise QueryFailed(view.run, name, sealing.open_failure(view.failure) or view.failure)
    answer = sealing.open(view.result or b"null")
    document = {"run": view.run, "query": name, "answer": msgspec.Raw(answer)}
    invocation.output.document(document, answer.decode())
