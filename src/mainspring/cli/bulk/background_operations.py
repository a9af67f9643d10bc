"""Background operations on many runs or deliveries: `mainspring bulk list|show|pause|resume|stop`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from mainspring.cli import params, short_lists
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.states import BulkMove, BulkState
from mainspring.insight.runs.bulk_description import LEFT_OUT_REASONS
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.cli.bulk.selection import SelectionOptions
    from mainspring.service.runs.run_selection import RunSelection
    from mainspring.store.base import StoreReader
    from mainspring.store.read.bulk_operations import BulkView

_MAX_OPERATIONS = 500
_MAX_REJECTED_PRINTED = 20


def _read_operations(reader: "StoreReader") -> "list[BulkView]":
    from mainspring.store.read.bulk_operations import list_bulk_operations

    return list_bulk_operations(reader, limit=_MAX_OPERATIONS)


_BULK_ID = params.StoredNameType(lambda reader: [operation.id for operation in _read_operations(reader)], "bulk")
background_option = click.option(
    "--background", is_flag=True, help="create a bulk operation, which workers do and which you can pause and stop"
)


def begin_runs(invocation: Invocation, verb: BulkVerb, selection: "SelectionOptions", *, rate: str | None) -> None:
    """Start an operation on all runs of a filter. It asks for confirmation with the number of runs."""
    from mainspring.service import bulk_operation
    from mainspring.service.runs.run_selection import select_runs

    if selection.runs or not selection.is_filter:
        ctx = click.get_current_context()
        fields = "--state, --name, --queue, --error, --limit or a time"
        raise click.UsageError(f"--background needs a filter: {fields}", ctx)

    def select() -> "RunSelection":
        run_filter = bulk_operation.run_filter_for(
            verb,
            params.read_states(selection.states),
            selection.limit,
            name=selection.name,
            queue=selection.queue,
            error=selection.error,
            **selection.spans_at(invocation),
        )
        return select_runs(invocation.reads, run_filter)

    filter_values = {field: getattr(selection, field) for field in ("name", "queue", "error", "limit")}
    begin_operation(
        invocation,
        verb,
        select,
        {"state": selection.states, **filter_values, **selection.spans},
        rate,
        dry_run=selection.dry_run,
    )


def begin_operation(
    invocation: Invocation,
    verb: BulkVerb,
    select: "Callable[[], RunSelection]",
    filter_values: dict[str, Any],
    rate: str | None,
    *,
    dry_run: bool,
) -> None:
    """Start an operation on the runs that `select` returns, described by `filter_values`. A repeated command id continues it."""
    from mainspring.domain.runs.bulk_operation import MAX_BULK_PARTS, check_bulk_rate
    from mainspring.domain.time.rate import parse_rate
    from mainspring.insight.runs.bulk_description import bulk_title, count_parts_text
    from mainspring.service import bulk_operation

    act, given_values = invocation.act, {name: value for name, value in filter_values.items() if value}
    limit = None if rate is None else parse_rate(rate)
    if not dry_run and bulk_operation.was_started(invocation.reads, verb, act=act):
        _print_started(invocation, verb, act.command, _find_operation(invocation, act.command).total)
        return
    selected = select()
    check_bulk_rate(limit, len(selected.ids))
    is_too_many = len(selected.ids) > MAX_BULK_PARTS
    number = (
        f"more than {MAX_BULK_PARTS:,} {count_parts_text(verb)}"
        if is_too_many
        else count_parts_text(verb, len(selected.ids))
    )
    if selected.left_out:
        number += f" ({selected.left_out:,} more match and are left out: {LEFT_OUT_REASONS})"
    if dry_run:
        document = {"bulk": None, count_parts_text(verb): len(selected.ids)}
        invocation.output.document(document, f"{bulk_title(verb, given_values)}: {number}; nothing was done.")
        return
    if not is_too_many:  # else there is nothing to confirm
        invocation.confirm(f"{bulk_title(verb, given_values)}: {number}")
    operation_id = bulk_operation.start_bulk_operation(
        invocation.store, verb, selected, given_values, act=act, rate=limit
    )
    _print_started(invocation, verb, operation_id, len(selected.ids))


def _print_started(invocation: Invocation, verb: BulkVerb, operation_id: str, count: int) -> None:
    from mainspring.insight.runs.bulk_description import count_parts_text

    invocation.output.document(
        {"bulk": operation_id, count_parts_text(verb): count},
        f"Bulk operation {operation_id} is in progress: {count_parts_text(verb, count)}.",
    )
    invocation.output.hint(f"Progress: mainspring bulk show {operation_id}")


@command("list", "list bulk operations, newest first")
@short_lists.add_list_options(*(state.value for state in BulkState))
@pass_invocation
def list_command(
    invocation: Invocation, states: tuple[str, ...], name: str | None, since: str | None, limit: int
) -> None:
    """Bulk operations make progress while any worker or watcher is running. For the progress of one: `mainspring bulk show ID`."""
    from mainspring.insight.runs.bulk_description import bulk_title, filter_of
    from mainspring.store.read.short_ids import IdKind

    operations = short_lists.filter_rows(
        invocation,
        invocation.read(_read_operations),
        name_of=lambda view: view.id,
        state=lambda view: view.state,
        at=lambda view: view.made_at,
        states=states,
        name=name,
        since=since,
        limit=limit,
    )
    now = invocation.clock.now()
    short_ids = invocation.short_ids(IdKind.BULK, (view.id for view in operations))
    columns = [
        TableColumn("BULK", lambda view: short_ids[view.id]),
        TableColumn("STATE", lambda view: view.state.value),
        TableColumn("DONE", lambda view: str(view.done), right=True),
        TableColumn("REFUSED", lambda view: str(view.refused), right=True, spare=True),
        TableColumn("LEFT", lambda view: str(view.left), right=True),
        TableColumn("WHEN", lambda view: formatting.format_distance(view.made_at, now)),
        TableColumn("BY", lambda view: formatting.escape_line(view.actor), cut=True, spare=True, most=24),
        TableColumn(
            "WHAT", lambda view: formatting.escape_line(bulk_title(view.verb, filter_of(view))), cut=True, most=60
        ),
    ]
    invocation.output.rows(operations, columns, empty="There is no bulk operation.")


@command("show", "show a bulk operation: its progress and what was refused")
@click.argument("bulk", type=_BULK_ID)
@pass_invocation
def show(invocation: Invocation, bulk: str) -> None:
    """Shows the first refusals, each with its reason. --json has the same number of them."""
    from mainspring.insight.runs.bulk_description import bulk_title, describe_progress, filter_of
    from mainspring.store.read.bulk_operations import bulk_parts

    view = _find_operation(invocation, bulk)
    refused = bulk_parts(invocation.reader, view, refused=True, limit=_MAX_REJECTED_PRINTED)
    output = invocation.output

    def print_text() -> None:
        output.line(f"{bulk_title(view.verb, filter_of(view))}: {view.state}")
        output.line(describe_progress(view, invocation.clock.now()))
        output.line(f"by {formatting.escape_line(view.actor)}{f', at {view.rate}' if view.rate else ''}")
        for part in refused:
            output.warn(f"{part.id}: {formatting.escape_line(part.reason or '')}")

    output.document({"bulk": view, "refused": refused}, print_text)


@command("pause", "pause a bulk operation")
@click.argument("bulk", type=_BULK_ID)
@pass_invocation
def pause(invocation: Invocation, bulk: str) -> None:
    """The current piece of work is finished."""
    _change_state(invocation, bulk, BulkMove.PAUSE, "is paused")


@command("resume", "resume a bulk operation")
@click.argument("bulk", type=_BULK_ID)
@pass_invocation
def resume(invocation: Invocation, bulk: str) -> None:
    """It continues where it was paused."""
    _change_state(invocation, bulk, BulkMove.RESUME, "is resumed")


@command("stop", "stop a bulk operation for good")
@click.argument("bulk", type=_BULK_ID)
@pass_invocation
def stop(invocation: Invocation, bulk: str) -> None:
    """Completed parts stay done; the rest is not done."""
    _change_state(invocation, bulk, BulkMove.STOP, "is stopped")


def _change_state(invocation: Invocation, bulk: str, verb: BulkMove, outcome: str) -> None:
    from mainspring.service import bulk_operation

    view = _find_operation(invocation, bulk)
    bulk_operation.control_bulk_operation(invocation.store, view.id, verb, act=invocation.act)
    state = _find_operation(invocation, bulk).state
    invocation.output.document({"bulk": view.id, "state": state}, f"Bulk operation {view.id} {outcome}.")


def _find_operation(invocation: Invocation, bulk: str) -> "BulkView":
    """Return the operation with this id or end of an id.

    Raises:
        NotFoundError: there is no such operation.
        ConflictError: several ids end so.
    """
    from mainspring.domain.errors import NotFoundError
    from mainspring.store.read.bulk_operations import read_bulk_operation
    from mainspring.store.read.short_ids import IdKind, ids_ending, whole_id

    view = read_bulk_operation(invocation.reader, bulk)
    if view is None:
        endings = ids_ending(invocation.reader, IdKind.BULK, bulk)
        view = read_bulk_operation(invocation.reader, whole_id(IdKind.BULK, bulk, endings)) if endings else None
    if view is None:
        raise NotFoundError(f"there is no bulk operation {bulk}", hint="See: mainspring bulk list")
    return view
