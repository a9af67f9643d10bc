"""Backoff: how long to wait for a service that is unavailable."""

from typing import Final

from mainspring.domain.clock import Clock

_FIRST_S = 0.1
_LONGEST_S = 30.0

MAX_CHANNEL_BACKOFF_MS: Final = 3_600_000
"""The longest pause of a channel, whatever it asks for: a longer one was set by a clock that was ahead."""


def backoff_seconds(failures: int, share: float) -> float:
    """Return the seconds to wait after this many failures: doubled each time up to half a minute, with jitter over a floor.

    `share` = a random number from 0 to 1, see share_of.
    """
    most = min(_FIRST_S * float(2 ** min(failures, 16)), _LONGEST_S)
    return most / 4 + share * most * 3 / 4


def draw_share(clock: Clock) -> float:
    """Return a random number from 0 to 1, so that clients of one lost server do not return together."""
    return clock.random_bits(32) / 2**32
