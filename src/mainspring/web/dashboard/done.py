"""What an act of this visitor came to, told above the page that it led to: read from the audit log, so nothing of it is in the link."""

from typing import Any

import msgspec

from mainspring.insight.words import many, one_line
from mainspring.service.actor import Actor
from mainspring.store.reads.status import act_of_command, parts_of_act
from mainspring.web.api.call import Call


def told_of(call: Call[Any, Any], command: str) -> str:
    """Return a sentence about the act of this command id; "" where there is none, or it is of somebody else."""
    if not command or len(command) > 300 or not command.isprintable():
        return ""
    reader = call.site.reader
    act = act_of_command(reader, command)
    found = parts_of_act(reader, command) if act is None else [act]
    if not found or found[0].actor != str(Actor(call.visitor.door, call.visitor.name)):
        return ""
    if found[0].verb == "answer":
        said = msgspec.json.decode(call.site.opening.act(found[0]).detail or b"{}").get("choice")
        return f"Answered {one_line(said or 'what is sealed', 200)} to {found[0].subject.replace(':', ' ', 1)}."
    noun, _, name = found[0].subject.partition(":")
    if len(found) == 1:
        return f"Done: {found[0].verb} {noun} {name}."
    return f"Done: {found[0].verb} {many(len(found), noun)}."
