"""Instants typed by people: a span from now, or a date and time."""

from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

from mainspring.domain.duration import parse_duration, to_milliseconds
from mainspring.domain.errors import OptionError

HINT = "Write a span such as 2h or 3d, or a time such as 2026-01-05T03:00."


def parse_instant(text: str, now: int, zone: str, *, back: bool) -> int:
    """Return the instant of a span from now (`back` = before it) or of a date and time, which is local to `zone` if it names none.

    Raises:
        OptionError: it is neither.
    """
    with suppress(ValueError, OverflowError):
        found = datetime.fromisoformat(text)
        local = found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))
        return round(local.timestamp() * 1000)
    try:
        ms = to_milliseconds(parse_duration(text))
    except OptionError as error:
        raise OptionError(error.message, hint=HINT) from None
    return now - ms if back else now + ms
