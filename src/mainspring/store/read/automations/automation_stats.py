"""Reads of automations for people: their newest runs, and figures that are summed from what was counted. No run is counted here."""

import json
from collections.abc import Iterable

import msgspec

from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.states import RunState
from mainspring.store.base import StoreReader
from mainspring.store.run_end_counts import MANUAL_OPERATION, RETRIED_SUCCESS
from mainspring.store.views import AutomationView

_BUCKET = "ms<=2^"
_REASON = "reason:"
_STATES = {state.value: state for state in RunState}


class RunMark(msgspec.Struct, frozen=True):
    """A run as a strip draws it; `took_ms` None = it has not ended, or never began."""

    run: str
    state: RunState
    reason: str | None
    slot_at: int | None
    created_at: int
    started_at: int | None
    finished_at: int | None

    @property
    def took_ms(self) -> int | None:
        """How long it took."""
        if self.started_at is None or self.finished_at is None:
            return None
        return max(self.finished_at - self.started_at, 0)


class HourRow(msgspec.Struct, frozen=True):
    """What was counted in one hour (UTC); `took` = {k: runs that took at most 2^k ms, and more than half of it}."""

    hour_at: int
    started: int
    succeeded: int
    failed: int
    attention: int
    took: dict[int, int] = {}


class AutomationCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted over a span. `healed` = steps that succeeded at a later attempt, `helped` = acts of people on runs."""

    succeeded: int = 0
    failed: int = 0
    attention: int = 0
    healed: int = 0
    helped: int = 0
    reasons: dict[str, int] = {}


class IncidentReopening(msgspec.Struct, frozen=True):
    """That an incident came back."""

    incident: str
    kind: IncidentKind
    fingerprint: str
    text: str
    at: int


def automations_of(reader: StoreReader, names: Iterable[str]) -> list[AutomationView]:
    """Return definitions by name; of a name that is not known none."""
    return [AutomationView(*row) for row in reader.read("list_automations_of", (_listed(names),))]


def newest_runs(reader: StoreReader, names: Iterable[str], limit: int) -> dict[str, list[RunMark]]:
    """Return the newest runs of each, at most so many, newest first."""
    found: dict[str, list[RunMark]] = {name: [] for name in names}
    # A page of automations has thousands: written out it takes a third of the time.
    for automation, run, state, reason, slot_at, made_at, begun_at, ended_at in reader.read(
        "list_newest_runs", (_listed(found), limit)
    ):
        found[automation].append(RunMark(run, _STATES[state], reason, slot_at, made_at, begun_at, ended_at))
    return found


def ended_between(
    reader: StoreReader, names: Iterable[str], first_at: int, before_at: int
) -> dict[str, tuple[int, int]]:
    """Return how many runs of each succeeded and failed, from the minute of an instant on and before another (of old ones: the hour)."""
    span = (_minute(first_at), _minute(before_at))
    rows = reader.read("sum_rollups_of", (_listed(names), *span))
    return {row[0]: (int(row[2]), int(row[3])) for row in rows}


def counted_between(reader: StoreReader, name: str, first_at: int, before_at: int) -> AutomationCounts:
    """Return what was counted of one automation over a span, as `ended_between` reads it."""
    span = (_minute(first_at), _minute(before_at))
    with reader.snapshot() as read:
        sums = read("sum_rollups_of", (_listed([name]), *span))
        details = {what: int(n) for what, n in read("sum_details_of", (name, *span))}
    succeeded, failed, attention = (int(n) for n in sums[0][2:]) if sums else (0, 0, 0)
    return AutomationCounts(
        succeeded=succeeded,
        failed=failed,
        attention=attention,
        healed=details.get(RETRIED_SUCCESS, 0),
        helped=details.get(MANUAL_OPERATION, 0),
        reasons={what.removeprefix(_REASON): n for what, n in details.items() if what.startswith(_REASON)},
    )


def hours(reader: StoreReader, name: str, since_at: int) -> list[HourRow]:
    """Return the figures of one automation by the hour (UTC), oldest first; an hour of which nothing was counted is left out."""
    with reader.snapshot() as read:
        rows = read("list_hourly_stats", (name, since_at - since_at % 3_600_000))
        took: dict[int, dict[int, int]] = {}
        for hour_at, what, n in read("list_hourly_durations", (name, since_at - since_at % 3_600_000)):
            took.setdefault(hour_at, {})[int(what.removeprefix(_BUCKET))] = int(n)
    return [
        HourRow(hour_at, int(started), int(succeeded), int(failed), int(attention), took.get(hour_at, {}))
        for hour_at, started, succeeded, failed, attention in rows
    ]


def pauses(reader: StoreReader, name: str, since_at: int) -> list[tuple[int, int | None]]:
    """Return (begin, end) of the pauses of an automation that did not end before an instant, oldest first; None = it goes on."""
    rows = reader.read("list_pauses", (name, since_at))
    return [(begun_at, min((at for at in ends if at is not None), default=None)) for begun_at, *ends, _, _ in rows]


def incident_reopenings(reader: StoreReader, name: str, since_at: int) -> list[IncidentReopening]:
    """Return which incidents of an automation came back since an instant, and when, oldest first."""
    return [
        IncidentReopening(id, IncidentKind(kind), fingerprint, text, at)
        for id, kind, fingerprint, text, at in reader.read("list_reopenings_of", (name, since_at))
    ]


def _minute(at: int) -> int:
    return at - at % 60_000


def _listed(names: Iterable[str]) -> str:
    return json.dumps(sorted(names))
