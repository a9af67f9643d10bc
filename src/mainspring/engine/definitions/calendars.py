"""Calendars by name while automations are loaded. They become part of each definition, so that a scheduler does not need their names.

Invariant: an unknown name never loses its meaning silently. While a project is loaded it is an error; elsewhere (a child
process that imports a step) the schedule stays without days, and is not announced.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from mainspring.domain.errors import UnknownNameError
from mainspring.domain.time.calendar import BUSINESS_DAYS, Calendar

CalendarFactories = Mapping[str, Callable[[], Calendar]]
"""Each calendar is created at its first use: an unused one needs no package."""

_CALENDARS: ContextVar[CalendarFactories | None] = ContextVar("mainspring_calendars", default=None)


@contextmanager
def use_calendars(known: CalendarFactories) -> Iterator[None]:
    """Let definitions that are declared inside use these calendars, and business-days, which always exists."""
    token = _CALENDARS.set({BUSINESS_DAYS: lambda: Calendar(name=BUSINESS_DAYS)} | dict(known))
    try:
        yield
    finally:
        _CALENDARS.reset(token)


def find_calendar(name: str | None) -> Calendar | None:
    """Return the calendar; None without a name, or if no calendars are set and the name is another than business-days.

    Raises:
        UnknownNameError: no calendar has this name; shows the nearest.
        ConfigError: its holidays cannot be read.
    """
    known = _CALENDARS.get()
    if name is None or (known is None and name != BUSINESS_DAYS):
        return None
    if known is None:
        return Calendar(name=BUSINESS_DAYS)
    if name not in known:
        raise UnknownNameError("calendar", name, known)
    return known[name]()
