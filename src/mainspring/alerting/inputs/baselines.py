"""Baselines of automations from their history, read for those that need them and cached by what they depend on.

Gaps depend on the last success. Durations, sizes and the busiest hour depend on the day of the last end. So a cached value is what a new
reader would read, and it is stable while nothing ends. One evaluation reads some hundred at most, so that it stays short; later evaluations
read the others.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from mainspring.domain.monitors.inputs import DurationHistory, OutputSizes, SuccessGaps, WatchedAutomation
from mainspring.domain.monitors.outcomes.output_sizes import SIZE_HISTORY_MS, summarize_sizes
from mainspring.domain.monitors.timing.success_gaps import GAP_HISTORY_MS, HOUR_MS, SHORTEST_WINDOW_MS, measure_gaps
from mainspring.store.base import StoreReader
from mainspring.store.read.automations import monitor_reads

_DAY_MS = 24 * HOUR_MS
_BATCH = 200
_Baseline = TypeVar("_Baseline")


class Baselines:
    """The baselines of one store. `at_once` = most automations of each kind that one evaluation reads; None = all."""

    def __init__(self, reader: StoreReader, at_once: int | None) -> None:
        self._reader = reader
        self._at_once = at_once
        self._gaps: dict[str, tuple[int, SuccessGaps]] = {}
        self._histories: dict[str, tuple[int, DurationHistory]] = {}
        self._sizes: dict[str, tuple[int, OutputSizes]] = {}

    def of(
        self,
        automations: Sequence[WatchedAutomation],
        succeeded_in: Mapping[str, int],
        now_at: int,
        *,
        all_of_it: bool,
        gaps_only: bool = False,
    ) -> dict[str, WatchedAutomation]:
        """Return automations with their baselines.

        `all_of_it` = read them even if no evaluation needs them, `gaps_only` = read only the gaps. `succeeded_in` = the minute of the last
        success of each, or its hour.
        """
        silent = {
            automation.name: (succeeded_in[automation.name], automation.option("tz") or "UTC")
            for automation in automations
            if automation.succeeded_at is not None
            and automation.option("silence") is None
            and not automation.cadences
            and (now_at - automation.succeeded_at >= SHORTEST_WINDOW_MS or all_of_it)
            and automation.name in succeeded_in
        }
        active = {
            automation.name: automation.ends[0].finished_at if automation.ends else automation.succeeded_at or now_at
            for automation in automations
            if not gaps_only
            and (automation.ends or automation.recent.started or automation.running_since_at is not None)
        }
        measured = [
            automation.name
            for automation in automations
            if automation.name in active and any(end.size is not None for end in automation.ends)
        ]
        gaps = self.gaps(silent)
        histories = self.histories(active)
        sizes = self.sizes({name: active[name] for name in measured})
        return {
            automation.name: replace(
                automation,
                gaps=gaps.get(automation.name),
                history=histories.get(automation.name),
                sizes=sizes.get(automation.name),
            )
            for automation in automations
            if automation.name in gaps or automation.name in histories or automation.name in sizes
        }

    def gaps(self, successes_by_name: Mapping[str, tuple[int, str]]) -> dict[str, SuccessGaps]:
        """Return the gaps of automations: name -> (minute or hour of its last success, time zone)."""
        hours = {name: at - at % HOUR_MS for name, (at, _) in successes_by_name.items()}
        missing = [name for name in successes_by_name if self._gaps.get(name, (-1, None))[0] != hours[name]]
        for names in split_names(missing[: self._at_once]):
            for name, successes in monitor_reads.success_hours(self._reader, names, GAP_HISTORY_MS).items():
                self._gaps[name] = (successes[-1][0], measure_gaps(successes, successes_by_name[name][1]))
        known = {name: self._gaps[name] for name in successes_by_name if name in self._gaps}
        return {name: gaps for name, (hour_at, gaps) in known.items() if hour_at == hours[name]}

    def histories(self, ends_by_name: Mapping[str, int]) -> dict[str, DurationHistory]:
        """Return the durations of four weeks: name -> the instant before whose day (UTC) they end."""
        return self._by_day(self._histories, ends_by_name, self._read)

    def sizes(self, ends_by_name: Mapping[str, int]) -> dict[str, OutputSizes]:
        """Return the output sizes of nine weeks: name -> the instant before whose day (UTC) they end."""
        return self._by_day(self._sizes, ends_by_name, self._read_sizes)

    def _by_day(
        self,
        cached: dict[str, tuple[int, _Baseline]],
        ends_by_name: Mapping[str, int],
        read: Callable[[Sequence[str], int], dict[str, _Baseline]],
    ) -> dict[str, _Baseline]:
        """Return the value for the day of each name; read it where it is not cached."""
        days = {name: at - at % _DAY_MS for name, at in ends_by_name.items()}
        missing = [name for name, day in days.items() if cached.get(name, (-1, None))[0] != day]
        by_day: dict[int, list[str]] = {}
        for name in missing[: self._at_once]:
            by_day.setdefault(days[name], []).append(name)
        for day, names in by_day.items():
            for batch in split_names(names):
                cached |= {name: (day, known) for name, known in read(batch, day).items()}
        known = {name: cached[name] for name in ends_by_name if name in cached}
        return {name: value for name, (day, value) in known.items() if day == days[name]}

    def _read_sizes(self, names: Sequence[str], before_at: int) -> dict[str, OutputSizes]:
        counted = monitor_reads.output_sizes(self._reader, names, before_at - SIZE_HISTORY_MS, before_at)
        return {name: summarize_sizes(counted.get(name, ()), before_at) for name in names}

    def _read(self, names: Sequence[str], before_at: int) -> dict[str, DurationHistory]:
        first_at = before_at - GAP_HISTORY_MS
        durations = monitor_reads.durations(self._reader, names, first_at, before_at)
        busiest = monitor_reads.busiest_hours(self._reader, names, first_at, before_at)
        found = {}
        for name in names:
            buckets, first_duration_at = durations.get(name, ({}, before_at))
            busiest_hour, first_start_at = busiest.get(name, (0, before_at))
            over_ms = before_at - min(first_duration_at, first_start_at)
            found[name] = DurationHistory(
                buckets=tuple(sorted(buckets.items())), over_ms=over_ms, busiest_hour=busiest_hour
            )
        return found


def split_names(names: Sequence[str]) -> Iterable[Sequence[str]]:
    """Split names into batches of what one statement reads, so that no caller holds more history than that at once."""
    return (names[start : start + _BATCH] for start in range(0, len(names), _BATCH))
