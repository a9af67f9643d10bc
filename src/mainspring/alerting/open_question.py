"""The text of an open question, added to the finding of an unanswered one, so that the reader of a notice need not look it up."""

from typing import Any

import msgspec

from mainspring.alerting.inputs.failure_groups import Redact
from mainspring.domain.incidents.incident import Finding, IncidentKind
from mainspring.domain.notifications.rendering import fit_line
from mainspring.store.base import StoreReader
from mainspring.store.read.runs.run_views import waits_of

_LONGEST_TEXT, _LONGEST_CHOICE, _MOST_CHOICES = 300, 40, 10


class _Question(msgspec.Struct, frozen=True):
    """The parts of a question that people see; its evidence stays in the store."""

    text: str = ""
    choices: list[Any] | None = None


def add_question(finding: Finding, reader: StoreReader, redact: Redact) -> Finding:
    """Add `what`, the question, to a finding about an unanswered question. A sealed question cannot be read and is left out."""
    if finding.subject.kind is not IncidentKind.HUMAN_WAIT:
        return finding
    run, opened_at = str(finding.facts.get("run")), finding.facts.get("opened_at")
    for wait in waits_of(reader, run):
        if wait.kind == "ask" and not wait.filled and wait.opened_at == opened_at:
            description = _describe_question(wait.question, redact)
            return (
                msgspec.structs.replace(finding, facts={"what": description, **finding.facts})
                if description
                else finding
            )
    return finding


def _describe_question(question: bytes | None, redact: Redact) -> str:
    try:
        decoded = msgspec.json.decode(question or b"{}", type=_Question)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    # Redact first, then cut: half of a secret would not be recognized.
    choices = [fit_line(redact(str(choice)), _LONGEST_CHOICE) for choice in (decoded.choices or [])[:_MOST_CHOICES]]
    more = ", ..." if len(decoded.choices or []) > _MOST_CHOICES else ""
    listed = f" [{', '.join(choices)}{more}]" if choices else ""
    return f"It asks: {fit_line(redact(decoded.text), _LONGEST_TEXT)}{listed}" if decoded.text else ""
