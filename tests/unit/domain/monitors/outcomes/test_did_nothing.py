"""Successes that put out next to nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.incidents.incident import Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, OutputSizes
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.domain.monitors.outcomes.did_nothing import DidNothingTuning
from mainspring.domain.monitors.outcomes.output_sizes import summarize_sizes
from tests.unit.domain.monitors.monitor_inputs import DAY, T0, end, evaluate, found, watched
from tests.unit.domain.monitors.outputs import KIND, SERIES, draw_sample, of_runs

GB = 10**9
USUAL = OutputSizes(successes=30, over_ms=30 * DAY, days=((2 * GB, T0 - 30 * DAY, T0 - DAY),))


def has_findings(evaluations: list[Evaluation]) -> list[bool]:
    return [evaluation.finding is not None for evaluation in evaluations]


def test_backup_of_twenty_bytes_is_reported_until_one_of_the_usual_size() -> None:
    """At most as loud as notify; a tenth of what is usual is enough."""
    automation = watched(ends=(end(T0, size=20),), sizes=USUAL, tier=Severity.PAGE)
    (finding,) = found(KIND, automation, T0)
    assert (finding.severity, finding.since_at) == (Severity.NOTIFY, T0)
    assert finding.text == "succeeded with 20B of output, 2GB or more are usual"
    assert found(KIND, watched(ends=(end(T0, size=0),), sizes=USUAL), T0)[0].text.startswith(
        "succeeded with an empty output"
    )
    limit = watched(ends=(end(T0, size=GB // 5),), sizes=USUAL)
    assert found(KIND, limit, T0) == []
    assert found(KIND, watched(ends=(end(T0, size=GB // 5 - 1),), sizes=USUAL), T0) != []
    assert found(KIND, watched(ends=(end(T0, size=2 * GB), end(T0 - DAY, size=20)), sizes=USUAL), T0) == []


def test_open_incident_recovers_at_twice_the_limit() -> None:
    """So that nothing flaps at the limit; a failure in between changes nothing, nor does an end of unknown size."""
    known_open = frozenset({Subject("backup", KIND)})
    for size, is_found in ((GB // 5, True), (2 * GB // 5 - 1, True), (2 * GB // 5, False)):
        ends = (end(T0, ok=False), end(T0), end(T0, size=size))
        assert (
            bool(found(KIND, MonitorInputs(automations=(watched(ends=ends, sizes=USUAL),), open=known_open), T0))
            is is_found
        )
    failed = MonitorInputs(automations=(watched(ends=(end(T0, ok=False),), sizes=USUAL),), open=known_open)
    assert evaluate(KIND, failed, T0)[0].unsure is not None
    assert evaluate(KIND, watched(ends=(end(T0, ok=False),), sizes=USUAL), T0) == []


@pytest.mark.parametrize(
    "known",
    [
        OutputSizes(successes=19, over_ms=30 * DAY, days=USUAL.days),
        OutputSizes(successes=30, over_ms=14 * DAY - 1, days=USUAL.days),
        OutputSizes(successes=30, over_ms=30 * DAY, days=((0, T0 - 20 * DAY, T0 - 13 * DAY), *USUAL.days)),
        OutputSizes(successes=0, over_ms=0, days=()),
    ],
    ids=["too few", "too short", "sometimes empty", "nothing"],
)
def test_no_finding_before_learning_or_where_empty_is_usual(known: OutputSizes) -> None:
    """Twenty successes over two weeks; empty a week apart is as usual as anything."""
    assert found(KIND, watched(ends=(end(T0, size=0),), sizes=known), T0) == []


def test_one_that_is_off_unread_or_unmeasured() -> None:
    """Paused: nothing is expected. Not read yet: unsure. Of unknown size: not judged."""
    small = (end(T0, size=1),)
    assert evaluate(KIND, watched(ends=small, sizes=USUAL, paused_at=1), T0) == []
    assert evaluate(KIND, watched(ends=small), T0)[0].unsure is not None
    assert evaluate(KIND, watched(ends=(end(T0),), sizes=USUAL), T0) == []


def test_tuning_moves_the_limit() -> None:
    """A share, the days apart, the number of successes."""
    automation = watched(ends=(end(T0, size=GB - 1),), sizes=USUAL)
    assert found(KIND, automation, T0, DidNothingTuning(share=0.5)) != []
    assert found(KIND, automation, T0, DidNothingTuning(share=0.5, successes=31)) == []


@pytest.mark.parametrize("a_day", [1, 3])
@pytest.mark.parametrize("name", SERIES)
def test_outputs_that_vary_are_no_findings(name: str, a_day: int) -> None:
    """Ten weeks of each: constant, growing, log-normal, by the day of the week, sometimes or always empty."""
    for seed in range(3):
        assert not any(has_findings(list(of_runs(draw_sample(SERIES[name], 70, a_day, seed)))))


def test_bad_day_is_reported_again_the_next_time() -> None:
    """It does not become the yardstick: also not when two were bad within a week."""
    days = [[5_000]] * 40
    days[30], days[33], days[36] = [10], [10], [10]
    assert [place for place, is_found in enumerate(has_findings(list(of_runs(days)))) if is_found] == [30, 33, 36]


@given(st.integers(1, 20), st.integers(15, 30))
def test_new_normal_is_reported_for_a_week_and_then_accepted(size: int, first_day: int) -> None:
    """Eight days: the ninth knows two that lie a week apart. Not within a day or two."""
    days = [[1_000, 1_000]] * first_day + [[size, size]] * 12
    findings = has_findings(list(of_runs(days)))
    assert findings == [False] * 2 * first_day + [True] * 16 + [False] * 8


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 2**40)), min_size=1), st.integers(1, 14))
def test_usual_was_seen_on_days_so_far_apart(rows: list[tuple[int, int]], apart: int) -> None:
    """The smallest such size, and none that is smaller."""
    known = summarize_sizes([(T0 + day * DAY, size, 1) for day, size in rows], T0 + 30 * DAY)
    smallest = {day: min(size for other, size in rows if other == day) for day, _ in rows}

    def is_usual(size: int) -> bool:
        days = [day for day, least in smallest.items() if least <= size]
        return bool(days) and max(days) - min(days) >= apart

    assert known.usual(apart * DAY) == min((size for size in smallest.values() if is_usual(size)), default=None)
    assert known.successes == len(rows)
