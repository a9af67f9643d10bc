"""Too slow, too fast."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.monitors.inputs import DurationHistory
from tests.unit.domain.monitors.monitor_inputs import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    T0,
    end,
    evaluate,
    found,
    history,
    watched,
)

SLOW, FAST = IncidentKind.TOO_SLOW, IncidentKind.TOO_FAST
P99 = 2**16
buckets = st.dictionaries(st.integers(0, 30), st.integers(1, 100), min_size=1)


def test_stated_slow_covers_running_and_ended_runs() -> None:
    """slow= is a limit, as loud as the tier."""
    automation = watched(options={"slow": "10m"}, running_since_at=T0, tier=Severity.PAGE)
    assert found(SLOW, automation, T0 + 10 * MINUTE) == []
    (finding,) = found(SLOW, automation, T0 + 10 * MINUTE + 1)
    assert (finding.severity, finding.since_at) == (Severity.PAGE, T0 + 10 * MINUTE)
    ended = watched(options={"slow": "10m"}, ends=(end(T0, 11 * MINUTE),))
    assert found(SLOW, ended, T0)[0].text == "the last run took 11m, 10m is slow"
    assert found(SLOW, watched(options={"slow": "10m"}, ends=(end(T0), end(T0, HOUR))), T0) == []


def test_learned_slow_is_reported_in_the_digest() -> None:
    """More than twice what 99 % took, by half of the newest successes; one slow run is none."""
    slow, usual = end(T0, 2 * P99 + 1), end(T0, P99)
    assert found(SLOW, watched(ends=(slow, usual, usual), history=history()), T0) == []
    (finding,) = found(SLOW, watched(ends=(slow, slow, slow, usual, usual), history=history()), T0)
    assert finding.severity is Severity.DIGEST
    border = end(T0, 2 * P99)
    assert found(SLOW, watched(ends=(border, border), history=history()), T0) == []


def test_run_that_hangs_is_reported_by_its_tier() -> None:
    """Four times what 99 % took, one hour at least."""
    automation = watched(running_since_at=T0, history=history(), tier=Severity.PAGE)
    assert found(SLOW, automation, T0 + HOUR) == []
    assert found(SLOW, automation, T0 + HOUR + 1)[0].severity is Severity.PAGE
    long = watched(running_since_at=T0, history=history({24: 30}))
    assert found(SLOW, long, T0 + 4 * 2**24) == []
    assert found(SLOW, long, T0 + 4 * 2**24 + 1) != []


def test_fast_is_surely_less_than_half() -> None:
    """Nine in ten took more than 32 s: a success after 16 s is reported, until the next usual one."""
    least = 2**15
    (finding,) = found(FAST, watched(ends=(end(T0, least // 2 - 1),), history=history(), tier=Severity.PAGE), T0)
    assert finding.severity is Severity.NOTIFY
    assert "nine in ten runs took more than 33s" in finding.text
    assert found(FAST, watched(ends=(end(T0, least // 2),), history=history()), T0) == []
    assert found(FAST, watched(ends=(end(T0, P99), end(T0, 1)), history=history()), T0) == []
    assert found(FAST, watched(ends=(end(T0, 1, ok=False),), history=history()), T0) == []


def test_peer_healthchecks_11_index_of_fifty_minutes_ends_in_fifteen() -> None:
    """A week of successes that did a third of the work: told at the first, and still at the second, which knows the first."""
    usual = history({22: 28})
    fast = watched(ends=(end(T0, 15 * MINUTE),), history=usual)
    assert len(found(FAST, fast, T0)) == 1
    assert len(found(FAST, watched(ends=(end(T0, 15 * MINUTE),), history=history({20: 1, 22: 27})), T0 + DAY)) == 1


def test_short_runs_are_not_too_fast() -> None:
    """Where most runs take less than eight seconds nothing is said."""
    assert found(FAST, watched(ends=(end(T0, 1),), history=history({13: 100})), T0) == []


@pytest.mark.parametrize("known", [history({16: 19}), history(over_ms=6 * DAY), history({}, over_ms=0)])
def test_durations_are_learned_first(known: DurationHistory) -> None:
    """Twenty runs and seven days."""
    automation = watched(ends=(end(T0, 1),), running_since_at=T0, history=known)
    assert found(FAST, automation, T0 + DAY) == []
    assert found(SLOW, automation, T0 + DAY) == []
    assert evaluate(SLOW, automation, T0)[0].figures["learning"]


def test_unread_history_makes_unsure() -> None:
    """Nothing is said of slow or fast before history is read."""
    automation = watched(ends=(end(T0, SECOND),))
    assert evaluate(SLOW, automation, T0)[0].unsure is not None
    assert evaluate(FAST, automation, T0)[0].unsure is not None


def test_durations_of_a_disabled_automation_are_not_evaluated() -> None:
    """Paused, or switched off."""
    known: dict[str, Any] = {"running_since_at": T0, "ends": (end(T0, 1),), "history": history()}
    assert evaluate(SLOW, watched(options={"slow": False}, **known), T0 + DAY) == []
    assert evaluate(SLOW, watched(paused_at=1, **known), T0 + DAY) == []
    assert evaluate(FAST, watched(paused_at=1, **known), T0 + DAY) == []


@given(buckets, st.integers(0, 2**31))
def test_no_duration_is_too_fast_and_too_slow(known: dict[int, int], duration_ms: int) -> None:
    """And what took as long as half of the runs did is neither."""
    automation = watched(ends=(end(T0, duration_ms),), history=history(known))
    assert not (found(SLOW, automation, T0) and found(FAST, automation, T0))
    middle = history(known).bucket_at(0.5)
    usual = watched(ends=(end(T0, 2**middle),), history=history(known))
    assert not found(SLOW, usual, T0)
    assert not found(FAST, usual, T0)


@given(st.integers(0, 3 * DAY), st.integers(0, 3 * DAY))
def test_hanging_is_monotone_in_time(first: int, more: int) -> None:
    """A run that is too slow does not become well by continuing."""
    automation = watched(running_since_at=T0, history=history())
    assert not found(SLOW, automation, T0 + first) or found(SLOW, automation, T0 + first + more)
