"""The log of a run as its page shows it: the last lines of a step, of one attempt, or of the whole run; searched, and read backwards."""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from mainspring.domain.runs.log_line import Level, LogLine, format_iso_instant
from mainspring.insight.text.formatting import format_instant
from mainspring.web.api.bodies import Word
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import logs
from mainspring.web.api.endpoints.logs import LogsQuery
from mainspring.web.dashboard.exports import list_all_pages

_LINES = 200
WHOLE_RUN = "*"
"""In place of a step: the whole run."""
_TONES = {Level.DEBUG: "idle", Level.INFO: "", Level.WARNING: "warn", Level.ERROR: "bad"}
_FIELDS = 500


class RunPageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


class LogPageLine(msgspec.Struct, frozen=True):
    """One line; `clock` = its time of day, `at` = all of it."""

    clock: str
    at: str
    tone: str
    level: str
    step: str
    attempt: int
    text: str
    fields: str


def read_last_lines(
    call: ApiCall[RunPageQuery, Any], step: str | None, zone: str
) -> tuple[list[LogPageLine], str | None]:
    """Return the last lines that are asked for, in order, and the place before which there are more."""
    found = logs.list_run_lines(_logs_call(call, step, last=True, limit=_LINES, cursor=call.query.older))
    return [_build_line(one, zone) for one in found.items], found.next


def list_all_lines(call: ApiCall[RunPageQuery, Any], step: str | None) -> Iterator[LogLine]:
    """Give all lines that are asked for, from the first one on."""
    return list_all_pages(_logs_call(call, step), logs.list_run_lines)


def _logs_call(call: ApiCall[RunPageQuery, Any], step: str | None, **how: Any) -> ApiCall[LogsQuery, None]:
    query = call.query
    asked = LogsQuery(step=step, attempt=query.attempt, level=query.level, q=query.q, **how)
    return call.with_query(asked)


def _build_line(line: LogLine, zone: str) -> LogPageLine:
    told = " ".join(f"{name}={value}" for name, value in line.fields.items())
    fields = told if len(told) <= _FIELDS else f"{told[: _FIELDS - 1]}…"
    clock = f"{format_instant(line.at, zone)[11:]}.{line.at % 1000:03}"
    return LogPageLine(
        clock,
        format_iso_instant(line.at),
        _TONES[line.level],
        str(line.level),
        line.step,
        line.attempt,
        line.text,
        fields,
    )
