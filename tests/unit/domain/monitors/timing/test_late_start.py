"""A slot came and its run did not begin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.duration import parse_duration
from mainspring.domain.incidents.incident import IncidentKind, Subject
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.time.schedule import compute_jitter
from tests.unit.domain.monitors.monitor_inputs import DAY, HOUR, MINUTE, T0, cadence, evaluate, found, watched

LATE = IncidentKind.LATE_START
DUE = cadence(every="1h", next_slot_at=T0 + HOUR)


@pytest.mark.parametrize(
    ("spec", "options", "grace"),
    [
        ({"every": "1h"}, {}, 15 * MINUTE),
        ({"every": "1m"}, {}, MINUTE),
        ({"cron": "0 1 * * *"}, {}, 30 * MINUTE),
        ({"every": "1h"}, {"grace": "2m"}, 2 * MINUTE),
        ({"every": "1h"}, {"grace": "0s"}, 0),
    ],
)
def test_late_start_starts_at_its_instant(spec, options, grace) -> None:
    """A quarter of the period, one minute at least and thirty at most; a stated grace counts as it is."""
    automation = watched(options=options, cadences=(cadence(next_slot_at=T0 + HOUR, **spec),))
    assert found(LATE, automation, T0 + HOUR + grace - 1) == []
    (finding,) = found(LATE, automation, T0 + HOUR + grace)
    assert (finding.since_at, finding.facts["late_at"]) == (T0 + HOUR, T0 + HOUR + grace)
    assert "no run was created for it" in finding.text


def test_late_start_reports_the_run_that_no_one_takes() -> None:
    """The slot was served, and the run waits."""
    made = cadence(every="1h", next_slot_at=T0 + 2 * HOUR, unbegun_at=T0 + HOUR, unbegun_run="r_7")
    (finding,) = found(LATE, watched(cadences=(made,)), T0 + 2 * HOUR)
    assert finding.hint == "mainspring explain r_7"
    assert "r_7 is queued and no worker claims it" in finding.text


@pytest.mark.parametrize(
    "made", [{"next_slot_at": T0}, {"next_slot_at": T0 + HOUR, "unbegun_at": T0, "unbegun_run": "r_7"}]
)
def test_first_slot_of_an_interval_is_late_by_when_it_was_announced(made) -> None:
    """It is the one that was under way then: what was announced forty minutes into it is not forty minutes late at once."""
    new = watched(cadences=(cadence(every="1h", written_at=T0 + 40 * MINUTE, **made),))
    assert found(LATE, new, T0 + 55 * MINUTE - 1) == []
    (finding,) = found(LATE, new, T0 + 55 * MINUTE)
    assert finding.since_at == T0 + 40 * MINUTE
    assert finding.text.startswith("not started for 15m (every 1h)")


def test_jitter_puts_the_start_off() -> None:
    """A start that is spread is late only after its own time."""
    automation = watched(options={"jitter": "40m"}, cadences=(DUE,))
    put_off = compute_jitter("backup", T0 + HOUR, parse_duration("40m"))
    assert put_off > 0
    assert found(LATE, automation, T0 + HOUR + put_off + 15 * MINUTE - 1) == []
    assert found(LATE, automation, T0 + HOUR + put_off + 15 * MINUTE) != []


def test_automation_without_a_schedule_never_starts_late() -> None:
    """Cadences that others keep (exec) have no slot; what is paused starts nothing, and what was has its time."""
    assert evaluate(LATE, watched(cadences=(cadence(every="1h"),)), T0 + DAY) == []
    assert evaluate(LATE, watched(cadences=(DUE,), paused_at=T0), T0 + DAY) == []
    assert found(LATE, watched(cadences=(DUE,), expected_from_at=T0 + DAY), T0 + DAY + 14 * MINUTE) == []


@given(st.integers(0, 3 * DAY), st.integers(0, 3 * DAY))
def test_late_start_is_monotone_in_time(first: int, more: int) -> None:
    """Time alone starts nothing."""
    automation = watched(options={"jitter": "40m"}, cadences=(DUE,))
    assert not found(LATE, automation, T0 + first) or found(LATE, automation, T0 + first + more)


def test_late_start_lasts_while_nothing_starts() -> None:
    """The next slot is not yet late, but neither has begun: no one learns that it is healthy, nor told again."""
    made = cadence(every="1h", next_slot_at=T0 + 3 * HOUR, unbegun_at=T0 + 2 * HOUR, unbegun_run="r_8")
    automation = watched(cadences=(made,))
    now_at = T0 + 2 * HOUR + MINUTE
    notified = MonitorInputs(automations=(automation,), open=frozenset({Subject("backup", LATE)}))
    (evaluation,) = evaluate(LATE, notified, now_at)
    assert (evaluation.finding, evaluation.unsure is None) == (None, False)
    (evaluation,) = evaluate(LATE, automation, now_at)
    assert (evaluation.finding, evaluation.unsure) == (None, None), "who was not told of it has the grace"
    assert found(LATE, notified, T0 + 2 * HOUR + 15 * MINUTE) != []
