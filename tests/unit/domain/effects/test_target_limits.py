"""Limits of a target: no span has more requests than the rate, and the breaker moves as its table says."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.effects.target_limits import (
    FIRST_PAUSE_MS,
    LATE_LIMIT_MS,
    LONGEST_PAUSE_MS,
    LONGEST_RESERVATION_MS,
    TargetEntry,
    TargetLimits,
    TargetRefusal,
    TargetRefused,
    TargetState,
    TargetTurn,
    enter,
    leave,
)

NOW = 1_800_000_000_000
BREAKER = TargetLimits(break_after=3)
NEW = TargetState("api.example.com")


def ask(state, request, now=NOW, limits=BREAKER, longest_wait_ms=10_000, **options):
    return enter(state, limits, TargetEntry(request, longest_wait_ms, 60_000, **options), now)


def fail(state, *requests, now=NOW, retry_after_ms=0):
    for request in requests:
        state, turn = ask(state, request, now)
        assert isinstance(turn, TargetTurn)
        state = leave(state, BREAKER, request, now, is_ok=False, retry_after_ms=retry_after_ms)
    return state


@given(
    st.integers(1, 120),
    st.integers(1, 60).map(lambda seconds: seconds * 1_000),
    st.lists(st.integers(0, 2_000), min_size=1, max_size=300),
    st.sampled_from([0, 10_000]),
    st.booleans(),
)
def test_no_span_has_more_requests_than_the_rate(count, per_ms, pauses, longest_wait_ms, may_reserve):
    """Neither with requests that wait, nor with instants that are reserved: each request is sent at its own, in their order."""
    limits, state, now = TargetLimits(count, per_ms), NEW, NOW
    sent: list[int] = []
    for number, pause in enumerate(pauses):
        now += pause
        before = state
        state, answer = ask(state, str(number), now, limits, longest_wait_ms, may_reserve=may_reserve)
        if isinstance(answer, TargetTurn):
            assert answer.wait_ms <= longest_wait_ms
            sent.append(now + answer.wait_ms)
        else:
            assert answer.reason is TargetRefusal.RATE_LIMITED
            assert answer.retry_after_ms > longest_wait_ms
            assert (state != before) == may_reserve
            if may_reserve:
                sent.append(now + answer.retry_after_ms)
    assert sent == sorted(sent)
    assert all(late - early >= per_ms for early, late in zip(sent, sent[count:], strict=False))


@given(st.integers(1, 200), st.integers(1, 60).map(lambda seconds: seconds * 1_000))
def test_line_uses_the_rate(count, per_ms):
    """If many wait, at least 98 % of the rate is used; exactly the rate up to fifty."""
    limits, state, at = TargetLimits(count, per_ms), NEW, 0
    for number in range(3 * count + 1):
        state, answer = ask(state, str(number), NOW, limits, 0, may_reserve=True)
        at = answer.wait_ms if isinstance(answer, TargetTurn) else answer.retry_after_ms
    assert 3 * per_ms <= at <= 3 * per_ms * (1 if count <= 50 else 1.02) + 3


def test_refusal_changes_nothing():
    """So a process that asks again and again does not move the instant away."""
    limits = TargetLimits(1, 60_000)
    state, _ = ask(NEW, "a", limits=limits)
    assert ask(state, "b", limits=limits) == (state, TargetRefused(TargetRefusal.RATE_LIMITED, 60_000))
    assert ask(state, "b", NOW + 50_000, limits)[1] == TargetTurn(10_000)


def test_reserved_instant_is_the_request_s():
    """It comes back for it; if it comes too late, it gets another one."""
    limits = TargetLimits(1, 60_000)
    state, _ = ask(NEW, "a", limits=limits)
    reserved, answer = ask(state, "b", limits=limits, may_reserve=True)
    assert answer.retry_after_ms == 60_000
    other, answer = ask(reserved, "c", limits=limits, may_reserve=True)
    assert answer.retry_after_ms == 120_000
    at = NOW + 60_000
    assert ask(other, "b2", at - 20_000, limits, reserved_at=at)[1].retry_after_ms == 20_000
    assert ask(other, "b2", at + 1_000, limits, reserved_at=at)[1] == TargetTurn(0)
    assert (
        ask(other, "b2", at + LATE_LIMIT_MS + 1, limits, reserved_at=at)[1].retry_after_ms
        == 180_000 - LATE_LIMIT_MS - 60_001
    )


def test_no_instant_is_reserved_further_away_than_a_day():
    """A step cannot wait for it."""
    limits = TargetLimits(1, LONGEST_RESERVATION_MS + 1)
    state, _ = ask(NEW, "a", limits=limits)
    assert ask(state, "b", limits=limits, may_reserve=True)[0] == state


def test_failures_in_a_row_open_the_breaker():
    """A success between them counts them from the start."""
    state = leave(fail(NEW, "a", "b"), BREAKER, "c", NOW, is_ok=True)
    assert (state.failures, state.open_until_at) == (0, None)
    state = fail(state, "d", "e", "f")
    assert (state.failures, state.open_until_at) == (3, NOW + FIRST_PAUSE_MS)
    assert ask(state, "g")[1] == TargetRefused(TargetRefusal.CIRCUIT_OPEN, FIRST_PAUSE_MS, 3)


def test_one_probe_decides():
    """While it runs no other request is sent; without an end it counts no more after its time."""
    opened = fail(NEW, "a", "b", "c")
    at = NOW + FIRST_PAUSE_MS
    trying, turn = ask(opened, "probe", at)
    assert turn == TargetTurn(0, 3)
    assert ask(trying, "other", at)[1] == TargetRefused(TargetRefusal.CIRCUIT_OPEN, 60_000, 3)
    assert ask(trying, "other", at + 60_000)[0].probe == "other"
    closed = leave(trying, BREAKER, "probe", at + 5, is_ok=True)
    assert closed == msgspec.structs.replace(NEW, entered="probe", entered_at=at, changed_at=at + 5)
    again = leave(trying, BREAKER, "probe", at + 5, is_ok=False)
    assert (again.failures, again.open_until_at, again.probe) == (4, at + 5 + 2 * FIRST_PAUSE_MS, None)


def test_pause_doubles_up_to_its_limit():
    """However often the probe fails."""
    state, pauses, now = fail(NEW, "a", "b", "c"), [], NOW
    for number in range(30):
        assert state.open_until_at is not None
        pauses.append(state.open_until_at - now)
        now = state.open_until_at
        state = fail(state, f"probe {number}", now=now)
    assert pauses[:4] == [FIRST_PAUSE_MS, 2 * FIRST_PAUSE_MS, 4 * FIRST_PAUSE_MS, 8 * FIRST_PAUSE_MS]
    assert set(pauses[5:]) == {LONGEST_PAUSE_MS}


def test_target_decides_on_a_longer_pause():
    """By its header Retry-After."""
    assert fail(NEW, "a", "b", "c", retry_after_ms=90_000).open_until_at == NOW + 90_000


def test_target_decides_on_a_pause_of_a_day_at_most():
    """One hostile reply must not stop all automations for a year."""
    assert fail(NEW, "a", "b", "c", retry_after_ms=365 * 86_400_000).open_until_at == NOW + 86_400_000


@pytest.mark.parametrize("is_ok", [True, False])
def test_request_that_entered_before_the_breaker_opened_changes_nothing(is_ok):
    """It shows an earlier state of the target: many failures at once do not make the pause longer."""
    before, _ = ask(NEW, "early")
    opened = fail(before, "a", "b", "c")
    assert leave(opened, BREAKER, "early", NOW + 1, is_ok=is_ok) == opened


def test_command_that_is_sent_again_counts_once():
    """Its first commit may have succeeded without an answer."""
    once = fail(NEW, "a")
    assert leave(once, BREAKER, "a", NOW, is_ok=False) == once
    trying, _ = ask(fail(NEW, "a", "b", "c"), "probe", NOW + FIRST_PAUSE_MS)
    assert ask(trying, "probe", NOW + FIRST_PAUSE_MS) == (trying, TargetTurn(0, 3))
    limits = TargetLimits(1, 5_000)
    waiting, turn = ask(ask(NEW, "a", limits=limits)[0], "b", limits=limits)
    assert turn == TargetTurn(5_000)
    assert ask(waiting, "b", NOW + 1_000, limits) == (waiting, TargetTurn(4_000))
