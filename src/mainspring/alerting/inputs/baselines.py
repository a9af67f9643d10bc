"""What history tells of automations, read for those that need it and kept by what it hangs on.

Gaps hang on the last success, durations, sizes and the busiest hour on the day of the last end; so what is kept here is what anybody would
read now, and none of it moves while nothing ends. A look reads
some hundred at most, so that no look is long: who is left out has its turn in a later one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from mainspring.domain.monitors.inputs import DurationHistory, OutputSizes, SuccessGaps, WatchedAutomation
from mainspring.domain.monitors.outcomes.output_sizes import SIZE_HISTORY_MS as SIZES_BEFORE_MS
from mainspring.domain.monitors.outcomes.output_sizes import summarize_sizes
from mainspring.domain.monitors.timing.success_gaps import GAP_HISTORY_MS, HOUR_MS, SHORTEST_WINDOW_MS, measure_gaps
from mainspring.store.base import StoreReader
from mainspring.store.read.automations import monitor_reads as reads

_DAY_MS = 24 * HOUR_MS
_BATCH = 200
_Baseline = TypeVar("_Baseline")


class Baselines:
    """`at_once` = how many automations of each kind one look reads at most; None = all."""

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
        gaps_alone: bool = False,
    ) -> dict[str, WatchedAutomation]:
        """Return automations with what was learned of them; `all_of_it` = whether a verdict needs it or not, `gaps_alone` = no more.

        `succeeded_in` = the minute of the last success of each, or its hour.
        """
        silent = {
            one.name: (succeeded_in[one.name], one.option("tz") or "UTC")
            for one in automations
            if one.succeeded_at is not None
            and one.option("silence") is None
            and not one.cadences
            and (now_at - one.succeeded_at >= SHORTEST_WINDOW_MS or all_of_it)
            and one.name in succeeded_in
        }
        active = {
            one.name: one.ends[0].finished_at if one.ends else one.succeeded_at or now_at
            for one in automations
            if not gaps_alone and (one.ends or one.recent.started or one.running_since_at is not None)
        }
        measured = [
            one.name for one in automations if one.name in active and any(end.size is not None for end in one.ends)
        ]
        gaps = self.gaps(silent)
        histories = self.histories(active)
        sizes = self.sizes({name: active[name] for name in measured})
        return {
            one.name: replace(one, gaps=gaps.get(one.name), history=histories.get(one.name), sizes=sizes.get(one.name))
            for one in automations
            if one.name in gaps or one.name in histories or one.name in sizes
        }

    def gaps(self, wanted: Mapping[str, tuple[int, str]]) -> dict[str, SuccessGaps]:
        """Return the gaps of automations: name -> (minute or hour of its last success, time zone)."""
        hours = {name: at - at % HOUR_MS for name, (at, _) in wanted.items()}
        missing = [name for name in wanted if self._gaps.get(name, (-1, None))[0] != hours[name]]
        for names in split_names(missing[: self._at_once]):
            for name, successes in reads.success_hours(self._reader, names, GAP_HISTORY_MS).items():
                self._gaps[name] = (successes[-1][0], measure_gaps(successes, wanted[name][1]))
        known = {name: self._gaps[name] for name in wanted if name in self._gaps}
        return {name: gaps for name, (hour_at, gaps) in known.items() if hour_at == hours[name]}

    def histories(self, wanted: Mapping[str, int]) -> dict[str, DurationHistory]:
        """Return what four weeks tell of automations: name -> the instant before whose day (UTC) they end."""
        return self._by_day(self._histories, wanted, self._read)

    def sizes(self, wanted: Mapping[str, int]) -> dict[str, OutputSizes]:
        """Return what nine weeks tell of the outputs of automations: name -> the instant before whose day (UTC) they end."""
        return self._by_day(self._sizes, wanted, self._read_sizes)

    def _by_day(
        self,
        kept: dict[str, tuple[int, _Baseline]],
        wanted: Mapping[str, int],
        read: Callable[[Sequence[str], int], dict[str, _Baseline]],
    ) -> dict[str, _Baseline]:
        """Return what is known up to the day of each, and read it where it is not kept."""
        days = {name: at - at % _DAY_MS for name, at in wanted.items()}
        missing = [name for name, day in days.items() if kept.get(name, (-1, None))[0] != day]
        by_day: dict[int, list[str]] = {}
        for name in missing[: self._at_once]:
            by_day.setdefault(days[name], []).append(name)
        for day, names in by_day.items():
            for batch in split_names(names):
                kept |= {name: (day, known) for name, known in read(batch, day).items()}
        known = {name: kept[name] for name in wanted if name in kept}
        return {name: value for name, (day, value) in known.items() if day == days[name]}

    def _read_sizes(self, names: Sequence[str], before_at: int) -> dict[str, OutputSizes]:
        counted = reads.output_sizes(self._reader, names, before_at - SIZES_BEFORE_MS, before_at)
        return {name: summarize_sizes(counted.get(name, ()), before_at) for name in names}

    def _read(self, names: Sequence[str], before_at: int) -> dict[str, DurationHistory]:
        first_at = before_at - GAP_HISTORY_MS
        took = reads.durations(self._reader, names, first_at, before_at)
        busiest = reads.busiest_hours(self._reader, names, first_at, before_at)
        found = {}
        for name in names:
            buckets, took_at = took.get(name, ({}, before_at))
            most, begun_at = busiest.get(name, (0, before_at))
            over_ms = before_at - min(took_at, begun_at)
            found[name] = DurationHistory(buckets=tuple(sorted(buckets.items())), over_ms=over_ms, busiest_hour=most)
        return found


def split_names(names: Sequence[str]) -> Iterable[Sequence[str]]:
    """Return names by so many as one statement reads the history of: whoever reads all at once holds no more of it than that."""
    return (names[place : place + _BATCH] for place in range(0, len(names), _BATCH))
