"""The result of a visitor's operation, shown above the page that follows it. It comes from the audit log, not from the link."""

from typing import Any, Final

import msgspec

from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.insight.text.formatting import escape_line, format_count
from mainspring.service.actor import Actor
from mainspring.store.read.status.status import audit_row_of_command, audit_rows_of_bulk
from mainspring.store.views import AuditView
from mainspring.web.api.call import ApiCall

_BULK: Final = "bulk"


def describe_operation(call: ApiCall[Any, Any], command: str) -> str:
    """Return a sentence about the operation of this command id; "" if there is none, or another actor's."""
    if not command or len(command) > 300 or not command.isprintable():
        return ""
    reader = call.site.reader
    row = audit_row_of_command(reader, command)
    rows = audit_rows_of_bulk(reader, command) if row is None else [row]
    if not rows or rows[0].actor != str(Actor(call.visitor.entry_point, call.visitor.name)):
        return ""
    if rows[0].verb == "answer":
        choice = msgspec.json.decode(call.site.opening.act(rows[0]).detail or b"{}").get("choice")
        return f"Answered {escape_line(choice or 'a sealed value', 200)} to {rows[0].subject.replace(':', ' ', 1)}."
    return _describe_rows(rows)


def _describe_rows(rows: list[AuditView]) -> str:
    """Return what one command did. A bulk operation is named by its page; several rows of one automation are runs that it created."""
    verb, (noun, _, name) = rows[0].verb, rows[0].subject.partition(":")
    if noun == _BULK and verb in list(BulkVerb):
        return f"Started: {verb}. It runs in the background."
    if noun == _BULK:
        return f"Done: {verb} this bulk operation."
    if len(rows) == 1:
        return f"Done: {verb} {noun} {name}."
    if len({row.subject for row in rows}) == 1:
        return f"Done: {verb} {noun} {name}: {format_count(len(rows), 'run')}."
    return f"Done: {verb} {format_count(len(rows), noun)}."
