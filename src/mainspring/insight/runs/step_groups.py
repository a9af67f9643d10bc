"""Step groups: many calls of one step as one line, such as "clean_file x 365: 362 ok, 3 failed, p95 120ms"."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import OutcomeState
from mainspring.insight.runs.steps import StepLine
from mainspring.insight.text.formatting import format_span
from mainspring.insight.text.quantile import exact_quantile

GROUPED: Final = 8
"""More calls than this of one name become one line."""
_LISTED: Final = 5
"""Most unsuccessful calls of a group that are listed below it."""
_KINDS: Final = frozenset({OutcomeKind.STEP, OutcomeKind.CHILD, OutcomeKind.START})


class StepGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of one step. `states` = how many are in each state; `p95_ms` = 95th percentile of the durations; None = none ended.

    `left_out` = how many unsuccessful ones are not listed.
    """

    name: str
    kind: str
    states: dict[str, int]
    p95_ms: int | None
    left_out: int = 0

    @property
    def number(self) -> int:
        """The number of calls."""
        return sum(self.states.values())

    @property
    def summary(self) -> str:
        """The results: "362 ok, 3 failed, p95 120ms"."""
        ok = self.states.get(OutcomeState.SUCCEEDED, 0)
        other_states = sorted((state, count) for state, count in self.states.items() if state != OutcomeState.SUCCEEDED)
        parts = [f"{ok:,} ok", *(f"{count:,} {state.replace('_', ' ')}" for state, count in other_states)]
        return ", ".join(parts if self.p95_ms is None else [*parts, f"p95 {format_span(self.p95_ms)}"])


class CallCount(msgspec.Struct, frozen=True):
    """One call that has ended, for counting; `duration_us` = its last attempt."""

    name: str
    kind: str
    state: str
    duration_us: int


def arrange_lines(lines: Sequence[StepLine], now: int) -> list[StepLine | StepGroup]:
    """Return the lines with each group in the place of its first call, followed by its unsuccessful calls."""
    counts = Counter((line.name, line.kind) for line in lines if line.kind in _KINDS)
    members = {
        key: [line for line in lines if (line.name, line.kind) == key]
        for key, count in counts.items()
        if count > GROUPED
    }
    found: list[StepLine | StepGroup] = []
    for line in lines:
        calls = members.get((line.name, line.kind))
        if calls is None:
            found.append(line)
        elif line is calls[0]:
            unsuccessful = [call for call in calls if call.state != OutcomeState.SUCCEEDED]
            group = _group_of_lines(calls, now)
            found.append(msgspec.structs.replace(group, left_out=max(len(unsuccessful) - _LISTED, 0)))
            found += unsuccessful[:_LISTED]
    return found


def count_groups(ended: Iterable[CallCount], lines: Sequence[StepLine]) -> dict[tuple[str, str], StepGroup]:
    """Return the groups of ended calls and of the lines of open ones; by name and kind."""
    states: dict[tuple[str, str], Counter[str]] = {}
    durations: dict[tuple[str, str], list[int]] = {}
    for call in ended:
        key = (call.name, call.kind)
        states.setdefault(key, Counter())[call.state] += 1
        durations.setdefault(key, []).append(-(-call.duration_us // 1_000))
    for line in lines:
        if line.kind in _KINDS and not _has_ended(line):
            states.setdefault((line.name, line.kind), Counter())[line.state] += 1
    return {
        key: _build_group(*key, found, durations.get(key, []))
        for key, found in states.items()
        if found.total() > GROUPED
    }


def _group_of_lines(calls: Sequence[StepLine], now: int) -> StepGroup:
    durations = [call.tries[-1].duration_ms(now) for call in calls if _has_ended(call) and call.tries]
    return _build_group(calls[0].name, calls[0].kind, Counter(call.state for call in calls), durations)


def _build_group(name: str, kind: str, states: Mapping[str, int], durations: Sequence[int]) -> StepGroup:
    return StepGroup(name=name, kind=kind, states=dict(states), p95_ms=exact_quantile(durations, 0.95))


def _has_ended(line: StepLine) -> bool:
    return line.state in {state.value for state in OutcomeState}
