"""The log on the page of a run: the last lines of a step, of one attempt, or of the whole run; with search and older pages."""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from mainspring.domain.runs.log_line import Level, LogLine, format_iso_instant
from mainspring.insight.text.formatting import format_instant
from mainspring.web.api.bodies import Word
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints.runs import logs
from mainspring.web.api.endpoints.runs.logs import LogsQuery
from mainspring.web.dashboard.exports import list_all_pages

_LINES = 200
WHOLE_RUN = "*"
"""In place of a step: the whole run."""
_TONES = {Level.DEBUG: "idle", Level.INFO: "", Level.WARNING: "warn", Level.ERROR: "bad"}
_FIELDS = 500


class RunPageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The selected step of a run by its identity ("*" = all; left out: the one at which it stopped), or one of its attempts.

    Of its log: lines from this level on that contain the text `q`, before the position `older`. `compare` = "last", or another run.
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
    """One line; `clock` = its time of day, `at` = the whole instant."""

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
    """Return the last selected lines, in order, and the position before which there are more."""
    page = logs.list_run_lines(_logs_call(call, step, last=True, limit=_LINES, cursor=call.query.older))
    return [_build_line(line, zone) for line in page.items], page.next


def list_all_lines(call: ApiCall[RunPageQuery, Any], step: str | None) -> Iterator[LogLine]:
    """Yield all selected lines, from the first one on."""
    return list_all_pages(_logs_call(call, step), logs.list_run_lines)


def _logs_call(call: ApiCall[RunPageQuery, Any], step: str | None, **options: Any) -> ApiCall[LogsQuery, None]:
    query = call.query
    logs_query = LogsQuery(step=step, attempt=query.attempt, level=query.level, q=query.q, **options)
    return call.with_query(logs_query)


def _build_line(line: LogLine, zone: str) -> LogPageLine:
    fields_text = " ".join(f"{name}={value}" for name, value in line.fields.items())
    fields = fields_text if len(fields_text) <= _FIELDS else f"{fields_text[: _FIELDS - 1]}…"
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
