"""Queries: questions to the code of a run about its state. Their bounds, and the error of one without an answer."""

from datetime import timedelta
from typing import Any, Final

from mainspring.domain.duration import parse_duration
from mainspring.domain.errors import BusyError, OptionError

DEFAULT_WITHIN: Final = "10s"
"""How long a caller waits for an answer by default."""
_MOST: Final = timedelta(minutes=5)


def read_within(within: Any) -> timedelta:
    """Return how long a caller waits. Raises OptionError: it is no duration, or longer than 5 minutes."""
    span = parse_duration(within)
    if not span:
        raise OptionError(f"within={within!r}: a query needs some time to be answered")
    if span > _MOST:
        raise OptionError(f"within={within!r}: a query waits at most 5 minutes")
    return span


def make_unanswered_error(name: str, run_id: str, within: timedelta) -> BusyError:
    """Return the error for a query that no worker answered in time."""
    return BusyError(
        timedelta(seconds=1),
        f"query {name!r} of run {run_id}: no worker answered within {within.total_seconds():g} s. The function of the query takes "
        "longer, or its worker is busy or has ended",
        hint="Ask again. Or give it more time: within=. `mainspring workers list` shows whether an event loop is blocked.",
    )
