"""Pauses grow, stay bounded, and differ by chance."""

from mainspring.domain.failures.backoff import backoff_seconds


def test_pauses_grow_to_a_bound_and_never_vanish():
    """The longest is half a minute, the shortest a quarter of its step, after any number of failures."""
    longest = [backoff_seconds(n, 1.0) for n in range(100)]
    shortest = [backoff_seconds(n, 0.0) for n in range(100)]
    assert longest == sorted(longest)
    assert longest[0] == 0.1
    assert longest[-1] == 30.0
    assert all(low == high / 4 for low, high in zip(shortest, longest, strict=True))
