"""Schedules as pure functions of time: given a spec and an instant, which slot is next.

A slot is an instant in integer milliseconds (UTC). Slots are a fixed set that follows from the spec alone, so the next
one is computed from (spec, last slot) and never chained from when a run happened to start. `cron` follows the wall
clock of its zone (see `cron.py` for what changes of the clocks do); `every` counts elapsed time on a grid that is
anchored at the epoch plus `offset`, whatever the clocks do.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any, Self

import msgspec

from mainspring.domain.cron import Cron, expand_cron, to_local, zone_of
from mainspring.domain.duration import format_duration, parse_duration
from mainspring.domain.errors import OptionError

Span = str | int | float | timedelta
_MILLISECOND = timedelta(milliseconds=1)
_SHORTEST = 1_000


class Schedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Either `cron` (five plain fields, in `tz`) or `every` (milliseconds, shifted by `offset`)."""

    cron: str | None = None
    every: int | None = None
    offset: int = 0
    tz: str = "UTC"
    written: str = ""
    """The cron expression as its author wrote it, where that differs (`@daily`, `H`)."""

    @classmethod
    def parse(
        cls,
        *,
        cron: str | None = None,
        every: Span | None = None,
        tz: str | None = None,
        offset: Span | None = None,
        name: str = "",
    ) -> Self:
        """Return the schedule, checked; `name` spreads `H` fields and is used for nothing else.

        Raises:
            OptionError: neither or both of cron and every, a bad value, or a time that never comes.
            UnknownNameError: no such time zone.
        """
        if (cron is None) == (every is None):
            raise OptionError("a schedule needs either cron or every", hint='cron="0 3 * * *" or every="15m".')
        if every is not None:
            return cls._parse_every(every, tz, offset)
        if offset is not None:
            raise OptionError("offset shifts every, not cron", hint="Write the minute into the expression.")
        plain = expand_cron(cron, name) if cron is not None else ""
        zone = "UTC" if tz is None else tz
        zone_of(zone)
        return cls(cron=plain, tz=zone, written="" if cron is None or cron == plain else " ".join(cron.split()))

    @classmethod
    def _parse_every(cls, every: Span, tz: str | None, offset: Span | None) -> Self:
        """Return the schedule of elapsed time."""
        if tz is not None:
            raise OptionError(
                "every counts elapsed time and has no time zone", hint="Leave tz out, or use cron for wall-clock time."
            )
        period = _milliseconds("every", every)
        shift = 0 if offset is None else _milliseconds("offset", offset)
        if period < _SHORTEST:
            raise OptionError(f"every={every!r} is shorter than one second", hint='The shortest is "1s".')
        if shift >= period:
            raise OptionError(f"offset={offset!r} is not shorter than every={every!r}", hint="Make it shorter.")
        return cls(every=period, offset=shift)

    @property
    def key(self) -> str:
        """Text that is equal for equal schedules only: part of a slot's identity, stable over restarts."""
        return f"every {self.every}+{self.offset}" if self.every is not None else f"cron {self.cron} {self.tz}"

    def next_after(self, at: int) -> int | None:
        """Return the first slot strictly after the instant `at`; None only past the end of the calendar."""
        if self.every is not None:
            return at - (at - self.offset) % self.every + self.every
        return _cron(self.cron or "", self.tz).next_after(at)

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

    def local(self, slot: int) -> Any:
        """Return the slot as an aware datetime in the schedule's zone, for templates and messages."""
        return to_local(slot, zone_of(self.tz))

    def describe(self) -> str:
        """Return the schedule in words: "every 15m", "At 03:00 every day (Europe/Berlin)"."""
        if self.every is not None:
            shift = f", {format_duration(self.offset * _MILLISECOND)} past" if self.offset else ""
            return f"every {format_duration(self.every * _MILLISECOND)}{shift}"
        return f"{_cron(self.cron or '', self.tz).in_words()} ({self.tz})"

    def to_data(self) -> dict[str, Any]:
        """Return plain data that `from_data` turns into an equal schedule."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return the schedule that `to_data` described."""
        return msgspec.convert(data, cls)


@lru_cache(maxsize=1024)
def _cron(plain: str, tz: str) -> Cron:
    """Return the calendar of an expression that `parse` has checked."""
    return Cron(plain, zone_of(tz))


def _milliseconds(name: str, value: Span) -> int:
    """Return a span in whole milliseconds."""
    span = parse_duration(value)
    if span % _MILLISECOND:
        raise OptionError(f"{name}={value!r} is finer than a millisecond", hint="Use whole milliseconds.")
    return span // _MILLISECOND
