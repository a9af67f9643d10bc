"""The configured calendars, with the dates of their holidays, which are read here once, for whole years.

From then on they are data: two schedulers with different packages could not agree on the slots.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from functools import cache, partial
from importlib import import_module
from typing import Any

from mainspring.config.settings import CalendarSettings
from mainspring.domain.errors import ConfigError
from mainspring.domain.extras import install_command
from mainspring.domain.time.calendar import Calendar

YEARS_BACK, YEARS_AHEAD = 3, 10
"""Around the year in which an automation is loaded."""


def make_calendars(settings: Mapping[str, CalendarSettings], now_at: int) -> dict[str, Callable[[], Calendar]]:
    """Return a function for each calendar that makes it. The function raises ConfigError if the holidays cannot be read."""
    year = datetime.fromtimestamp(now_at / 1000, UTC).year
    return {name: cache(partial(_make_calendar, name, calendar, year)) for name, calendar in settings.items()}


def _make_calendar(name: str, settings: CalendarSettings, year: int) -> Calendar:
    written = Calendar.parse(
        name,
        weekdays=settings.weekdays,
        holidays=settings.holidays,
        include=settings.include,
        exclude=settings.exclude,
        on_closed=settings.on_closed,
    )
    if not written.holidays:
        return written
    first, last = year - YEARS_BACK, year + YEARS_AHEAD
    return written.with_dates(_holiday_dates(name, written.holidays, range(first, last + 1)), first, last)


def _holiday_dates(name: str, codes: Iterable[str], years: Iterable[int]) -> Iterable[date]:
    """Return the dates of holidays."""
    try:
        holidays: Any = import_module("holidays")
    except ImportError:
        raise ConfigError(
            f"calendar {name!r} needs a package with the dates of holidays, which is not installed",
            hint=install_command("holidays"),
        ) from None
    for code in codes:
        country, _, part = code.partition("-")
        try:
            if country in holidays.list_supported_financial() and not part:
                yield from holidays.financial_holidays(country, years=years)
            else:
                yield from holidays.country_holidays(country, subdiv=part or None, years=years)
        except NotImplementedError as error:
            raise ConfigError(
                f"calendar {name!r}: the holidays of {code!r} are not known: {error}",
                hint='Write a country ("DE"), a part of one ("DE-BY") or an exchange ("XNYS").',
            ) from None
