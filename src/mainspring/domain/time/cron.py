"""Cron expressions as sets of instants.

cronsim walks the calendar in plain wall-clock time; this module decides how a change of the clocks affects it, so that
the slots are one fixed set of instants and the next one never depends on how it is requested:

* A change forward (gap). A wall-clock time that does not exist fires once, at the first minute after the gap.
  It is left out only if the hour field starts with `*`: such a schedule counts elapsed time and fires again anyway.
* A change back (fold). If minute or hour starts with `*`, both passes count, because the schedule counts elapsed
  time. A fixed time fires once, in the first pass.

This is Debian cron's rule, with one fix: Debian skips `*/15 2 * * *` on the day without 02:00-02:59. Six fields begin with the
seconds; the rule still uses minute and hour.
Invariant: `next_after(at) > at`, and it is the smallest such slot.
"""

import copy
import hashlib
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from mainspring.domain.duration import MILLISECOND
from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.time.cron_description import describe_cron

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_FIXED_START = datetime(2000, 1, 1)  # noqa: DTZ001 - wall-clock time has no zone
_LONGEST = 200

_FIELD_RANGES = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day-of-month": "1 to 31 or L",
    "month": "1 to 12 or JAN to DEC",
    "day-of-week": "0 to 7 or SUN to SAT",
}
"""The values of each of the last five fields, by its name in cronsim's errors."""

_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS = ("minute", "hour", "day-of-month", "month", "day-of-week", "second")
# Days stop at 28, so that a hashed day exists in each month. The seconds come last, so that five fields are spread as before.
_HASHED_RANGES = ((0, 59), (0, 23), (1, 28), (1, 12), (0, 6), (0, 59))
_HASHED = lazy_pattern(r"H(?:\(([0-9]{1,2})-([0-9]{1,2})\))?(?:/([0-9]{1,2}))?", re.ASCII | re.IGNORECASE)


def expand_cron(expr: str, name: str = "") -> str:
    """Return `expr` as plain fields: nicknames replaced, `H` fields spread by a hash of `name`; five, or six with seconds in front.

    Raises:
        OptionError: another number of fields, a bad field, or a time that never comes.
    """
    if not isinstance(expr, str) or not expr.strip() or len(expr) > _LONGEST:
        raise _cron_error(
            expr, "is not a cron expression", 'Write five fields, such as "0 3 * * *" for 03:00 each day.'
        )
    text = " ".join(expr.split())
    if text.startswith("@"):
        if text.lower() not in _NICKNAMES:
            raise _cron_error(expr, "is not a known name", f"Known: {', '.join(_NICKNAMES)}.")
        return _NICKNAMES[text.lower()]
    fields = text.split(" ")
    if len(fields) not in (5, 6):
        raise _cron_error(
            expr,
            f"has {len(fields)} fields instead of five or six",
            "Write minute, hour, day of month, month, day of week; with six fields the first is the second.",
        )
    order = range(5) if len(fields) == 5 else (5, *range(5))
    plain = " ".join(_resolve_hash(field, number, name, expr) for number, field in zip(order, fields, strict=True))
    _make_iterator(plain, expr)
    return plain.removeprefix("0 ") if len(fields) == 6 else plain


def find_zone(tz: str) -> ZoneInfo:
    """Return the IANA zone called `tz`.

    Raises:
        UnknownNameError: no zone has this name; shows the nearest.
    """
    try:
        return ZoneInfo(tz)
    except (KeyError, ValueError, OSError, TypeError):
        raise UnknownNameError("time zone", str(tz), available_timezones()) from None


def to_local(at: int, zone: ZoneInfo) -> datetime:
    """Return the aware wall-clock time of an instant in milliseconds."""
    return (_EPOCH + timedelta(milliseconds=at)).astimezone(zone)


@lru_cache(maxsize=1_024)  # a page of automations describes fifty of them, each time it moves
def _normalize(expr: str) -> str:
    return describe_cron(expr) or str(_make_iterator(expr, expr).explain())


class Cron:
    """One plain expression of five or six fields in one zone."""

    def __init__(self, expr: str, zone: ZoneInfo) -> None:
        minute, hour = expr.split(" ")[-5:-3]
        self._expr = expr
        self._walker = _make_iterator(expr, expr)
        self._zone = zone
        self._skips_gaps = hour.startswith("*")
        self.counts_elapsed = self._skips_gaps or minute.startswith("*")
        """Whether it counts elapsed time whatever the clocks do, rather than fixed times of the day."""

    @lru_cache(maxsize=4_096)  # noqa: B019 - of few expressions, and a page walks from slot to slot each time it moves
    def next_after(self, at: int) -> int | None:
        """Return the first slot after the instant `at`, None if the calendar ends before it."""
        try:
            local = to_local(at, self._zone).replace(microsecond=0)
            wall = local.replace(tzinfo=None, fold=0)
            return self._search(at, wall - self._second_pass(local))
        except OverflowError:
            return None

    def in_words(self) -> str:
        """Return it in words, such as "every day at 03:00"; an unusual one as cronsim describes it."""
        return _normalize(self._expr)

    def _second_pass(self, local: datetime) -> timedelta:
        """Return how far the wall clock will be set back at the end of the first pass that `local` is in."""
        if not self.counts_elapsed or local.fold:
            return timedelta(0)
        before, after = local.utcoffset(), local.replace(fold=1).utcoffset()
        assert before is not None and after is not None
        return max(before - after, timedelta(0))

    def _search(self, at: int, start: datetime) -> int | None:
        """Walk matching wall-clock times after `start`; the earliest instant after `at` wins.

        A time's first pass never comes before that of an earlier time, so the walk ends at the first one after `at`.
        """
        walker = copy.copy(self._walker)
        walker.dt = start
        best: int | None = None
        for wall in walker:
            first, second = self._instants(wall)
            if second is not None and second > at and (best is None or second < best):
                best = second
            if first is not None and first > at:
                return first if best is None or first < best else best
        return best

    def _instants(self, wall: datetime) -> tuple[int | None, int | None]:
        """Return the slots of one wall-clock time: in the first pass, and in a second one if it counts."""
        first = wall.replace(tzinfo=self._zone, fold=0)
        if _is_imaginary(first):
            return (None, None) if self._skips_gaps else (instant_of(wall, self._zone), None)
        second = first.replace(fold=1)
        if not self.counts_elapsed or second.utcoffset() == first.utcoffset():
            return _to_ms(first), None
        return _to_ms(first), _to_ms(second)


def _make_iterator(plain: str, written: str) -> CronSim:
    """Return cronsim's walker, or raise the error of the expression as written."""
    try:
        walker = CronSim(plain, _FIXED_START)
        next(copy.copy(walker))
    except StopIteration:
        raise _cron_error(
            written, "never fires", "No date in the next fifty years matches day, month and weekday."
        ) from None
    except CronSimError as error:
        raise _field_error(plain, written, str(error)) from None
    except (AssertionError, TypeError, ValueError):
        # Mixed forms such as "L,MON#2/3" raise other errors in cronsim's parser.
        raise _cron_error(written, "is not a cron expression", "Write one simple form per field.") from None
    return walker


def _field_error(plain: str, written: str, problem: str) -> OptionError:
    """Return the error of a date that never comes, or else of a field that cannot be read."""
    *times, day, month, weekday = plain.split(" ")
    if "day-of-month" in problem:
        try:
            CronSim(" ".join([*times, day, "*", weekday]), _FIXED_START)
            return _cron_error(written, "never fires", f"Month {month} has no such day. Use L for its last day.")
        except CronSimError:
            pass
    problem = problem.lower()
    name = problem.removeprefix("bad ")
    if name in _FIELD_RANGES:
        field = plain.split(" ")[[*_FIELD_RANGES].index(name) - len(_FIELD_RANGES)]
        problem += f" {field!r}, expected {_FIELD_RANGES[name]}"
    return _cron_error(written, f"is not a cron expression: {problem}", 'Example: "0 3 * * MON-FRI".')


def _resolve_hash(field: str, number: int, name: str, written: str) -> str:
    """Replace a field of the form `H`, `H/15`, `H(0-7)` by plain numbers that depend on the name only."""
    match = _HASHED.fullmatch(field)
    if match is None:
        return field
    if not name:
        raise _cron_error(written, "has an H field but there is no name to spread by", "Write plain numbers.")
    low, high = _HASHED_RANGES[number]
    if match[1] is not None:
        inner_low, inner_high = int(match[1]), int(match[2])
        if not low <= inner_low <= inner_high <= high:
            raise _cron_error(written, f"has a bad range in {_FIELDS[number]}", f"It must lie in {low}-{high}.")
        low, high = inner_low, inner_high
    step = int(match[3]) if match[3] is not None else None
    if step is not None and not 1 <= step <= high - low + 1:
        raise _cron_error(written, f"has a bad step in {_FIELDS[number]}", f"It must lie in 1-{high - low + 1}.")
    spread = int.from_bytes(hashlib.sha256(f"{name}\0{number}".encode()).digest()[:8])
    start = low + spread % (step or high - low + 1)
    return f"{start}-{high}/{step}" if step is not None else str(start)


def _is_imaginary(local: datetime) -> bool:
    """Whether the clocks jumped over this wall-clock time."""
    round_trip = local.astimezone(UTC).astimezone(local.tzinfo)
    return round_trip.replace(tzinfo=None, fold=0) != local.replace(tzinfo=None, fold=0)


def instant_of(wall: datetime, zone: ZoneInfo) -> int:
    """Return the instant (ms) of a wall-clock time: in its first pass; of one that does not exist, the first whole minute after the gap."""
    local = wall.replace(tzinfo=zone, fold=0)
    if _is_imaginary(local):
        local = local.replace(second=0)
    while _is_imaginary(local):
        local += _MINUTE
    return _to_ms(local)


def _to_ms(local: datetime) -> int:
    """Return the instant of an aware time in milliseconds."""
    return (local.astimezone(UTC) - _EPOCH) // MILLISECOND


def _cron_error(expr: object, problem: str, hint: str) -> OptionError:
    """Return the error that names the expression as it was written."""
    return OptionError(f"cron {str(expr)[:_LONGEST]!r} {problem}", hint=hint)
