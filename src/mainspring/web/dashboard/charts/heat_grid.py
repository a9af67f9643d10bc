"""A heat grid: failures by the hour of the day and the day of the week, on the clock of the automation; the darker the more."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from mainspring.domain.time.cron import find_zone, to_local

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
CELL: Final = 18
_GAP = 2
_LEFT, _TOP = 34, 16
LEVELS: Final = 4


class HourCount(Protocol):
    """What was counted in one hour (UTC)."""

    @property
    def hour_at(self) -> int: ...
    @property
    def succeeded(self) -> int: ...
    @property
    def failed(self) -> int: ...


class HeatSquare(NamedTuple):
    """One hour of the week; `level` 0 = nothing ended then, 1 = all well, 2 and more = failures, the darker the more."""

    x: int
    y: int
    size: int
    level: int
    said: str


class HeatGrid(NamedTuple):
    """`worst` = the hours with most failures, in words."""

    width: int
    height: int
    squares: list[HeatSquare]
    days: list[tuple[int, str]]
    hours: list[tuple[int, str]]
    failed: int
    worst: str


def draw_heat_grid(hours: Iterable[HourCount], zone: str) -> HeatGrid:
    """Draw hours. Where the clock of a zone stands between two of them, an hour counts where it begins."""
    counted: dict[tuple[int, int], list[int]] = {}
    tz = find_zone(zone)
    for one in hours:
        local = to_local(one.hour_at, tz)
        sums = counted.setdefault((local.weekday(), local.hour), [0, 0])
        sums[0] += one.succeeded
        sums[1] += one.failed
    most = max((failed for _, failed in counted.values()), default=0)
    step = CELL + _GAP
    squares = [
        _draw_square((_LEFT + hour * step, _TOP + day * step), (day, hour), counted.get((day, hour), (0, 0)), most)
        for day in range(7)
        for hour in range(24)
    ]
    return HeatGrid(
        width=_LEFT + 24 * step - _GAP,
        height=_TOP + 7 * step - _GAP,
        squares=squares,
        days=[(_TOP + day * step + CELL - 5, name) for day, name in enumerate(DAYS)],
        hours=[(_LEFT + hour * step, f"{hour:02}") for hour in range(0, 24, 3)],
        failed=sum(failed for _, failed in counted.values()),
        worst=_describe_worst(counted),
    )


def _draw_square(corner: tuple[int, int], place: tuple[int, int], counted: Sequence[int], most: int) -> HeatSquare:
    (day, hour), (succeeded, failed) = place, counted
    ended = succeeded + failed
    level = 0 if not ended else 1 if not failed else 1 + max(-(-failed * LEVELS // most), 1)
    said = f"{DAYS[day]} {hour:02}:00: {f'{failed:,} of {ended:,} failed' if ended else 'nothing ended'}"
    return HeatSquare(*corner, CELL, level, said)


def _describe_worst(counted: dict[tuple[int, int], list[int]]) -> str:
    failed = sorted(((sums[1], place) for place, sums in counted.items() if sums[1]), key=lambda one: (-one[0], one[1]))
    named = [f"{DAYS[day]} {hour:02}:00 ({number:,})" for number, (day, hour) in failed[:3]]
    return ", ".join(named)
