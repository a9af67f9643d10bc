"""Cadence of automations: their recorded frequency of starts, compared with the declared one."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mainspring.cli.automations.automation_list import KnownAutomation
from mainspring.cli.automations.next_times import named_schedules
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.cli.context import Invocation
    from mainspring.domain.time.punctuality import Punctuality
    from mainspring.domain.time.schedule import Schedule

_MAX_SLOTS = 50
"""The newest slots that are evaluated."""


def read_cadences(invocation: "Invocation", known: KnownAutomation, now: int) -> list[dict[str, Any]]:
    """Return the punctuality of each schedule of an automation; none if too little is recorded."""
    cadences: list[dict[str, Any]] = []
    for named in named_schedules(known):
        punctuality = _read_punctuality(invocation, named.name, named.schedule, named.jitter, now)
        if punctuality is not None:
            cadences.append(
                {
                    "schedule": named.name,
                    "slots": punctuality.slots,
                    "skipped": punctuality.skipped,
                    "declared_ms": punctuality.declared_ms,
                    "effective_ms": punctuality.effective_ms,
                    "lag_ms": punctuality.lag_ms,
                    "slips": punctuality.slips,
                }
            )
    return cadences


def format_cadence(row: dict[str, Any]) -> str:
    """Return one cadence in words: "every 1m in effect, every 20s as declared: 33 of 50 slots skipped"."""
    if row["effective_ms"] is None:
        return (
            f"none of the last {row['slots']} slots was run; declared is one each "
            f"{formatting.format_span(row['declared_ms'])}"
        )
    effective, declared = (formatting.format_span(row[name]) for name in ("effective_ms", "declared_ms"))
    effect = f"starts each {effective}, declared each {declared}"
    skipped = f": {row['skipped']} of {row['slots']} slots skipped, because the run before had not ended"
    late = f", started {formatting.format_span(row['lag_ms'])} late" if row["lag_ms"] >= 1_000 else ""
    return f"{effect}{skipped if row['skipped'] else ''}{late}"


def _read_punctuality(
    invocation: "Invocation", name: str, schedule: "Schedule", jitter: timedelta | None, now: int
) -> "Punctuality | None":
    from mainspring.domain.time.punctuality import list_served_slots, measure_punctuality
    from mainspring.store.read.status.status import slot_starts

    newest = invocation.rows_if_made(lambda reader: slot_starts(reader, name, _MAX_SLOTS))
    return measure_punctuality(list_served_slots(name, newest, jitter), now)
