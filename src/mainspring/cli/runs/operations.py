"""`mainspring runs cancel|signal|answer`: operations of a person on a live run."""

import click

from mainspring.cli import params
from mainspring.cli.bulk.background_operations import background_option, begin_runs
from mainspring.cli.bulk.selection import SelectionOptions, add_selection_options, print_bulk_result, select_runs
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.json_values import find_sealing, read_json_value
from mainspring.cli.lazy_group import command
from mainspring.cli.runs.forks_of_run import confirm_despite_forks
from mainspring.domain.errors import ArgumentError
from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.runs.question import FormWords
from mainspring.domain.states import RunState
from mainspring.insight.text import formatting

_STATE_CHOICES = tuple(state.value for state in RunState)


@command("cancel", "cancel runs")
@add_selection_options(_STATE_CHOICES)
@click.option(
    "--undo/--keep", "undo", default=None, help="roll back what they did, or do not (default: as on_cancel= says)"
)
@click.option("--rate", metavar="RATE", help="with --background: so many at a time: 10/s, 60/m")
@background_option
@pass_invocation
def cancel(
    invocation: Invocation, *, selection: SelectionOptions, undo: bool | None, rate: str | None, background: bool
) -> int:
    """A run that no worker executes ends at once. A running one is cancelled at its current await, and may clean up.

    A run that needs a person is rolled back first if its on_cancel= says so. --undo rolls back failed runs, too; --keep rolls back nothing.

    Name runs, or choose them with --state, --name, --queue, --error and times. A filter needs -y. --dry-run changes nothing. --background
    creates a bulk operation: see `mainspring bulk list`.
    """
    from mainspring.service.runs import bulk

    if background:
        if undo is not None:
            raise click.UsageError("--background uses on_cancel=: leave out --undo and --keep")
        begin_runs(invocation, BulkVerb.CANCEL, selection, rate=rate)
        return 0
    if rate is not None:
        raise click.UsageError("--rate needs --background")
    if selection.is_one:
        run_id = invocation.run_id(selection.runs[0])
        if undo:
            confirm_despite_forks(
                invocation, invocation.reads.run_history(run_id), "Undo steps whose results these forks use"
            )
        invocation.engine().cancel(run_id, act=invocation.act, undo=undo)
        invocation.output.document({"run": run_id, "cancelled": True}, f"{run_id} will be cancelled.")
        return 0
    run_ids = select_runs(invocation, selection, bulk.CANCELLABLE)
    if not selection.runs and not selection.dry_run:
        invocation.confirm(f"Cancel {formatting.format_count(len(run_ids), 'run')}")
    result = bulk.cancel_each(invocation.store, run_ids, act=invocation.act, dry_run=selection.dry_run, undo=undo)
    return print_bulk_result(invocation, result, "will be cancelled")


@command("signal", "send a signal to a run")
@click.argument("run", type=params.RUN)
@click.argument("name")
@click.argument("value", required=False, metavar="[JSON]")
@pass_invocation
def signal(invocation: Invocation, run: str, name: str, value: str | None) -> None:
    """The run receives it with `run.receive(NAME)`, now or later. JSON may be @FILE, or - for stdin; without it the value is null."""
    run = invocation.run_id(run)
    engine = invocation.engine(find_sealing(invocation, run))
    data = None if value is None else read_json_value(value, f"signal {name}")
    engine.signal(run, name, data, act=invocation.act)
    invocation.output.document({"run": run, "signal": name}, f"{run} was sent {name}.")


@command("answer", "answer the question of a run")
@click.argument("run", type=params.RUN)
@click.argument("choice", type=params.CHOICE, required=False)
@click.option("--note", metavar="TEXT", help="store this text with the answer, and in the audit log")
@click.option("--question", metavar="NAME", help="answer this question, if several are open")
@click.option(
    "--form", "form", multiple=True, metavar="NAME=VALUE", help="a field of the form, or all as a JSON object or @FILE"
)
@pass_invocation
def answer(
    invocation: Invocation, run: str, choice: str | None, note: str | None, question: str | None, form: tuple[str, ...]
) -> None:
    """`mainspring explain RUN` shows the question, and its choices or the fields of its form."""
    run = invocation.run_id(run)
    if (choice is None) == (not form):
        raise ArgumentError(
            "an answer is a choice or a form", hint="Write CHOICE, or --form NAME=VALUE for each field."
        )
    is_json = len(form) == 1 and (form[0] == "-" or form[0][:1] in ("{", "@"))
    given = choice if choice is not None else read_json_value(form[0], "--form") if is_json else FormWords(form)
    engine = invocation.engine(find_sealing(invocation, run))
    engine.answer(run, given, act=invocation.act, question=question, note=note)
    given_as = {"form": list(form)} if choice is None else {"choice": choice}
    invocation.output.document({"run": run, **given_as}, f"{run} was answered{'' if choice is None else f': {choice}'}")
