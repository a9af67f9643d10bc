"""Guessing gets slower, whatever is guessed, and what is remembered of it is bounded."""

import pytest

from mainspring.service.access.sign_in_throttle import (
    FORGET_AFTER_MS,
    FREE_GUESSES,
    LONGEST_MS,
    SignInThrottle,
    address_group,
)


def test_waits_double_from_the_fifth_guess_on():
    """One second, two, four, and never more than five minutes; who has waited may guess once."""
    waits, now, found = SignInThrottle(), 0, []
    for _ in range(FREE_GUESSES + 12):
        assert waits.wait_ms("ana", now) == 0
        waits.guess("ana", now)
        found.append(waits.wait_ms("ana", now))
        now += found[-1]
    assert found[: FREE_GUESSES + 3] == [0, 0, 0, 0, 1_000, 2_000, 4_000, 8_000]
    assert found[-1] == LONGEST_MS
    assert waits.wait_ms("bob", now) == 0


def test_waits_end_with_success_or_with_time():
    """The right password restarts; of an address only that one guess is undone."""
    waits = SignInThrottle()
    for _ in range(FREE_GUESSES):
        waits.guess("ana", 0)
    waits.undo_guess("ana")
    assert waits.wait_ms("ana", 0) == 0
    waits.guess("ana", 0)
    assert waits.wait_ms("ana", 0) == 1_000
    waits.guess("ana", FORGET_AFTER_MS)
    assert waits.wait_ms("ana", FORGET_AFTER_MS) == 0
    waits.forget("ana")
    waits.undo_guess("ana")
    assert len(waits) == 0


def test_waits_remember_a_bounded_number():
    """A flood of names makes it forget those that were guessed at longest ago."""
    waits = SignInThrottle(most=3)
    for number in range(10):
        waits.guess(f"n{number}", number)
    assert len(waits) == 3


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("fe80::1%eth0", "fe80::2", True),
        ("<script>", "", True),
    ],
)
def test_addresses_of_one_customer_are_one(first, second, same):
    """No one has 2**64 tries because the network is large."""
    assert (address_group(first) == address_group(second)) is same
