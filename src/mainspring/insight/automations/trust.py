"""Trust in an automation: the results of 30 days beside the 30 days before, from counts only.

Success is the share of ended runs that succeeded, without cancelled ones. Healed are steps that succeeded at a later attempt, except the
first one after a person's retry. Helped are operations of people that continued or settled a run. A cause recurs if its incident reopened.
Helped and healed are counted from the version on that counts them.
"""

import msgspec

from mainspring.domain.incidents.incident import IncidentKind
from mainspring.insight.text.formatting import escape_line, format_count, format_share
from mainspring.store.base import StoreReader
from mainspring.store.read.automations import automation_stats
from mainspring.store.read.automations.automation_stats import AutomationCounts, IncidentReopening

DAYS = 30
_SPAN_MS = DAYS * 86_400_000
_NEVER = 2**63 - 1


class TrustStats(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of 30 days. `success_share` None = nothing ended; `recurring` = causes that came back."""

    ended: int
    succeeded: int
    success_share: float | None
    healed: int
    helped: int
    recurring: int


class RecurringCause(msgspec.Struct, frozen=True, kw_only=True):
    """A cause whose incident reopened this many `times` in the last 30 days."""

    incident: str
    kind: IncidentKind
    text: str
    times: int
    last_at: int


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """`now` = the last 30 days, `before` = the 30 days before them."""

    automation: str
    now: TrustStats
    before: TrustStats
    causes: list[RecurringCause]


def read_trust(reader: StoreReader, name: str, now: int) -> Trust:
    """Return the trust figures of an automation at the instant `now` (ms)."""
    cut_at, first_at = now - _SPAN_MS, now - 2 * _SPAN_MS
    cut_at -= cut_at % 3_600_000  # older counts are stored by the hour: each belongs to one side
    reopenings = automation_stats.incident_reopenings(reader, name, first_at)
    recent = [reopening for reopening in reopenings if reopening.at >= cut_at]
    before = [reopening for reopening in reopenings if reopening.at < cut_at]
    return Trust(
        automation=name,
        now=_count_trust(automation_stats.counted_between(reader, name, cut_at, _NEVER), recent),
        before=_count_trust(automation_stats.counted_between(reader, name, first_at, cut_at), before),
        causes=_list_causes(recent),
    )


def describe_trust(trust: Trust) -> str:
    """Return them in one line: "last 30 days (30 days before): 98.3 % of 120 runs succeeded (99.1 %), ..."."""
    now, before = trust.now, trust.before
    if not now.ended and not before.ended:
        return f"no run ended in {2 * DAYS} days"
    counts = [
        (
            f"{format_share(now.success_share)} of {format_count(f'{now.ended:,}', 'run')} succeeded",
            format_share(before.success_share),
        ),
        (f"{format_count(now.healed, 'step')} fixed by a retry", before.healed),
        (format_count(now.helped, "manual intervention"), before.helped),
        (format_count(now.recurring, "returning cause"), before.recurring),
    ]
    if not before.ended:
        return escape_line(f"last {DAYS} days: {', '.join(text for text, _ in counts)}")
    compared = ", ".join(f"{text} ({earlier})" for text, earlier in counts)
    return escape_line(f"last {DAYS} days ({DAYS} days before): {compared}")


def _count_trust(counted: AutomationCounts, reopenings: list[IncidentReopening]) -> TrustStats:
    ended = counted.succeeded + counted.failed
    return TrustStats(
        ended=ended,
        succeeded=counted.succeeded,
        success_share=counted.succeeded / ended if ended else None,
        healed=counted.healed,
        helped=counted.helped,
        recurring=len({reopening.incident for reopening in reopenings}),
    )


def _list_causes(reopenings: list[IncidentReopening]) -> list[RecurringCause]:
    """Return each cause once, the most frequent first."""
    found: dict[str, list[IncidentReopening]] = {}
    for reopening in reopenings:
        found.setdefault(reopening.incident, []).append(reopening)
    causes = [
        RecurringCause(incident=id, kind=group[-1].kind, text=group[-1].text, times=len(group), last_at=group[-1].at)
        for id, group in found.items()
    ]
    return sorted(causes, key=lambda cause: (-cause.times, -cause.last_at))
