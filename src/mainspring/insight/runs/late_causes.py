"""Causes of late starts: the first blocker of the run of a late slot, added to its finding in the words of `explain`."""

from collections.abc import Callable, Iterable
from typing import Final

from msgspec.structs import replace

from mainspring.domain.incidents.incident import Finding, IncidentKind
from mainspring.insight.runs.blockers import list_blocks
from mainspring.insight.text.formatting import escape_line
from mainspring.store.base import StoreReader
from mainspring.store.read.status.status import blocker
from mainspring.store.views import Blocker

_MOST: Final = 20
"""Most explanations in one evaluation: many late runs have one cause, and an evaluation must stay short."""
_LONGEST: Final = 300
_BY_ANOTHER_RUN: Final = {
    "partition": "Another run with its partition key has not ended.",
    "key": "The run that it replaces has not ended.",
    "concurrency": "As many runs of its automation and key run as may run at once.",
}


def add_causes(
    findings: Iterable[Finding], reader: StoreReader, now: int, *, redact: Callable[[str], str], zone: str
) -> list[Finding]:
    """Return findings; those of late starts get a cause in text and facts if a run exists and something blocks it.

    `redact` hides secrets; clock times are those of `zone`.
    """
    remaining, result = _MOST, []
    for finding in findings:
        run = finding.facts.get("run")
        if finding.subject.kind is IncidentKind.LATE_START and run and remaining:
            remaining -= 1
            found = blocker(reader, str(run))
            # Redact first, then cut: half of a secret would not be recognized.
            cause = "" if found is None else escape_line(redact(describe_cause(found, now, zone)), _LONGEST)
            if cause:
                facts = {**finding.facts, "blocker": cause}
                result.append(replace(finding, text=f"{finding.text}. {cause}", facts=facts))
                continue
        result.append(finding)
    return result


def describe_cause(found: Blocker, now: int, zone: str) -> str:
    """Return what a claim would meet first, "" = nothing: a worker should take it at any moment.

    Its reader may see this automation only, or none, so it names no other run and no partition key, which is made of input.
    """
    run = found.run
    if run.session is not None or run.finished_at is not None:
        return ""
    held = None if run.blocked is None else _BY_ANOTHER_RUN.get(run.blocked)
    reduced = replace(found, slot_holders=[], run=run if held is None else replace(run, blocked=None))
    first = next(iter(list_blocks(reduced, now, zone)), None)
    if held is not None and (first is None or not first.stuck):
        return held
    return "" if first is None else first.text
