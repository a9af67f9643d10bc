"""Silence: by what is stated, by schedules, by what was learned."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.monitors.inputs import SuccessGaps
from mainspring.domain.monitors.timing.success_gaps import hour_class, measure_gaps
from mainspring.domain.time.cron import find_zone
from tests.unit.domain.monitors.monitor_inputs import (
    DAY,
    HOUR,
    MINUTE,
    T0,
    cadence,
    ends,
    evaluate,
    found,
    gaps,
    watched,
)

SILENCE = IncidentKind.SILENCE
HOURLY = cadence(every="1h")
spans = st.integers(0, 60 * DAY)
learned = st.builds(
    gaps,
    successes=st.integers(1, 100),
    over_ms=st.integers(0, 28 * DAY),
    p99_ms=st.integers(1, 50).map(lambda hours: hours * HOUR),
    largest_ms=st.integers(1, 100).map(lambda hours: hours * HOUR),
)


@pytest.mark.parametrize(
    ("options", "cadences", "late"),
    [
        ({}, (HOURLY,), 2 * HOUR),
        ({"grace": "5m"}, (HOURLY,), HOUR + 5 * MINUTE),
        ({"silence": "3h"}, (HOURLY,), 3 * HOUR),
        ({"silence": "3h"}, (), 3 * HOUR),
        ({"jitter": "10m"}, (HOURLY,), 2 * HOUR + 10 * MINUTE),
        ({}, (cadence(cron="0 3 * * *"),), 9 * HOUR),
        ({}, (cadence(cron="0 3 * * *"), HOURLY), 2 * HOUR),
    ],
)
def test_silence_starts_at_its_instant(options, cadences, late) -> None:
    """Hourly alerts at two hours, daily after six hours of grace; what is stated takes the place of that."""
    automation = watched(options=options, cadences=cadences, succeeded_at=T0)
    assert found(SILENCE, automation, T0 + late - 1) == []
    (finding,) = found(SILENCE, automation, T0 + late)
    assert finding.facts["late_at"] == T0 + late
    assert finding.severity is Severity.NOTIFY


def test_peer_airflow_9_missing_run_is_reported() -> None:
    """Hourly, no success in two hours, not a line of configuration; failures in between are no success."""
    automation = watched(cadences=(HOURLY,), succeeded_at=T0, ends=ends(False, False, at=T0 + 119 * MINUTE))
    assert len(found(SILENCE, automation, T0 + 2 * HOUR)) == 1


def test_silence_states_what_was_expected() -> None:
    """The line is made for a lock screen, and the tier is that of the automation."""
    automation = watched(cadences=(cadence(cron="0 3 * * *", tz="Europe/Berlin"),), succeeded_at=T0, tier=Severity.PAGE)
    (finding,) = found(SILENCE, automation, T0 + 26 * HOUR)
    assert finding.text == "no success for 1d2h (expected every day at 03:00 (Europe/Berlin))"
    assert finding.severity is Severity.PAGE
    assert "no success yet" in found(SILENCE, watched(cadences=(HOURLY,)), T0 + 2 * HOUR)[0].text


@pytest.mark.parametrize(
    "known",
    [
        {"paused_at": T0},
        {"paused_at": T0, "paused_until": T0 + 99 * DAY},
        {"retired_at": T0},
        {"options": {"silence": False}},
        {"cadences": ()},
    ],
)
def test_no_silence_where_nothing_is_expected(known) -> None:
    """Paused, retired, switched off, or without any cadence."""
    automation = watched(**{"cadences": (HOURLY,)} | known)
    assert found(SILENCE, automation, T0 + 50 * DAY) == []


def test_ended_pause_restarts_the_expected_interval() -> None:
    """Who was paused for days is not silent the moment that it is resumed."""
    automation = watched(cadences=(HOURLY,), succeeded_at=T0, expected_from_at=T0 + 3 * DAY)
    assert found(SILENCE, automation, T0 + 3 * DAY + 2 * HOUR - 1) == []
    assert found(SILENCE, automation, T0 + 3 * DAY + 2 * HOUR) != []
    over = watched(cadences=(HOURLY,), succeeded_at=T0, paused_at=T0, paused_until=T0 + DAY)
    assert found(SILENCE, over, T0 + DAY) != []


@given(spans, spans, learned)
def test_silence_is_monotone_in_time(first: int, more: int, known: SuccessGaps) -> None:
    """Once silent it stays so until a success, whatever it was judged by."""
    for automation in (watched(cadences=(HOURLY,)), watched(succeeded_at=T0, gaps=known)):
        if found(SILENCE, automation, T0 + first):
            assert found(SILENCE, automation, T0 + first + more)


@given(spans, spans)
def test_success_never_makes_a_schedule_silent(success: int, more: int) -> None:
    """A later success never brings a finding that an earlier one did not."""
    now_at = T0 + success + more
    if not found(SILENCE, watched(cadences=(HOURLY,), succeeded_at=T0), now_at):
        assert not found(SILENCE, watched(cadences=(HOURLY,), succeeded_at=T0 + success), now_at)


@given(learned)
def test_learned_silence_starts_at_its_instant(known: SuccessGaps) -> None:
    """Not a millisecond before late_at, from then on always; never for a gap that was seen before."""
    automation = watched(succeeded_at=T0, gaps=known)
    late_at = evaluate(SILENCE, automation, T0)[0].figures["late_at"]
    assert found(SILENCE, automation, late_at - 1) == []
    assert found(SILENCE, automation, T0 + known.largest_ms + HOUR - 1) == []
    assert bool(found(SILENCE, automation, late_at)) is (known.successes > 1)


def test_learned_window_is_the_larger_of_both() -> None:
    """Three times the 99th percentile, twice the largest gap, three hours at least."""
    for p99, largest, window in ((2, 2, 6), (1, 10, 20), (1, 1, 3)):
        automation = watched(succeeded_at=T0, gaps=gaps(p99_ms=p99 * HOUR, largest_ms=largest * HOUR))
        assert evaluate(SILENCE, automation, T0)[0].figures["window_ms"] == window * HOUR
    (finding,) = found(SILENCE, automation, T0 + 4 * HOUR)
    assert (finding.text, finding.severity) == ("no success for 4h (usually within 3h)", Severity.NOTIFY)


@pytest.mark.parametrize(("successes", "days"), [(19, 9), (30, 6)])
def test_learning_reports_in_the_digest(successes: int, days: int) -> None:
    """Before 20 successes and 7 days a silence of 48 hours is reported quietly."""
    automation = watched(succeeded_at=T0, gaps=gaps(successes, days * DAY), tier=Severity.PAGE)
    assert found(SILENCE, automation, T0 + 48 * HOUR - 1) == []
    (finding,) = found(SILENCE, automation, T0 + 48 * HOUR)
    assert (finding.severity, finding.facts["learning"]) == (Severity.DIGEST, True)


@pytest.mark.parametrize(("largest", "window"), [(1, 48), (30, 48), (47, 48), (48, 60), (7 * 24, 210)])
def test_first_silence_is_48_hours_unless_a_longer_gap_was_seen(largest: int, window: int) -> None:
    """From the second success on; a gap that was longer is not called silence when it comes again."""
    automation = watched(succeeded_at=T0, gaps=gaps(2, largest * HOUR, largest_ms=largest * HOUR))
    assert found(SILENCE, automation, T0 + window * HOUR - 1) == []
    (finding,) = found(SILENCE, automation, T0 + window * HOUR)
    assert (finding.severity, finding.facts["learning"]) == (Severity.DIGEST, True)


@pytest.mark.parametrize(
    ("day", "hour", "window"),
    [(0, 9, 48), (2, 23, 48), (3, 9, 96), (4, 9, 96), (4, 23, 96), (5, 9, 87)],
)
@pytest.mark.parametrize("tz", ["UTC", "Europe/Berlin"])
def test_first_weekend_of_a_weekday_automation_is_no_silence(tz: str, day: int, hour: int, window: int) -> None:
    """Two working days are a silence while no success fell on a weekend; where one did, two days of any kind."""
    shift = HOUR if tz == "Europe/Berlin" else 0
    at = T0 + day * DAY + hour * HOUR - shift
    automation = watched(options={"tz": tz}, succeeded_at=at, gaps=gaps(8, 4 * DAY, on_weekends=False))
    assert found(SILENCE, automation, at + window * HOUR - 1) == []
    (finding,) = found(SILENCE, automation, at + window * HOUR)
    assert (finding.severity, finding.facts["on_weekends"]) == (Severity.DIGEST, False)
    every_day = watched(options={"tz": tz}, succeeded_at=at, gaps=gaps(8, 4 * DAY))
    assert evaluate(SILENCE, every_day, at)[0].figures["window_ms"] == 48 * HOUR


def test_gaps_know_of_weekends_by_the_clock_of_the_zone() -> None:
    """Friday 23:00 UTC is Saturday in Berlin."""
    assert measure_gaps([(T0 + 4 * DAY + 23 * HOUR, 1)], "Europe/Berlin").on_weekends
    assert not measure_gaps([(T0 + 4 * DAY + 23 * HOUR, 1)], "UTC").on_weekends


def test_one_success_is_no_cadence() -> None:
    """What ran once is expected by no one."""
    assert found(SILENCE, watched(succeeded_at=T0, gaps=gaps(1, 0)), T0 + 300 * DAY) == []


def test_unread_history_makes_unsure() -> None:
    """Neither wrong nor well; a short gap is healthy whatever history tells."""
    assert evaluate(SILENCE, watched(succeeded_at=T0), T0 + 3 * HOUR)[0].unsure is not None
    assert evaluate(SILENCE, watched(succeeded_at=T0), T0 + 3 * HOUR - 1)[0].unsure is None


def test_gaps_are_classed_by_the_clock_of_the_zone() -> None:
    """Working days and weekends, in quarters of the local day."""
    berlin = find_zone("Europe/Berlin")
    assert hour_class(T0 + 5 * HOUR, berlin) == "working days, morning"
    assert hour_class(T0 + 5 * HOUR, find_zone("UTC")) == "working days, night"
    assert hour_class(T0 + 5 * DAY, berlin) == "weekends, night"


def test_class_of_the_present_gap_counts() -> None:
    """Of the afternoons one gap in fifty is a night; what has few gaps is judged by those of all hours."""
    hours = [(T0 + day * DAY + hour * HOUR, 6) for day in range(5) for hour in range(8, 18)]
    known = measure_gaps(hours, "UTC")
    assert (known.class_name, known.class_gaps) == ("working days, afternoon", 179)
    assert (known.successes, known.over_ms) == (300, 4 * DAY + 9 * HOUR)
    assert (known.p99_ms, known.largest_ms) == (15 * HOUR, 15 * HOUR)
    assert measure_gaps(hours[:-3], "UTC").p99_ms == 15 * HOUR
    assert measure_gaps(hours[:14], "UTC").class_name == "working days, morning"
    assert measure_gaps(hours[:14], "UTC").p99_ms == HOUR
    assert measure_gaps(hours[:3], "UTC") == gaps(18, 2 * HOUR, HOUR, HOUR, on_weekends=False)


@given(st.lists(st.tuples(st.integers(1, 200), st.integers(1, 5)), min_size=1, max_size=60))
def test_gaps_count_every_success_once(steps: list[tuple[int, int]]) -> None:
    """As many gaps as successes less one; the largest is one that was there, the percentile no larger."""
    hours = list(
        zip(accumulate((step * HOUR for step, _ in steps), initial=T0), [*(n for _, n in steps), 1], strict=False)
    )
    known = measure_gaps(hours, "Europe/Berlin")
    successes = sum(n for _, n in hours)
    assert known.successes == successes
    assert known.class_gaps <= successes - 1
    assert known.largest_ms == max([step * HOUR for step, _ in steps], default=0)
    assert known.p99_ms <= known.largest_ms


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        (
            {"file": "/srv/my ship.py"},
            "mainspring up -m '/srv/my ship.py'. If it is not needed any more: mainspring auto retire",
        ),
        ({"file": "/srv/ship.py", "served": 1}, "mainspring runs list --name"),
        ({"file": "/srv/ship.sh", "kind": "exec"}, "mainspring runs list --name"),
        ({}, "mainspring runs list --name"),
    ],
)
def test_silence_of_an_unloaded_automation_has_commands_to_load_or_retire_it(known, sentence) -> None:
    """`mainspring run -m` records a schedule that nothing loads later. A wrapped command needs no worker."""
    (silence,) = found(SILENCE, watched(cadences=(HOURLY,), succeeded_at=T0, **known), T0 + 3 * HOUR)
    assert sentence in (silence.hint or "")
