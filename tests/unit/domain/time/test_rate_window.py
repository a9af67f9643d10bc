"""Rate windows: what they let through in any span, what they keep, and when they say that there is room again."""

from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.time.rate_window import RateWindow

RATES = st.tuples(st.integers(1, 300), st.integers(1, 100_000))
WAITS = st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 400)), max_size=60)


@given(RATES, WAITS)
def test_no_span_has_more_starts_than_the_count(rate, waits):
    """Anyone who asks for as much as there is, whenever, never gets more than the count in any span, also after a text was read again."""
    window, now, starts = RateWindow(*rate), 0, []
    for wait, expected in waits:
        now += wait
        granted = min(expected, window.free(now))
        starts += [now] * granted
        window = RateWindow.of(*rate, window.spend(granted, now).write())
        assert sum(now - at < window.per_ms for at in starts) <= window.count
        assert len(window.parts) <= 52


@given(RATES, WAITS)
def test_capacity_is_free_at_the_announced_time(rate, waits):
    """The instant named is the first that lets one more through."""
    window, now = RateWindow(*rate), 0
    for wait, expected in waits:
        now += wait
        window = window.spend(min(expected, window.free(now)), now)
        at = window.next_at(now)
        assert at >= now
        assert window.free(at) >= 1
        assert at == now or window.free(at - 1) == 0


@given(st.integers(1, 5_000), st.integers(1, 100_000))
def test_full_use_loses_at_most_a_fiftieth(count, per_ms):
    """A rate that is used up at once is free again after a span and a fiftieth of it; up to fifty starts, after a span."""
    window = RateWindow(count, per_ms).spend(count, 1_000_000)
    late = 0 if count <= 50 else per_ms // 50
    assert window.free(1_000_000 + per_ms - 1) == 0
    assert window.free(1_000_000 + per_ms + late) == count


@given(RATES, st.lists(st.integers(0, 3_000), max_size=120))
def test_reserved_starts_keep_their_order_and_the_rate(rate, waits):
    """No span has more of them than the count, also after a text was read again; none waits while nine tenths of the rate are free."""
    window, now, starts = RateWindow(*rate), 0, []
    for wait in waits:
        now += wait
        at, window = window.reserve(now)
        window = RateWindow.of(*rate, window.write())
        assert at >= max(now, *starts, 0)
        assert sum(at - earlier < window.per_ms for earlier in starts) < window.count
        assert at == now or sum(now - earlier < window.per_ms for earlier in starts) >= window.count * 0.9
        assert len(window.parts) <= 52
        starts.append(at)


def test_another_rate_continues_from_what_was_used():
    """A changed rate counts the starts of its own span from then on."""
    used = RateWindow(10, 1_000).spend(4, 500)
    assert RateWindow.of(5, 1_000, used.write()).free(600) == 1
    assert RateWindow.of(2, 1_000, used.write()).free(600) == 0
    assert RateWindow.of(2, 1_000, used.write()).next_at(600) == 1_500
    assert RateWindow.of(5, 50, used.write()).free(600) == 5


def test_clock_that_went_back_forgets_nothing():
    """What was started in a moment that is to come counts."""
    window = RateWindow(3, 1_000).spend(2, 5_000).spend(1, 4_000)
    assert window.free(4_000) == 0
    assert window.next_at(4_000) == 6_000
