"""How far back a list looks: a word of its filter, so that the link to it means the same tomorrow."""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal, get_args

from mainspring.domain.clock import Clock
from mainspring.domain.duration import parse_duration

Within = Literal["1h", "24h", "7d", "30d"]
WITHIN: Final[tuple[str, ...]] = get_args(Within)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def since_of(within: Within | None, clock: Clock) -> datetime | None:
    """Return from when on a list looks; None = from the beginning."""
    if within is None:
        return None
    return _EPOCH + timedelta(milliseconds=clock.now()) - parse_duration(within)
