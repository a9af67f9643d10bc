"""Failed runs, `mainspring failed list|retry|discard`: runs that failed or need a person, and operations on all of them."""

from typing import TYPE_CHECKING, Any

import click

from mainspring.cli import params
from mainspring.cli.bulk.background_operations import background_option, begin_runs
from mainspring.cli.bulk.selection import (
    SelectionOptions,
    add_selection_options,
    at_option,
    continue_runs,
    print_bulk_result,
    rate_option,
    select_runs,
)
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.exits import OK
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.states import REOPENABLE_STATES
from mainspring.insight.text import formatting
from mainspring.insight.text.text_width import keep_end

if TYPE_CHECKING:
    from mainspring.cli.bulk.error_groups import FailedRun
    from mainspring.domain.failures.fingerprint import Fingerprint
    from mainspring.store.base import StoreReader
    from mainspring.store.views import RunView

_STOPPED_STATES = tuple(sorted(state.value for state in REOPENABLE_STATES))
_state_option = click.option(
    "--state", "states", type=click.Choice(_STOPPED_STATES), multiple=True, help="list only those in this state"
)

messages_option = click.option("--messages", is_flag=True, help="select messages that their broker refused, not runs")
_MAX_MESSAGES = 10_000


@command("list", "list failed and stopped runs that need a decision")
@_state_option
@params.name_option
@params.since_option
@params.ended_since_option
@params.error_option
@click.option(
    "--by", type=click.Choice(["run", "error"]), default="run", help="print one line for each run, or for each error"
)
@params.limit_option
@messages_option
@pass_invocation
def list_command(
    invocation: Invocation,
    *,
    states: tuple[str, ...],
    name: str | None,
    since: str | None,
    ended_since: str | None,
    error: str | None,
    by: str,
    limit: int,
    messages: bool,
) -> None:
    """Lists the runs that `failed retry` and `failed discard` would change, newest first, with their errors. For the next step of one run:
    `mainspring explain RUN`.

    A failed run is listed until it is settled: it succeeds, or a later run of the same item does, or you discard it or resolve its
    incident. All runs that ever failed: `mainspring runs list --state failed`.

    --by error prints one line for each error: how often, since when, where, and an example. It counts every failure, also of runs that
    continued, and --since compares the last failure. --error lists, or retries, the runs of one error.
    """
    from mainspring.cli.bulk.error_groups import print_groups, read_failed_runs
    from mainspring.insight.runs.error_groups import group_by_error
    from mainspring.service.runs.run_selection import RunFilter

    if messages:
        _warn_of_more(invocation, print_rejected(invocation, limit), limit)
        return
    run_filter = RunFilter(
        states=params.read_states(states or _STOPPED_STATES),
        name=name,
        since_at=params.read_instant(invocation, since),
        ended_since_at=params.read_instant(invocation, ended_since),
        error=error,
        limit=limit + 1,  # one more than is shown tells whether there are more
        unsettled=True,
    )
    if by == "error":
        since_at = max(run_filter.since_at or 0, run_filter.ended_since_at or 0)
        groups = invocation.read(lambda reader: group_by_error(reader, run_filter.states, name, since_at, error))
        print_groups(invocation, groups[:limit])
        _warn_of_more(invocation, len(groups), limit)
        return
    failed_runs = invocation.read(lambda reader: read_failed_runs(reader, run_filter))
    _print_runs(invocation, failed_runs[:limit])
    _warn_of_more(invocation, len(failed_runs), limit)


def _warn_of_more(invocation: Invocation, count: int, limit: int) -> None:
    """Warn that the list is cut, also with --json: a script that decides on each run must not miss the rest."""
    if count > limit:
        larger_limit = min(10 * limit, params.MAX_LISTED)
        advice = f"--limit {larger_limit}" if larger_limit > limit else "narrow it with --name, --since or --error"
        invocation.output.warn(f"There are more than these {limit}: {advice}")


def _print_runs(invocation: Invocation, failed_runs: "list[FailedRun]") -> None:
    from mainspring.cli.bulk.error_groups import fit_headline
    from mainspring.store.read.incidents import items_of
    from mainspring.store.read.short_ids import IdKind

    now, ids = invocation.clock.now(), [view.id for view, _ in failed_runs]
    short_ids = invocation.short_ids(IdKind.RUN, ids)
    items = items_of(invocation.reader, ids)
    rows = invocation.unseal(
        lambda unsealer: [_make_row(unsealer.run(view), error, items.get(view.id)) for view, error in failed_runs]
    )
    item = TableColumn("ITEM", _format_item, cut=True, most=40, fit=keep_end)
    columns = [
        TableColumn("RUN", lambda row: short_ids[row["id"]]),
        TableColumn(
            "STATE",
            lambda row: formatting.format_state(row["state"]),
            lambda row: formatting.COLOURS[row["state"]],
        ),
        TableColumn("AUTOMATION", lambda row: formatting.escape_line(row["automation"]), cut=True, most=20),
        *([item] if any(row["title"] or row["item"] for row in rows) else []),
        TableColumn("WHEN", lambda row: formatting.format_distance(row["changed_at"], now)),
        TableColumn("REASON", lambda row: str(row["reason"] or "-"), cut=True, spare=True),
        TableColumn(
            "ERROR", lambda row: formatting.escape_line(row["error"] or "-"), cut=True, most=60, fit=fit_headline
        ),
    ]
    invocation.output.rows(rows, columns, empty="No run failed, and no run needs a person.")


def _format_item(row: dict[str, Any]) -> str:
    """Return the subject of a run: its title, else its item."""
    return formatting.escape_line(row["title"] or row["item"] or "-")


def _make_row(view: "RunView", error: "Fingerprint | None", item: str | None) -> dict[str, Any]:
    return {
        "id": view.id,
        "state": view.state,
        "automation": view.automation,
        "title": view.title,
        "item": item,
        "changed_at": view.changed_at,
        "reason": view.reason,
        "step": view.failed_ident,
        "fingerprint": error.id if error else None,
        "code": view.failure.code if view.failure else None,
        "error": view.failure.headline if view.failure else None,
    }


@command("retry", "continue all runs that match a filter")
@add_selection_options(_STOPPED_STATES)
@at_option
@rate_option
@messages_option
@background_option
@pass_invocation
def retry(
    invocation: Invocation,
    *,
    selection: SelectionOptions,
    at: str | None,
    rate: str | None,
    messages: bool,
    background: bool,
) -> int:
    """Each run continues from where it failed; saved steps do not run again. A filter needs -y; --dry-run lists its runs.

    --rate stores a start time for each run, so this command ends at once. --background creates a bulk operation: see `mainspring bulk
    list`.
    """
    if messages:
        return decide_messages(invocation, selection, discard=False)
    if background:
        if at is not None:
            raise click.UsageError("--background starts at once: leave out --at", click.get_current_context())
        begin_runs(invocation, BulkVerb.RETRY, selection, rate=rate)
        return OK
    return continue_runs(invocation, selection, at=at, rate=rate, unsettled=True)


@command("discard", "discard runs: decide that no one will continue them")
@add_selection_options(_STOPPED_STATES)
@rate_option
@messages_option
@background_option
@pass_invocation
def discard(
    invocation: Invocation, *, selection: SelectionOptions, rate: str | None, messages: bool, background: bool
) -> int:
    """A run that needs a person fails, with the consequences of a failure: undo, dependents. A failed run counts as settled, so its
    incident no longer waits for it. A filter needs -y. --rate needs --background.
    """
    from mainspring.service.runs import bulk

    if messages:
        return decide_messages(invocation, selection, discard=True)
    if background:
        begin_runs(invocation, BulkVerb.DISCARD, selection, rate=rate)
        return OK
    if rate is not None:
        raise click.UsageError("--rate needs --background", click.get_current_context())
    run_ids = select_runs(invocation, selection, bulk.DISCARDABLE, unsettled=True)
    if not selection.dry_run:
        invocation.confirm(f"Discard {formatting.format_count(len(run_ids), 'run')}")
    result = bulk.discard_each(invocation.store, run_ids, act=invocation.act, dry_run=selection.dry_run)
    return print_bulk_result(invocation, result, "discarded")


def print_rejected(invocation: Invocation, limit: int) -> int:
    """List the messages that wait for a person, oldest first. Return their number, or `limit` + 1 if there are more."""
    from mainspring.store.read.outbox import list_refused_messages
    from mainspring.store.read.short_ids import IdKind

    now = invocation.clock.now()
    messages = invocation.read(lambda reader: list_refused_messages(reader, limit + 1))
    short_ids = invocation.short_ids(IdKind.MESSAGE, (message.id for message in messages))
    runs = invocation.short_ids(IdKind.RUN, (message.run for message in messages))
    columns = [
        TableColumn("MESSAGE", lambda message: short_ids[message.id]),
        TableColumn("QUEUE", lambda message: formatting.escape_line(message.queue), cut=True, most=40),
        TableColumn("RUN", lambda message: runs[message.run], spare=True),
        TableColumn("STEP", lambda message: formatting.escape_line(message.step), cut=True, spare=True, most=20),
        TableColumn("WHEN", lambda message: formatting.format_distance(message.made_at, now)),
        TableColumn("ERROR", lambda message: formatting.escape_line(message.fault or "-"), cut=True, most=60),
    ]
    invocation.output.rows(messages[:limit], columns, empty="No broker refused a message.")
    return len(messages)


def _find_message_id(reader: "StoreReader", text: str) -> str:
    """Return the id of the named message, by its whole id or the end that lists print."""
    from mainspring.store.read.short_ids import IdKind, ids_ending, whole_id

    endings = ids_ending(reader, IdKind.MESSAGE, text)
    return whole_id(IdKind.MESSAGE, text, endings) if endings else text


def decide_messages(invocation: Invocation, selection: "SelectionOptions", *, discard: bool) -> int:
    """Send refused messages again or discard them: the named ones, or all; all want a confirmation. Return the exit code."""
    from mainspring.cli.bulk.selection import print_bulk_result
    from mainspring.service.triggers import outbox
    from mainspring.store.read.outbox import list_refused_messages

    if selection.is_filter:
        raise click.UsageError("--messages takes ids of messages, or none for all", ctx=click.get_current_context())
    reader = invocation.reader
    message_ids = [_find_message_id(reader, text) for text in selection.runs]
    if not message_ids:
        message_ids = [
            message.id for message in invocation.read(lambda reader: list_refused_messages(reader, _MAX_MESSAGES))
        ]
    if not selection.dry_run and (discard or not selection.runs):
        count_text = formatting.format_count(len(message_ids), "message")
        invocation.confirm(f"Discard {count_text}" if discard else f"Send {count_text} again")
    decide = outbox.discard_each if discard else outbox.resend_each
    result = decide(invocation.store, message_ids, act=invocation.act, dry_run=selection.dry_run)
    return print_bulk_result(invocation, result, "discarded" if discard else "queued to be sent again", noun="message")
