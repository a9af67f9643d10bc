"""What keeps the run of a late slot from starting, told with its incident as `explain` tells it: the first thing in its way, no more."""

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
"""So many are explained in one look: where more are late at once it is one thing, and a look must stay short."""
_LONGEST: Final = 300
_BY_KEY: Final = "partition"


def add_causes(
    findings: Iterable[Finding], reader: StoreReader, now: int, *, redact: Callable[[str], str], zone: str
) -> list[Finding]:
    """Return findings, those of late starts with their cause in text and facts where a run was made and something keeps it from starting.

    `redact` hides secrets; clock times are those of `zone`.
    """
    left, told = _MOST, []
    for finding in findings:
        run = finding.facts.get("run")
        if finding.subject.kind is IncidentKind.LATE_START and run and left:
            left -= 1
            found = blocker(reader, str(run))
            # Hidden first, then cut: half of a secret would not be known for one.
            cause = "" if found is None else escape_line(redact(describe_cause(found, now, zone)), _LONGEST)
            if cause:
                facts = {**finding.facts, "blocker": cause}
                told.append(replace(finding, text=f"{finding.text}. {cause}", facts=facts))
                continue
        told.append(finding)
    return told


def describe_cause(found: Blocker, now: int, zone: str) -> str:
    """Return what a claim would meet first, "" = nothing: a worker should take it at any moment.

    Who reads it may see this automation alone, or none: of others no run is named, and no key, which is made of what a run is given.
    """
    run = found.run
    if run.session is not None or run.finished_at is not None:
        return ""
    has_key_held = run.blocked == _BY_KEY
    shown = replace(found, slot_holders=[], run=replace(run, blocked=None) if has_key_held else run)
    first = next(iter(list_blocks(shown, now, zone)), None)
    if has_key_held and (first is None or not first.stuck):
        return "Another run with its partition key is not over."
    return "" if first is None else first.text
