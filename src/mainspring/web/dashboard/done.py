"""What an act of this visitor came to, told above the page that it led to: read from the audit log, so nothing of it is in the link."""

from typing import Any

import msgspec

from mainspring.insight.words import one_line
from mainspring.service.actor import Actor
from mainspring.store.reads.status import act_of_command
from mainspring.web.api.call import Call


def told_of(call: Call[Any, Any], command: str) -> str:
    """Return a sentence about the act of this command id; "" where there is none, or it is of somebody else."""
    if not command or len(command) > 300:
        return ""
    found = act_of_command(call.site.reader, command)
    if found is None or found.actor != str(Actor(call.visitor.door, call.visitor.name)):
        return ""
    if found.verb == "answer":
        said = msgspec.json.decode(call.site.opening.act(found).detail or b"{}").get("choice")
        return f"Answered {one_line(said or 'what is sealed', 200)} to {found.subject.replace(':', ' ', 1)}."
    return f"Done: {found.verb} {found.subject.replace(':', ' ', 1)}."
