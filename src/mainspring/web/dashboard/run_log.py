"""The log of a run as its page shows it: the last lines of a step, of one attempt, or of the whole run; searched, and read backwards."""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from mainspring.domain.runs.log_line import Level, LogLine, format_iso_instant
from mainspring.insight.words import instant
from mainspring.web.api import logs
from mainspring.web.api.bodies import Word
from mainspring.web.api.call import Call
from mainspring.web.api.logs import LogsQuery
from mainspring.web.dashboard.exports import pages_of

_LINES = 200
WHOLE = "*"
"""In place of a step: the whole run."""
_TONES = {Level.DEBUG: "idle", Level.INFO: "", Level.WARNING: "warn", Level.ERROR: "bad"}
_FIELDS = 500


class RunLooking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of a run is looked at: a step by its identity ("*" = all; left out: the one at which it stopped), one of its attempts.

    Of its log: lines from this level on, that hold the text `q`, before the place `older`. `compare` = "last", or another run.
    `every` = calls of one step are not grouped.
    """

    step: Word | None = None
    attempt: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    level: Level = Level.DEBUG
    q: Word | None = None
    older: Word | None = None
    compare: Word | None = None
    every: bool = False


class Line(msgspec.Struct, frozen=True):
    """One line; `clock` = its time of day, `at` = all of it."""

    clock: str
    at: str
    tone: str
    level: str
    step: str
    attempt: int
    text: str
    fields: str


def shown(call: Call[RunLooking, Any], step: str | None, zone: str) -> tuple[list[Line], str | None]:
    """Return the last lines that are asked for, in order, and the place before which there are more."""
    found = logs.of_run(_asked(call, step, last=True, limit=_LINES, cursor=call.query.older))
    return [_line(one, zone) for one in found.items], found.next


def all_of(call: Call[RunLooking, Any], step: str | None) -> Iterator[LogLine]:
    """Give all lines that are asked for, from the first one on."""
    return pages_of(_asked(call, step), logs.of_run)


def _asked(call: Call[RunLooking, Any], step: str | None, **how: Any) -> Call[LogsQuery, None]:
    query = call.query
    asked = LogsQuery(step=step, attempt=query.attempt, level=query.level, q=query.q, **how)
    return call.asking(asked)


def _line(line: LogLine, zone: str) -> Line:
    told = " ".join(f"{name}={value}" for name, value in line.fields.items())
    fields = told if len(told) <= _FIELDS else f"{told[: _FIELDS - 1]}…"
    clock = f"{instant(line.at, zone)[11:]}.{line.at % 1000:03}"
    return Line(
        clock,
        format_iso_instant(line.at),
        _TONES[line.level],
        str(line.level),
        line.step,
        line.attempt,
        line.text,
        fields,
    )
