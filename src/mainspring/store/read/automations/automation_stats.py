"""Automation stats for people: their newest runs, and sums of stored counts. No run is counted here."""

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
    """A run in a strip; `duration_ms` None = it has not ended, or never started."""

    run: str
    state: RunState
    reason: str | None
    slot_at: int | None
    created_at: int
    started_at: int | None
    finished_at: int | None

    @property
    def duration_ms(self) -> int | None:
        """Its duration."""
        if self.started_at is None or self.finished_at is None:
            return None
        return max(self.finished_at - self.started_at, 0)


class HourRow(msgspec.Struct, frozen=True):
    """The counts of one hour (UTC); `took` = {k: runs with a duration up to 2^k ms, and more than half of it}."""

    hour_at: int
    started: int
    succeeded: int
    failed: int
    attention: int
    took: dict[int, int] = {}


class AutomationCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of a span. `healed` = steps that succeeded at a later attempt, `helped` = operations of people on
    runs.
    """

    succeeded: int = 0
    failed: int = 0
    attention: int = 0
    healed: int = 0
    helped: int = 0
    reasons: dict[str, int] = {}


class IncidentReopening(msgspec.Struct, frozen=True):
    """A reopening of an incident."""

    incident: str
    kind: IncidentKind
    fingerprint: str
    text: str
    at: int


def automations_of(reader: StoreReader, names: Iterable[str]) -> list[AutomationView]:
    """Return definitions by name; unknown names are omitted."""
    return [AutomationView(*row) for row in reader.read("list_automations_of", (_listed(names),))]


def newest_runs(reader: StoreReader, names: Iterable[str], limit: int) -> dict[str, list[RunMark]]:
    """Return the newest runs of each, up to `limit`, newest first."""
    runs: dict[str, list[RunMark]] = {name: [] for name in names}
    # A page of automations has thousands: written out it takes a third of the time.
    for automation, run, state, reason, slot_at, made_at, started_at, ended_at in reader.read(
        "list_newest_runs", (_listed(runs), limit)
    ):
        runs[automation].append(RunMark(run, _STATES[state], reason, slot_at, made_at, started_at, ended_at))
    return runs


def ended_between(
    reader: StoreReader, names: Iterable[str], first_at: int, before_at: int
) -> dict[str, tuple[int, int]]:
    """Return how many runs of each succeeded and failed, from the minute of an instant on and before another (for old
    ones: the hour).
    """
    span = (_minute(first_at), _minute(before_at))
    rows = reader.read("sum_rollups_of", (_listed(names), *span))
    return {name: (int(succeeded), int(failed)) for name, _, succeeded, failed, *_ in rows}


def counted_between(reader: StoreReader, name: str, first_at: int, before_at: int) -> AutomationCounts:
    """Return the counts of one automation over a span, as `ended_between` reads it."""
    span = (_minute(first_at), _minute(before_at))
    with reader.snapshot() as read:
        sums = read("sum_rollups_of", (_listed([name]), *span))
        details = {bucket: int(n) for bucket, n in read("sum_details_of", (name, *span))}
    succeeded, failed, attention = (int(n) for n in sums[0][2:]) if sums else (0, 0, 0)
    return AutomationCounts(
        succeeded=succeeded,
        failed=failed,
        attention=attention,
        healed=details.get(RETRIED_SUCCESS, 0),
        helped=details.get(MANUAL_OPERATION, 0),
        reasons={bucket.removeprefix(_REASON): n for bucket, n in details.items() if bucket.startswith(_REASON)},
    )


def hours(reader: StoreReader, name: str, since_at: int) -> list[HourRow]:
    """Return the statistics of one automation by the hour (UTC), oldest first; an hour without counts is omitted."""
    with reader.snapshot() as read:
        rows = read("list_hourly_stats", (name, since_at - since_at % 3_600_000))
        durations: dict[int, dict[int, int]] = {}
        for hour_at, bucket, n in read("list_hourly_durations", (name, since_at - since_at % 3_600_000)):
            durations.setdefault(hour_at, {})[int(bucket.removeprefix(_BUCKET))] = int(n)
    return [
        HourRow(hour_at, int(started), int(succeeded), int(failed), int(attention), durations.get(hour_at, {}))
        for hour_at, started, succeeded, failed, attention in rows
    ]


def pauses(reader: StoreReader, name: str, since_at: int) -> list[tuple[int, int | None]]:
    """Return (start, end) of the pauses of an automation that did not end before an instant, oldest first; None = not
    ended.
    """
    rows = reader.read("list_pauses", (name, since_at))
    return [(started_at, min((at for at in ends if at is not None), default=None)) for started_at, *ends, _, _ in rows]


def incident_reopenings(reader: StoreReader, name: str, since_at: int) -> list[IncidentReopening]:
    """Return the reopenings of an automation's incidents since an instant, oldest first."""
    return [
        IncidentReopening(id, IncidentKind(kind), fingerprint, text, at)
        for id, kind, fingerprint, text, at in reader.read("list_reopenings_of", (name, since_at))
    ]


def _minute(at: int) -> int:
    return at - at % 60_000


def _listed(names: Iterable[str]) -> str:
    return json.dumps(sorted(names))
