"""A punctuality chart: due times as lines above, successes as cells below; a dashed line is a due time without a run."""

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
"""The share of the window from which on it is highlighted."""


class DueColumn(NamedTuple):
    """One due time. `tone` = of its run, None = there was none; `lost` = there was none although it was due."""

    x: int
    width: int
    tone: str | None
    lost: bool
    run: str | None
    description: str


class PunctualityChart(NamedTuple):
    """`met` = due times with a success, of those due by now."""

    width: int
    height: int
    middle: int
    columns: list[DueColumn]
    met: int
    due: int


class SuccessWindow(NamedTuple):
    """The window in which a success is expected: how much of it has passed since the last one."""

    width: int
    filled: int
    tone: str
    description: str


def draw_window(from_at: int, until_at: int, now: int) -> SuccessWindow:
    """Draw the time from the last success until the next one is late."""
    length, passed = max(until_at - from_at, 1), max(now - from_at, 0)
    share = min(passed / length, 1.0)
    tone = state_tone(
        AutomationState.SILENT
        if share == 1
        else AutomationState.LATE
        if share >= _ALMOST_PASSED
        else AutomationState.ON_TIME
    )
    text = f"{format_span(passed)} of {format_span(length)} have passed since the last success"
    return SuccessWindow(_WINDOW, round(_WINDOW * share), tone, text)


def draw_punctuality(past: Sequence[PastDueTime], zone: str, met_until: int | None = None) -> PunctualityChart:
    """Draw due times, oldest first. Those from the instant `met_until` on may still be met: they are not lost yet."""
    columns = [
        _draw_column(index * _STEP, due_time, zone, is_pending=met_until is not None and due_time.due_at >= met_until)
        for index, due_time in enumerate(past)
    ]
    return PunctualityChart(
        width=max(len(past) * _STEP - (_STEP - _WIDTH), _WIDTH),
        height=HEIGHT,
        middle=MIDDLE,
        columns=columns,
        met=sum(due_time.came_at is not None for due_time in past),
        due=len(past),
    )


def _draw_column(x: int, due_time: PastDueTime, zone: str, *, is_pending: bool) -> DueColumn:
    due_text = format_instant(due_time.due_at, zone)
    if due_time.came_at is not None:
        text = f"{due_text}: succeeded {format_span(max(due_time.came_at - due_time.due_at, 0))} after it was due"
        return DueColumn(x, _WIDTH, state_tone(RunState.SUCCEEDED), lost=False, run=due_time.run, description=text)
    if due_time.state is not None:
        return DueColumn(
            x,
            _WIDTH,
            state_tone(due_time.state),
            lost=False,
            run=due_time.run,
            description=f"{due_text}: {due_time.state.replace('_', ' ')}",
        )
    if due_time.note is not None:
        return DueColumn(
            x,
            _WIDTH,
            state_tone(AutomationState.LATE),
            lost=False,
            run=None,
            description=f"{due_text}: {due_time.note}",
        )
    if is_pending:
        return DueColumn(
            x, _WIDTH, state_tone(RunState.QUEUED), lost=False, run=None, description=f"{due_text}: not yet"
        )
    return DueColumn(x, _WIDTH, None, lost=True, run=None, description=f"{due_text}: no run")
