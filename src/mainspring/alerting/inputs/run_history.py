"""The history of runs that monitors compare with: newest ends, punctuality, manual interventions, and clock jumps in between."""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta

import msgspec
from msgspec.structs import replace

from mainspring.alerting.inputs.baselines import split_names
from mainspring.domain.monitors.inputs import ManualHelp, RunCompletion, WatchedAutomation
from mainspring.domain.monitors.outcomes.fail_rate import LAST_RUN_COUNT
from mainspring.domain.monitors.outcomes.run_duration import NEWEST_COUNT
from mainspring.domain.monitors.timing.success_gaps import HOUR_MS
from mainspring.domain.states import RunState
from mainspring.domain.time.punctuality import Punctuality, list_served_slots, measure_punctuality
from mainspring.store.base import StoreReader
from mainspring.store.read.automations import monitor_reads
from mainspring.store.read.status.clock_steps import RecordedStep

_SKEW_MS = 600_000
"""Counts are stored in the minute of the machine that wrote them."""

_DAY_MS = 24 * 3_600_000
_OVER_MS = 28 * _DAY_MS
_SLOTS = 200
"""Most slots that are read, the newest: three hours of a schedule that is due each minute."""

_INTERVENTIONS_FOR_MS = 30 * 24 * HOUR_MS

LEAST_MS = 5 * 60_000
"""A smaller jump makes nothing late."""


class _HistoryBasis(msgspec.Struct, frozen=True):
    """The values on which a history depends; `skips` = skipped slots count."""

    before_at: int
    since_at: int
    jitter: timedelta | None
    skips: bool


class PunctualityHistory:
    """The punctuality of schedules up to the end of the last day (UTC).

    `at_once` = most schedules whose slots one evaluation reads; None = all.

    A cached value is what a new reader would read, except for runs of the day before that started later.
    """

    def __init__(self, reader: StoreReader, at_once: int | None) -> None:
        self._reader = reader
        self._at_once = at_once
        self._known: dict[str, tuple[_HistoryBasis, Punctuality | None]] = {}

    def of(self, automations: Iterable[WatchedAutomation], now_at: int) -> dict[str, Punctuality | None]:
        """Return the punctuality of each schedule of these automations, without those that are not read yet."""
        before_at = now_at - now_at % _DAY_MS
        bases = {
            cadence.name: _HistoryBasis(
                before_at,
                cadence.since_at,
                automation.jitter_of(cadence),
                (cadence.options or {}).get("overlap", automation.options.get("overlap")) != "skip",
            )
            for automation in automations
            for cadence in automation.cadences
        }
        self._known = {name: entry for name, entry in self._known.items() if bases.get(name) == entry[0]}
        missing = [name for name in bases if name not in self._known][: self._at_once]
        for names in split_names(missing):
            slots = monitor_reads.slot_starts(self._reader, names, before_at - _OVER_MS, before_at, _SLOTS)
            for name in names:
                basis = bases[name]
                starts = [slot for slot in slots.get(name, ()) if slot.slot_at >= basis.since_at]
                served = [
                    slot for slot in list_served_slots(name, starts, basis.jitter) if basis.skips or not slot.is_skipped
                ]
                self._known[name] = (basis, measure_punctuality(served, before_at))
        return {name: punctuality for name, (_, punctuality) in self._known.items()}


class ManualInterventions:
    """Interventions for automations that should run by themselves: retries, given results and starts by a person in the last 30 days.

    Read once an hour; for one thread.
    """

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._hour_at = -1
        self._found: dict[str, ManualHelp] = {}

    def of(self, automations: Iterable[WatchedAutomation], now_at: int) -> dict[str, ManualHelp]:
        """Return the interventions by name, up to the start of this hour, without automations that needed none."""
        hour_at = now_at - now_at % HOUR_MS
        if self._hour_at != hour_at:
            helped, manual_starts = monitor_reads.count_manual_interventions(
                self._reader, hour_at - _INTERVENTIONS_FOR_MS
            )
            # An automation without schedule and trigger is made to be started by a person.
            automatic = {automation.name for automation in automations if automation.cadences or automation.listens}
            total = {
                name: helped.get(name, 0) + manual_starts.get(name, 0) * (name in automatic)
                for name in helped | manual_starts
            }
            started = (
                monitor_reads.count_starts_since(self._reader, total, hour_at - _INTERVENTIONS_FOR_MS) if total else {}
            )
            self._found = {name: ManualHelp(count, started.get(name, 0)) for name, count in total.items() if count}
            self._hour_at = hour_at
        return self._found


class RecentRuns:
    """The newest ends of runs in one store, cached between evaluations.

    Each commit that ends a run counts it: counts show what to read again.
    """

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._known: dict[str, tuple[RunCompletion, ...]] = {}
        self._read_at: int | None = None

    def read(self, names: Collection[str], now_at: int) -> dict[str, tuple[RunCompletion, ...]]:
        """Return the newest ends of these automations, newest first; more of those that failed."""
        last_at, self._read_at = self._read_at, now_at
        changed = set(names)
        if last_at is not None and now_at >= last_at:
            ended = monitor_reads.ended_since(self._reader, last_at - _SKEW_MS)
            changed = {name for name in names if name in ended or name not in self._known}
        newest = self._read_newest(changed, NEWEST_COUNT)
        # The fail rate needs more ends than other monitors.
        failing = {name for name, ends in newest.items() if any(end.failed for end in ends)}
        known = self._known | newest | self._read_newest(failing, LAST_RUN_COUNT)
        self._known = {name: known[name] for name in names}
        return self._known

    def _read_newest(self, names: set[str], limit: int) -> dict[str, tuple[RunCompletion, ...]]:
        found: dict[str, list[RunCompletion]] = {name: [] for name in names}
        for run in monitor_reads.newest_ends(self._reader, names, limit) if names else ():
            succeeded, failed = run.state is RunState.SUCCEEDED, run.state is RunState.FAILED
            found[run.automation].append(
                RunCompletion(run.run, succeeded, failed, run.started_at, run.finished_at, run.output_size)
            )
        return {name: tuple(ends) for name, ends in found.items()}


def find_jumps(steps: Sequence[RecordedStep], now_at: int) -> tuple[RecordedStep, ...]:
    """Return the jumps forward among the newest steps, newest first."""
    return tuple(step for step in steps if step.by_ms >= LEAST_MS and step.at <= now_at)


def last_jump_at(jumps: Sequence[RecordedStep]) -> int:
    """Return the instant of the last jump forward, 0 if there was none. What the jump skipped is expected from then on."""
    return max((jump.at for jump in jumps), default=0)


def clock_caught_up_at(steps: Sequence[RecordedStep], now_at: int) -> int:
    """Return when a clock that was set back passed the old instant again, 0 if it was not. Slots before it had their runs."""
    return max((step.old_at for step in steps if step.by_ms <= -LEAST_MS and step.old_at <= now_at), default=0)


def corrected_start(jumps: Sequence[RecordedStep], from_at: int, until_at: int) -> int:
    """Return the start of something by the clock that shows `until_at` now, without the time that jumps skipped."""
    for jump in jumps:
        if from_at <= jump.old_at and jump.at <= until_at:
            from_at += jump.by_ms
    return from_at


def correct_durations(jumps: Sequence[RecordedStep], ends: tuple[RunCompletion, ...]) -> tuple[RunCompletion, ...]:
    """Return the completions with the time that each really took."""
    if not jumps:
        return ends
    return tuple(
        end
        if end.started_at is None
        else replace(end, started_at=corrected_start(jumps, end.started_at, end.finished_at))
        for end in ends
    )
