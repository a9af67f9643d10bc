"""`mainspring bulk list|show|pause|resume|stop`: acts on many runs or deliveries that go on by themselves."""

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
    from mainspring.store.read.bulk_operations import bulk_acts

    return bulk_acts(reader, limit=_MAX_OPERATIONS)


_BULK_ID = params.StoredNameType(lambda reader: [one.id for one in _read_operations(reader)], "bulk")
background_option = click.option(
    "--background", is_flag=True, help="put it on record and go: processes do it, and it can be paused and stopped"
)


def begin_runs(invocation: Invocation, verb: BulkVerb, which: "SelectionOptions", *, rate: str | None) -> None:
    """Ask for an act on all runs of a filter; wants a yes, after saying how many they are."""
    from mainspring.service import bulk_operation
    from mainspring.service.runs.run_selection import select_runs

    if which.runs or not which.is_filter:
        ctx = click.get_current_context()
        fields = "--state, --name, --queue, --error, --limit or a span of time"
        raise click.UsageError(f"--background takes a filter: {fields}", ctx)

    def choosing() -> "RunSelection":
        wanted = bulk_operation.run_filter_for(
            verb,
            params.read_states(which.states),
            which.limit,
            name=which.name,
            queue=which.queue,
            error=which.error,
            **which.spans_at(invocation),
        )
        return select_runs(invocation.reads, wanted)

    said = {field: getattr(which, field) for field in ("name", "queue", "error", "limit")}
    begin_operation(
        invocation, verb, choosing, {"state": which.states, **said, **which.spans}, rate, dry_run=which.dry_run
    )


def begin_operation(
    invocation: Invocation,
    verb: BulkVerb,
    choosing: "Callable[[], RunSelection]",
    said: dict[str, Any],
    rate: str | None,
    *,
    dry_run: bool,
) -> None:
    """Ask for an act on what is chosen by what was `said`; asked for again under one id, it goes on."""
    from mainspring.domain.runs.bulk_operation import MAX_BULK_PARTS, check_bulk_rate
    from mainspring.domain.time.rate import parse_rate
    from mainspring.insight.runs.bulk_description import bulk_title, count_parts_text
    from mainspring.service import bulk_operation

    act, told = invocation.act, {name: value for name, value in said.items() if value}
    limit = None if rate is None else parse_rate(rate)
    if not dry_run and bulk_operation.was_started(invocation.reads, verb, act=act):
        _print_begun(invocation, verb, act.command, _find_operation(invocation, act.command).total)
        return
    chosen = choosing()
    check_bulk_rate(limit, len(chosen.ids))
    is_more = len(chosen.ids) > MAX_BULK_PARTS
    number = (
        f"more than {MAX_BULK_PARTS:,} {count_parts_text(verb)}" if is_more else count_parts_text(verb, len(chosen.ids))
    )
    if chosen.left_out:
        number += f" ({chosen.left_out:,} more fit and are left out: {LEFT_OUT_REASONS})"
    if dry_run:
        document = {"bulk": None, count_parts_text(verb): len(chosen.ids)}
        invocation.output.document(document, f"{bulk_title(verb, told)}: {number}; nothing was done.")
        return
    if not is_more:  # else there is nothing to say yes to
        invocation.confirm(f"{bulk_title(verb, told)}: {number}")
    id = bulk_operation.start_bulk_operation(invocation.store, verb, chosen, told, act=act, rate=limit)
    _print_begun(invocation, verb, id, len(chosen.ids))


def _print_begun(invocation: Invocation, verb: BulkVerb, id: str, count: int) -> None:
    from mainspring.insight.runs.bulk_description import count_parts_text

    invocation.output.document(
        {"bulk": id, count_parts_text(verb): count}, f"Bulk act {id} goes on: {count_parts_text(verb, count)}."
    )
    invocation.output.hint(f"How far it is: mainspring bulk show {id}")


@command("list", "list acts on many, newest first")
@short_lists.add_list_options(*(state.value for state in BulkState))
@pass_invocation
def list_command(
    invocation: Invocation, states: tuple[str, ...], name: str | None, since: str | None, limit: int
) -> None:
    """They go on while any worker or watcher runs. How far one is: mainspring bulk show ID."""
    from mainspring.insight.runs.bulk_description import bulk_title, filter_of
    from mainspring.store.read.short_ids import IdKind

    found = short_lists.filter_rows(
        invocation,
        invocation.read(_read_operations),
        named=lambda view: view.id,
        state=lambda view: view.state,
        at=lambda view: view.made_at,
        states=states,
        name=name,
        since=since,
        limit=limit,
    )
    now = invocation.clock.now()
    short = invocation.short_ids(IdKind.BULK, (view.id for view in found))
    columns = [
        TableColumn("BULK", lambda view: short[view.id]),
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
    invocation.output.rows(found, columns, empty="No act on many runs or deliveries was asked for.")


@command("show", "show an act on many: how far it is, what was refused")
@click.argument("bulk", type=_BULK_ID)
@pass_invocation
def show(invocation: Invocation, bulk: str) -> None:
    """Of what was refused the first are shown, each with its reason; --json has no more of them either."""
    from mainspring.insight.runs.bulk_description import bulk_title, describe_progress, filter_of
    from mainspring.store.read.bulk_operations import bulk_parts

    view = _find_operation(invocation, bulk)
    refused = bulk_parts(invocation.reader, view, refused=True, limit=_MAX_REJECTED_PRINTED)
    output = invocation.output

    def text() -> None:
        output.line(f"{bulk_title(view.verb, filter_of(view))}: {view.state}")
        output.line(describe_progress(view, invocation.clock.now()))
        output.line(f"by {formatting.escape_line(view.actor)}{f', at {view.rate}' if view.rate else ''}")
        for one in refused:
            output.warn(f"{one.id}: {formatting.escape_line(one.why or '')}")

    output.document({"bulk": view, "refused": refused}, text)


@command("pause", "do nothing more of it for now")
@click.argument("bulk", type=_BULK_ID)
@pass_invocation
def pause(invocation: Invocation, bulk: str) -> None:
    """The piece that is under way is done to its end."""
    _change_state(invocation, bulk, BulkMove.PAUSE, "is paused")


@command("resume", "go on with it")
@click.argument("bulk", type=_BULK_ID)
@pass_invocation
def resume(invocation: Invocation, bulk: str) -> None:
    """It goes on where it was."""
    _change_state(invocation, bulk, BulkMove.RESUME, "goes on")


@command("stop", "end it: the rest is left as it is")
@click.argument("bulk", type=_BULK_ID)
@pass_invocation
def stop(invocation: Invocation, bulk: str) -> None:
    """What was done stays done."""
    _change_state(invocation, bulk, BulkMove.STOP, "is stopped")


def _change_state(invocation: Invocation, bulk: str, verb: BulkMove, said: str) -> None:
    from mainspring.service import bulk_operation

    view = _find_operation(invocation, bulk)
    bulk_operation.control_bulk_operation(invocation.store, view.id, verb, act=invocation.act)
    state = _find_operation(invocation, bulk).state
    invocation.output.document({"bulk": view.id, "state": state}, f"Bulk act {view.id} {said}.")


def _find_operation(invocation: Invocation, bulk: str) -> "BulkView":
    """Return the one of this id, or of an id that ends so.

    Raises:
        NotFoundError: there is none.
        ConflictError: more than one ends so.
    """
    from mainspring.domain.errors import NotFoundError
    from mainspring.store.read.bulk_operations import bulk_act
    from mainspring.store.read.short_ids import IdKind, ids_ending, whole_id

    found = bulk_act(invocation.reader, bulk)
    if found is None:
        endings = ids_ending(invocation.reader, IdKind.BULK, bulk)
        found = bulk_act(invocation.reader, whole_id(IdKind.BULK, bulk, endings)) if endings else None
    if found is None:
        raise NotFoundError(f"there is no bulk act {bulk}", hint="See: mainspring bulk list")
    return found
