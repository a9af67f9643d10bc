"""Schedules as pure functions of time: given a spec and an instant, which slot is next.

A slot is an instant in integer milliseconds (UTC). Slots are a fixed set that follows from the spec alone, so the next
one is computed from (spec, last slot) and never chained from when a run happened to start. `cron` follows the wall
clock of its zone (see `cron.py` for changes of the clocks); `every` counts elapsed time on a grid that is
anchored at the epoch plus `offset`, whatever the clocks do; `at` is one slot. A calendar closes days (see `calendar.py`).
A schedule that was changed while slots were due has its `earlier` form: slots up to the change are those of that form.
"""

import hashlib
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Self

import msgspec

from mainspring.domain.duration import MILLISECOND, SpanInput, format_duration, read_milliseconds
from mainspring.domain.errors import OptionError
from mainspring.domain.time.calendar import Calendar
from mainspring.domain.time.cron import Cron, expand_cron, find_zone, instant_of, to_local

_SHORTEST = 1_000
_LONG_AGO = 946_684_800_000
"""The year 2000: from here on a schedule with a calendar must have a slot."""


class Schedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of `cron` (plain fields, in `tz`), `every` (milliseconds, shifted by `offset`), `at` (wall-clock time of `tz`, or an instant)."""

    cron: str | None = None
    every: int | None = None
    offset: int = 0
    at: str | None = None
    tz: str = "UTC"
    written: str = ""
    """The cron expression as its author wrote it, if that differs (`@daily`, `H`)."""
    calendar: Calendar | None = None
    earlier: "Schedule | None" = None
    """The form before the last change, if it had slots that were due then: up to `from_at` (ms UTC) its slots count."""
    from_at: int = 0

    @classmethod
    def parse(
        cls,
        *,
        cron: str | None = None,
        every: SpanInput | None = None,
        at: str | None = None,
        tz: str | None = None,
        offset: SpanInput | None = None,
        name: str = "",
    ) -> Self:
        """Return the schedule, checked; `name` spreads `H` fields and is used for nothing else.

        Raises:
            OptionError: not one of cron, every and at, a bad value, or a time that never comes.
            UnknownNameError: no such time zone.
        """
        if [cron, every, at].count(None) != 2:
            raise OptionError(
                "a schedule needs one of cron, every and at",
                hint='Write cron="0 3 * * *", every="15m" or at="2026-12-24T18:00".',
            )
        if every is not None:
            return cls._parse_every(every, tz, offset)
        if offset is not None:
            raise OptionError("offset shifts every alone", hint="Write the minute into cron or at.")
        zone = "UTC" if tz is None else tz
        find_zone(zone)
        if at is not None:
            return cls(at=read_moment(at), tz=zone)
        plain = expand_cron(cron, name) if cron is not None else ""
        return cls(cron=plain, tz=zone, written="" if cron is None or cron == plain else " ".join(cron.split()))

    def with_calendar(self, calendar: Calendar | None, tz: str | None = None) -> Self:
        """Return the schedule with a calendar, whose days are those of its zone; `tz` gives elapsed time one.

        Raises:
            OptionError: it has no slot on any open day.
        """
        if calendar is None:
            return self
        restricted = msgspec.structs.replace(
            self, calendar=calendar, tz=tz if self.every is not None and tz else self.tz
        )
        first = _LONG_AGO if self.at is None else _instant(self.at, self.tz) - 1
        if restricted.next_after(first) is None:
            raise OptionError(
                f"{self.describe()} never happens: calendar {calendar.name!r} has no such open day",
                hint='Change the schedule, or set on_closed = "next" in the calendar.',
            )
        return restricted

    def replacing(self, earlier: "Schedule", due_at: int, from_at: int) -> Self:
        """Return this schedule as the successor of another one, whose slots from `due_at` to `from_at` are still to be made."""
        if earlier.earlier is not None and earlier.from_at < due_at:
            earlier = msgspec.structs.replace(earlier, earlier=None, from_at=0)
        return msgspec.structs.replace(self, earlier=earlier, from_at=from_at)

    @property
    def depth(self) -> int:
        """How many earlier forms still have slots to be made."""
        return 0 if self.earlier is None else 1 + self.earlier.depth

    @classmethod
    def _parse_every(cls, every: SpanInput, tz: str | None, offset: SpanInput | None) -> Self:
        """Return the schedule of elapsed time."""
        if tz is not None:
            raise OptionError(
                "every counts elapsed time and has no time zone", hint="Leave tz out, or use cron for wall-clock time."
            )
        period = read_milliseconds("every", every)
        shift = 0 if offset is None else read_milliseconds("offset", offset)
        if period < _SHORTEST:
            raise OptionError(f"every={every!r} is shorter than one second", hint='The shortest is "1s".')
        if shift >= period:
            raise OptionError(f"offset={offset!r} is not shorter than every={every!r}", hint="Make it shorter.")
        return cls(every=period, offset=shift)

    @property
    def key(self) -> str:
        """Text that is equal for equal schedules only, stable over restarts. It does not depend on the known years of a calendar."""
        days = f" {self.calendar.key}" if self.calendar is not None else ""
        if self.every is not None:
            return f"every {self.every}+{self.offset}{f' {self.tz}' if days else ''}{days}"
        return f"at {self.at} {self.tz}{days}" if self.at is not None else f"cron {self.cron} {self.tz}{days}"

    def next_after(self, at: int) -> int | None:
        """Return the first slot strictly after the instant `at`; None if none follows."""
        if self.earlier is not None and at < self.from_at:
            slot = self.earlier.next_after(at)
            if slot is not None and slot <= self.from_at:
                return slot
            at = self.from_at
        if self.calendar is None:
            return self.bare_next_after(at)
        return self.calendar.next_after(at, self.bare_next_after, find_zone(self.tz), moves=self.has_time_of_day)

    def bare_next_after(self, at: int) -> int | None:
        """Return the first slot strictly after `at` if no day were closed."""
        if self.every is not None:
            return at - (at - self.offset) % self.every + self.every
        if self.at is not None:
            only = _instant(self.at, self.tz)
            return only if only > at else None
        return _cron(self.cron or "", self.tz).next_after(at)

    @property
    def has_time_of_day(self) -> bool:
        """Whether its slots are times of the day; else it counts elapsed time."""
        return self.every is None and (self.at is not None or not _cron(self.cron or "", self.tz).counts_elapsed)

    def slots_after(self, at: int) -> Iterator[int]:
        """Yield all slots strictly after `at`, oldest first."""
        slot = self.next_after(at)
        while slot is not None:
            yield slot
            slot = self.next_after(slot)

    def slots_between(self, after: int, until: int, limit: int = 1000) -> list[int]:
        """Return the slots with after < slot <= until, oldest first, at most `limit`."""
        slots: list[int] = []
        for slot in self.slots_after(after):
            if slot > until or len(slots) >= limit:
                break
            slots.append(slot)
        return slots

    def newest_between(self, after: int, until: int, count: int) -> list[int]:
        """Return the newest `count` slots with after < slot <= until, oldest first, without walking through all of them."""
        span = _SHORTEST * 60
        while True:
            start = max(after, until - span)
            slots = self.slots_between(start, until, limit=sys.maxsize)
            if start == after or len(slots) >= count:
                return slots[-count:] if count else []
            span *= 2

    def local(self, slot: int) -> datetime:
        """Return the slot as an aware datetime in the schedule's zone, for templates and messages."""
        return to_local(slot, find_zone(self.tz))

    def describe(self) -> str:
        """Return the schedule in words: "every 15m", "every day at 03:00 (Europe/Berlin)"."""
        days = "" if self.calendar is None else f", on days of {self.calendar.name}"
        if self.every is not None:
            shift = f", {format_duration(self.offset * MILLISECOND)} past" if self.offset else ""
            return f"every {format_duration(self.every * MILLISECOND)}{shift}{days}"
        if self.at is not None:
            return f"once at {self.at.replace('T', ' ')} ({self.tz}){days}"
        return f"{_cron(self.cron or '', self.tz).in_words()} ({self.tz}){days}"

    def to_data(self) -> dict[str, Any]:
        """Return plain data that `from_data` turns into an equal schedule."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return the schedule that `to_data` described."""
        return msgspec.convert(data, cls)


def compute_jitter(schedule: str, slot_at: int, span: timedelta | None) -> int:
    """Return by how many milliseconds the run of a slot is delayed: the same in each process, from 0 to less than `span`."""
    width = 0 if span is None else span // MILLISECOND
    if not width:
        return 0
    return int.from_bytes(hashlib.sha256(f"{schedule}\0{slot_at}".encode()).digest()[:8]) % width


def read_moment(value: Any) -> str:
    """Return the canonical form of a date and time of day, with or without an offset: "2026-12-24T18:00". Raises OptionError."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.microsecond or "T" not in _text(value) or not 1970 <= moment.year < 9_000:
        raise OptionError(f"{value!r} is not a date and time", hint='Write at="2026-12-24T18:00".')
    return moment.isoformat().removesuffix(":00") if moment.tzinfo is None else moment.isoformat()


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value).upper().replace(" ", "T")


@lru_cache(maxsize=1024)
def _instant(at: str, tz: str) -> int:
    """Return the instant of a checked date and time."""
    moment = datetime.fromisoformat(at)
    if moment.tzinfo is not None:
        return round(moment.astimezone(UTC).timestamp()) * 1_000
    return instant_of(moment, find_zone(tz))


@lru_cache(maxsize=1024)
def _cron(plain: str, tz: str) -> Cron:
    """Return the calendar of an expression that `parse` has checked."""
    return Cron(plain, find_zone(tz))
