"""A chart of a rollout's share by time: one bar for each step that has started, as high as its share."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from mainspring.insight.rollouts.rollout_detail import RolloutStepRow
from mainspring.insight.text.formatting import format_instant

WIDTH: Final = 1_000
HEIGHT: Final = 100
_LEAST = 2
"""A short step, or a small share, stays visible."""


class ShareBar(NamedTuple):
    """One step."""

    x: int
    y: int
    width: int
    height: int
    description: str


class ShareChart(NamedTuple):
    """The bars of all steps that have started."""

    width: int
    height: int
    bars: list[ShareBar]
    description: str


def draw_shares(steps: Sequence[RolloutStepRow], now: int, zone: str) -> ShareChart:
    """Draw the steps from the start of the rollout to its end, or until now."""
    times = [
        (step, step.started_at, now if step.ended_at is None else step.ended_at)
        for step in steps
        if step.started_at is not None
    ]
    from_at = min((started_at for _, started_at, _ in times), default=now)
    length = max(max((ended_at for *_, ended_at in times), default=now) - from_at, 1)
    bars = []
    for step, started_at, ended_at in times:
        x = min(WIDTH * (started_at - from_at) // length, WIDTH - _LEAST)
        width = max(min(WIDTH * (ended_at - started_at) // length, WIDTH - x), _LEAST)
        height = max(round(HEIGHT * step.percent / 100), _LEAST)
        text = f"{step.percent:g} % from {format_instant(started_at, zone)} {zone}"
        bars.append(ShareBar(x, HEIGHT - height, width, height, text))
    return ShareChart(WIDTH, HEIGHT, bars, "; ".join(bar.description for bar in bars))
