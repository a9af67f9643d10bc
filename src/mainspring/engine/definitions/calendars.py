"""Calendars by name while automations are loaded. They become part of each definition, so that whoever schedules needs no name of one.

Invariant: a name that is not known here never loses its meaning in silence. While a project is loaded it is an error; elsewhere (a child
process that imports a step) the schedule stays without days, and is not announced.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from mainspring.domain.errors import UnknownNameError
from mainspring.domain.time.calendar import BUSINESS_DAYS, Calendar

CalendarFactories = Mapping[str, Callable[[], Calendar]]
"""Each calendar is made when it is first asked for: one that nobody uses needs no package."""

_CALENDARS: ContextVar[CalendarFactories | None] = ContextVar("mainspring_calendars", default=None)


@contextmanager
def use_calendars(known: CalendarFactories) -> Iterator[None]:
    """Let definitions that are declared inside name these, beside the one that is always there."""
    token = _CALENDARS.set({BUSINESS_DAYS: lambda: Calendar(name=BUSINESS_DAYS)} | dict(known))
    try:
        yield
    finally:
        _CALENDARS.reset(token)


def find_calendar(name: str | None) -> Calendar | None:
    """Return the calendar; None where no name is given, or where nobody said which there are.

    Raises:
        UnknownNameError: none has this name; shows the nearest.
        ConfigError: its holidays cannot be looked up.
    """
    known = _CALENDARS.get()
    if name is None or (known is None and name != BUSINESS_DAYS):
        return None
    if known is None:
        return Calendar(name=BUSINESS_DAYS)
    if name not in known:
        raise UnknownNameError("calendar", name, known)
    return known[name]()
