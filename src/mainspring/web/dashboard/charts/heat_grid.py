"""A heat grid: failures by hour of the day and day of the week, in the zone of the automation; more failures are darker."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from mainspring.domain.time.cron import find_zone, to_local

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
CELL: Final = 18
_GAP = 2
_LEFT, _TOP = 34, 16
LEVELS: Final = 4


class HourCount(Protocol):
    """The counts of one hour (UTC)."""

    @property
    def hour_at(self) -> int: ...
    @property
    def succeeded(self) -> int: ...
    @property
    def failed(self) -> int: ...


class HeatSquare(NamedTuple):
    """One hour of the week; `level` 0 = no run ended, 1 = all succeeded, 2 and more = failures, darker for more."""

    x: int
    y: int
    size: int
    level: int
    description: str


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
    """Draw hours. If the clock of a zone is between two full hours, an hour counts where it begins."""
    counted: dict[tuple[int, int], list[int]] = {}
    tz = find_zone(zone)
    for hour_count in hours:
        local = to_local(hour_count.hour_at, tz)
        sums = counted.setdefault((local.weekday(), local.hour), [0, 0])
        sums[0] += hour_count.succeeded
        sums[1] += hour_count.failed
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


def _draw_square(
    corner: tuple[int, int], weekday_hour: tuple[int, int], counted: Sequence[int], most: int
) -> HeatSquare:
    (day, hour), (succeeded, failed) = weekday_hour, counted
    ended = succeeded + failed
    level = 0 if not ended else 1 if not failed else 1 + max(-(-failed * LEVELS // most), 1)
    text = f"{DAYS[day]} {hour:02}:00: {f'{failed:,} of {ended:,} failed' if ended else 'no run ended'}"
    return HeatSquare(*corner, CELL, level, text)


def _describe_worst(counted: dict[tuple[int, int], list[int]]) -> str:
    failed = sorted(
        ((sums[1], place) for place, sums in counted.items() if sums[1]), key=lambda item: (-item[0], item[1])
    )
    texts = [f"{DAYS[day]} {hour:02}:00 ({number:,})" for number, (day, hour) in failed[:3]]
    return ", ".join(texts)
