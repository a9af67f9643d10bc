"""Rejected messages: those that steps sent and no broker accepted, for `failed list|retry|discard --messages`."""

from typing import TYPE_CHECKING

import click

from mainspring.cli.context import Invocation
from mainspring.cli.table import TableColumn
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.cli.bulk.selection import SelectionOptions
    from mainspring.store.base import StoreReader

messages_option = click.option("--messages", is_flag=True, help="select messages that their broker refused, not runs")
_MAX_MESSAGES = 10_000


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
