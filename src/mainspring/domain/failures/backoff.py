"""How long to wait for something that is away."""

from typing import Final

from mainspring.domain.clock import Clock

_FIRST_S = 0.1
_LONGEST_S = 30.0

MAX_CHANNEL_BACKOFF_MS: Final = 3_600_000
"""So long a channel is left alone, whatever it asks for: one that is put off for longer was so by a clock that was ahead."""


def backoff_seconds(failures: int, share: float) -> float:
    """Return the seconds to wait after so many failures: doubled each time up to half a minute, with jitter over a floor.

    `share` = a random number from 0 to 1, see share_of.
    """
    most = min(_FIRST_S * float(2 ** min(failures, 16)), _LONGEST_S)
    return most / 4 + share * most * 3 / 4


def draw_share(clock: Clock) -> float:
    """Return a random number from 0 to 1, so that those who lost the same server do not come back together."""
    return clock.random_bits(32) / 2**32
