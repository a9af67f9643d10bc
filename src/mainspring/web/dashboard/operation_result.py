"""What an act of this visitor came to, told above the page that it led to: read from the audit log, so nothing of it is in the link."""

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
    """Return a sentence about the act of this command id; "" where there is none, or it is of somebody else."""
    if not command or len(command) > 300 or not command.isprintable():
        return ""
    reader = call.site.reader
    act = audit_row_of_command(reader, command)
    found = audit_rows_of_bulk(reader, command) if act is None else [act]
    if not found or found[0].actor != str(Actor(call.visitor.door, call.visitor.name)):
        return ""
    if found[0].verb == "answer":
        said = msgspec.json.decode(call.site.opening.act(found[0]).detail or b"{}").get("choice")
        return f"Answered {escape_line(said or 'what is sealed', 200)} to {found[0].subject.replace(':', ' ', 1)}."
    return _describe_rows(found)


def _describe_rows(acts: list[AuditView]) -> str:
    """Return what one command did. A bulk act is named by its page; of one automation several acts are runs that were made of it."""
    verb, (noun, _, name) = acts[0].verb, acts[0].subject.partition(":")
    if noun == _BULK and verb in list(BulkVerb):
        return f"Begun: {verb}. It goes on by itself."
    if noun == _BULK:
        return f"Done: {verb} this bulk act."
    if len(acts) == 1:
        return f"Done: {verb} {noun} {name}."
    if len({one.subject for one in acts}) == 1:
        return f"Done: {verb} {noun} {name}: {format_count(len(acts), 'run')}."
    return f"Done: {verb} {format_count(len(acts), noun)}."
