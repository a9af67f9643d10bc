"""Expected against seen: what was due as a line above, what came as a cell below; a dashed line is a due time of which nothing came."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from mainspring.domain.derived_states import AutomationState
from mainspring.domain.states import RunState
from mainspring.insight.due_times import PastDue
from mainspring.insight.words import instant, span
from mainspring.web.marks import tone_of

_STEP, _WIDTH = 16, 12
HEIGHT: Final = 44
MIDDLE: Final = 18
_WINDOW = 400
_NEARLY = 0.75
"""So much of the window has passed when it is worth a look."""


class Column(NamedTuple):
    """One due time. `tone` = of what came, None = nothing did; `lost` = nothing came although it should have."""

    x: int
    width: int
    tone: str | None
    lost: bool
    run: str | None
    said: str


class Expected(NamedTuple):
    """`came` of so many that were due by now."""

    width: int
    height: int
    middle: int
    columns: list[Column]
    came: int
    due: int


class Window(NamedTuple):
    """The time in which a success is expected: how much of it has passed since the last one."""

    width: int
    filled: int
    tone: str
    said: str


def window_of(from_at: int, until_at: int, now: int) -> Window:
    """Draw the time from the last success until it is missed."""
    whole, passed = max(until_at - from_at, 1), max(now - from_at, 0)
    share = min(passed / whole, 1.0)
    tone = tone_of(
        AutomationState.SILENT if share == 1 else AutomationState.LATE if share >= _NEARLY else AutomationState.ON_TIME
    )
    said = f"{span(passed)} of {span(whole)} have passed since the last success"
    return Window(_WINDOW, round(_WINDOW * share), tone, said)


def expected_of(past: Sequence[PastDue], zone: str, met_until: int | None = None) -> Expected:
    """Draw due times, oldest first. From the instant `met_until` on they may still be met: nothing is lost yet."""
    columns = [
        _column(place * _STEP, one, zone, may_come=met_until is not None and one.due_at >= met_until)
        for place, one in enumerate(past)
    ]
    return Expected(
        width=max(len(past) * _STEP - (_STEP - _WIDTH), _WIDTH),
        height=HEIGHT,
        middle=MIDDLE,
        columns=columns,
        came=sum(one.came_at is not None for one in past),
        due=len(past),
    )


def _column(x: int, one: PastDue, zone: str, *, may_come: bool) -> Column:
    when = instant(one.due_at, zone)
    if one.came_at is not None:
        said = f"{when}: succeeded {span(max(one.came_at - one.due_at, 0))} after it was due"
        return Column(x, _WIDTH, tone_of(RunState.SUCCEEDED), lost=False, run=one.run, said=said)
    if one.state is not None:
        return Column(
            x, _WIDTH, tone_of(one.state), lost=False, run=one.run, said=f"{when}: {one.state.replace('_', ' ')}"
        )
    if one.note is not None:
        return Column(x, _WIDTH, tone_of(AutomationState.LATE), lost=False, run=None, said=f"{when}: {one.note}")
    if may_come:
        return Column(x, _WIDTH, tone_of(RunState.QUEUED), lost=False, run=None, said=f"{when}: not yet")
    return Column(x, _WIDTH, None, lost=True, run=None, said=f"{when}: nothing came")
