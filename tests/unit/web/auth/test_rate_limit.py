"""How often someone may ask: a burst, then so many a second; what is remembered is bounded."""

from hypothesis import given
from hypothesis import strategies as st

from mainspring.web.auth.rate_limit import RateLimiter


def test_limiter_allows_a_burst_and_then_the_rate():
    """Who waits gets more, never more than the burst; others are not touched."""
    limiter = RateLimiter(rate=2, burst=3)
    assert [limiter.acquire("a", 0) for _ in range(4)] == [True, True, True, False]
    assert limiter.acquire("b", 0)
    assert [limiter.acquire("a", 500), limiter.acquire("a", 500)] == [True, False]
    assert [limiter.acquire("a", 90_000) for _ in range(4)] == [True, True, True, False]


@given(st.lists(st.integers(-2_000, 5_000), max_size=60))
def test_limiter_never_allows_more_than_rate_and_burst(gaps):
    """Whatever the times are, also where the clock is set back."""
    limiter, now, passed, allowed = RateLimiter(rate=2, burst=3), 0, 0, 0
    for gap in gaps:
        now += gap
        passed += max(0, gap)
        allowed += limiter.acquire("a", now)
    assert allowed <= 3 + 2 * passed / 1_000


def test_limiter_forgets_the_oldest_addresses():
    """A flood of addresses takes no more memory than so much."""
    limiter = RateLimiter(rate=1, burst=1, most=3)
    for number in range(10):
        limiter.acquire(f"a{number}", number)
    assert len(limiter) == 3
