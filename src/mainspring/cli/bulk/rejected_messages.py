"""Messages that steps sent and no broker has: what `failed list|retry|discard --messages` say and do about them."""

from typing import TYPE_CHECKING

import click

from mainspring.cli.context import Invocation
from mainspring.cli.table import TableColumn
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.cli.bulk.selection import SelectionOptions
    from mainspring.store.base import StoreReader

messages_option = click.option("--messages", is_flag=True, help="messages that their broker refused, in place of runs")
_MAX_MESSAGES = 10_000


def print_rejected(invocation: Invocation, limit: int) -> int:
    """List the messages that wait for a person, oldest first. Return how many there are, `limit` + 1 of more."""
    from mainspring.store.read.outbox import list_refused_messages
    from mainspring.store.read.short_ids import IdKind

    now = invocation.clock.now()
    found = invocation.read(lambda reader: list_refused_messages(reader, limit + 1))
    short = invocation.short_ids(IdKind.MESSAGE, (one.id for one in found))
    runs = invocation.short_ids(IdKind.RUN, (one.run for one in found))
    columns = [
        TableColumn("MESSAGE", lambda one: short[one.id]),
        TableColumn("QUEUE", lambda one: formatting.escape_line(one.queue), cut=True, most=40),
        TableColumn("RUN", lambda one: runs[one.run], spare=True),
        TableColumn("STEP", lambda one: formatting.escape_line(one.step), cut=True, spare=True, most=20),
        TableColumn("WHEN", lambda one: formatting.format_distance(one.made_at, now)),
        TableColumn("ERROR", lambda one: formatting.escape_line(one.fault or "-"), cut=True, most=60),
    ]
    invocation.output.rows(found[:limit], columns, empty="No broker refused a message.")
    return len(found)


def _find_message_id(reader: "StoreReader", text: str) -> str:
    """Return the id of the message that is meant: its whole id, or the end that lists show."""
    from mainspring.store.read.short_ids import IdKind, ids_ending, whole_id

    endings = ids_ending(reader, IdKind.MESSAGE, text)
    return whole_id(IdKind.MESSAGE, text, endings) if endings else text


def decide_messages(invocation: Invocation, which: "SelectionOptions", *, discard: bool) -> int:
    """Send refused messages again or discard them: the named ones, or all; all want a confirmation. Return the exit code."""
    from mainspring.cli.bulk.selection import print_bulk_result
    from mainspring.service.triggers import outbox
    from mainspring.store.read.outbox import list_refused_messages

    if which.is_filter:
        raise click.UsageError("--messages takes names of messages, or none for all", ctx=click.get_current_context())
    reader = invocation.reader
    found = [_find_message_id(reader, text) for text in which.runs]
    if not found:
        found = [one.id for one in invocation.read(lambda reader: list_refused_messages(reader, _MAX_MESSAGES))]
    if not which.dry_run and (discard or not which.runs):
        what = formatting.format_count(len(found), "message")
        invocation.confirm(f"Discard {what}" if discard else f"Send {what} again")
    act = outbox.discard_each if discard else outbox.resend_each
    answer = act(invocation.store, found, act=invocation.act, dry_run=which.dry_run)
    return print_bulk_result(invocation, answer, "discarded" if discard else "to be sent again", noun="message")
