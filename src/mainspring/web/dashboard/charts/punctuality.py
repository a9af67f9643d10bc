"""Expected against seen: what was due as a line above, what came as a cell below; a dashed line is a due time of which nothing came."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from mainspring.domain.derived_states import AutomationState
from mainspring.domain.states import RunState
from mainspring.insight.automations.due_times import PastDueTime
from mainspring.insight.text.formatting import format_instant, format_span
from mainspring.web.pages.status_icons import state_tone

_STEP, _WIDTH = 16, 12
HEIGHT: Final = 44
MIDDLE: Final = 18
_WINDOW = 400
_ALMOST_PASSED = 0.75
"""So much of the window has passed when it is worth a look."""


class DueColumn(NamedTuple):
    """One due time. `tone` = of what came, None = nothing did; `lost` = nothing came although it should have."""

    x: int
    width: int
    tone: str | None
    lost: bool
    run: str | None
    said: str


class PunctualityChart(NamedTuple):
    """`came` of so many that were due by now."""

    width: int
    height: int
    middle: int
    columns: list[DueColumn]
    came: int
    due: int


class SuccessWindow(NamedTuple):
    """The time in which a success is expected: how much of it has passed since the last one."""

    width: int
    filled: int
    tone: str
    said: str


def draw_window(from_at: int, until_at: int, now: int) -> SuccessWindow:
    """Draw the time from the last success until it is missed."""
    whole, passed = max(until_at - from_at, 1), max(now - from_at, 0)
    share = min(passed / whole, 1.0)
    tone = state_tone(
        AutomationState.SILENT
        if share == 1
        else AutomationState.LATE
        if share >= _ALMOST_PASSED
        else AutomationState.ON_TIME
    )
    said = f"{format_span(passed)} of {format_span(whole)} have passed since the last success"
    return SuccessWindow(_WINDOW, round(_WINDOW * share), tone, said)


def draw_punctuality(past: Sequence[PastDueTime], zone: str, met_until: int | None = None) -> PunctualityChart:
    """Draw due times, oldest first. From the instant `met_until` on they may still be met: nothing is lost yet."""
    columns = [
        _draw_column(place * _STEP, one, zone, may_come=met_until is not None and one.due_at >= met_until)
        for place, one in enumerate(past)
    ]
    return PunctualityChart(
        width=max(len(past) * _STEP - (_STEP - _WIDTH), _WIDTH),
        height=HEIGHT,
        middle=MIDDLE,
        columns=columns,
        came=sum(one.came_at is not None for one in past),
        due=len(past),
    )


def _draw_column(x: int, one: PastDueTime, zone: str, *, may_come: bool) -> DueColumn:
    when = format_instant(one.due_at, zone)
    if one.came_at is not None:
        said = f"{when}: succeeded {format_span(max(one.came_at - one.due_at, 0))} after it was due"
        return DueColumn(x, _WIDTH, state_tone(RunState.SUCCEEDED), lost=False, run=one.run, said=said)
    if one.state is not None:
        return DueColumn(
            x, _WIDTH, state_tone(one.state), lost=False, run=one.run, said=f"{when}: {one.state.replace('_', ' ')}"
        )
    if one.note is not None:
        return DueColumn(x, _WIDTH, state_tone(AutomationState.LATE), lost=False, run=None, said=f"{when}: {one.note}")
    if may_come:
        return DueColumn(x, _WIDTH, state_tone(RunState.QUEUED), lost=False, run=None, said=f"{when}: not yet")
    return DueColumn(x, _WIDTH, None, lost=True, run=None, said=f"{when}: nothing came")
