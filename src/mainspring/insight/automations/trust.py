"""How far an automation can be trusted: what became of thirty days of it, beside the thirty days before. From what was counted alone.

Success is the share of ends that were one; who was cancelled is in neither. Healed are steps that succeeded at a later attempt,
not the first one after a person let them be done again: those were helped. Helped are acts of people that let a run go on or settled it.
A cause recurs where its incident came back. Help and healing are counted from the version on that counts them.
"""

import msgspec

from mainspring.domain.incidents.incident import IncidentKind
from mainspring.insight.text.formatting import escape_line, format_count, format_share
from mainspring.store.base import StoreReader
from mainspring.store.read.automations import automation_stats as reads
from mainspring.store.read.automations.automation_stats import AutomationCounts, IncidentReopening

DAYS = 30
_SPAN_MS = DAYS * 86_400_000
_NEVER = 2**63 - 1


class TrustFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Of thirty days. `success_share` None = nothing ended; `recurring` = causes that came back."""

    ended: int
    succeeded: int
    success_share: float | None
    healed: int
    helped: int
    recurring: int


class RecurringCause(msgspec.Struct, frozen=True, kw_only=True):
    """A cause whose incident came back so many `times` in the last thirty days."""

    incident: str
    kind: IncidentKind
    text: str
    times: int
    last_at: int


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """`now` = the last thirty days, `before` = the thirty before them."""

    automation: str
    now: TrustFigures
    before: TrustFigures
    causes: list[RecurringCause]


def read_trust(reader: StoreReader, name: str, now: int) -> Trust:
    """Return how far an automation can be trusted at the instant `now` (ms)."""
    cut_at, first_at = now - _SPAN_MS, now - 2 * _SPAN_MS
    cut_at -= cut_at % 3_600_000  # figures of then are kept by the hour: each counts on one side
    came_back = reads.incident_reopenings(reader, name, first_at)
    lately = [one for one in came_back if one.at >= cut_at]
    before = [one for one in came_back if one.at < cut_at]
    return Trust(
        automation=name,
        now=_build_figures(reads.counted_between(reader, name, cut_at, _NEVER), lately),
        before=_build_figures(reads.counted_between(reader, name, first_at, cut_at), before),
        causes=_list_causes(lately),
    )


def describe_trust(trust: Trust) -> str:
    """Return it in one line: "98.3 % of 120 ends succeeded (before 99.1 %), 4 steps healed by retry (before 2), ..."."""
    now, before = trust.now, trust.before
    if not now.ended and not before.ended:
        return f"no run ended in {2 * DAYS} days"
    ends = format_count(f"{now.ended:,}", "end")
    parts = [
        f"{format_share(now.success_share)} of {ends} succeeded (before {format_share(before.success_share)})",
        f"{format_count(now.healed, 'step')} healed by retry (before {before.healed})",
        f"helped by hand {format_count(now.helped, 'time')} (before {before.helped})",
        f"{format_count(now.recurring, 'cause')} came back (before {before.recurring})",
    ]
    return escape_line(", ".join(parts))


def _build_figures(counted: AutomationCounts, came_back: list[IncidentReopening]) -> TrustFigures:
    ended = counted.succeeded + counted.failed
    return TrustFigures(
        ended=ended,
        succeeded=counted.succeeded,
        success_share=counted.succeeded / ended if ended else None,
        healed=counted.healed,
        helped=counted.helped,
        recurring=len({one.incident for one in came_back}),
    )


def _list_causes(came_back: list[IncidentReopening]) -> list[RecurringCause]:
    """Return each cause once, the one that came back most often first."""
    found: dict[str, list[IncidentReopening]] = {}
    for one in came_back:
        found.setdefault(one.incident, []).append(one)
    causes = [
        RecurringCause(incident=id, kind=those[-1].kind, text=those[-1].text, times=len(those), last_at=those[-1].at)
        for id, those in found.items()
    ]
    return sorted(causes, key=lambda one: (-one.times, -one.last_at))
