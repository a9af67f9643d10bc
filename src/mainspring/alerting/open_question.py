"""What is asked, told with the incident of a question that nobody answers: so that whoever reads it need not look it up."""

from typing import Any

import msgspec

from mainspring.alerting.inputs.failure_groups import Redact
from mainspring.domain.incidents.incident import Finding, IncidentKind
from mainspring.domain.notifications.rendering import fit_line
from mainspring.store.base import StoreReader
from mainspring.store.read.runs.run_views import waits_of

_LONGEST_TEXT, _LONGEST_CHOICE, _MOST_CHOICES = 300, 40, 10


class _Question(msgspec.Struct, frozen=True):
    """Of a question, what people are shown; its evidence stays in the store."""

    text: str = ""
    choices: list[Any] | None = None


def add_question(finding: Finding, reader: StoreReader, redact: Redact) -> Finding:
    """Return a finding with `what`, the question that it is about, if it is about one that can be read here: a sealed one cannot."""
    if finding.subject.kind is not IncidentKind.HUMAN_WAIT:
        return finding
    run, opened_at = str(finding.facts.get("run")), finding.facts.get("opened_at")
    for wait in waits_of(reader, run):
        if wait.kind == "ask" and not wait.filled and wait.opened_at == opened_at:
            what = _describe_question(wait.question, redact)
            return msgspec.structs.replace(finding, facts={"what": what, **finding.facts}) if what else finding
    return finding


def _describe_question(question: bytes | None, redact: Redact) -> str:
    try:
        asked = msgspec.json.decode(question or b"{}", type=_Question)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    # Hidden first, then cut: half of a secret would not be known for one.
    choices = [fit_line(redact(str(choice)), _LONGEST_CHOICE) for choice in (asked.choices or [])[:_MOST_CHOICES]]
    more = ", ..." if len(asked.choices or []) > _MOST_CHOICES else ""
    listed = f" [{', '.join(choices)}{more}]" if choices else ""
    return f"It asks: {fit_line(redact(asked.text), _LONGEST_TEXT)}{listed}" if asked.text else ""
