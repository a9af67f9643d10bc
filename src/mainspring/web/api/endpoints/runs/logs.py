"""Logs and printed lines: of one run from its start, or the newest of all runs."""

import re
from typing import Annotated

import msgspec

from mainspring.domain.errors import ArgumentError
from mainspring.domain.runs.log_line import Level, LogLine
from mainspring.service.runs.log_lines import number_lines, read_lines, read_newest_lines
from mainspring.store.read.runs.logs import StoredPart, last_parts, list_parts_after, parts_of, parts_since
from mainspring.store.read.runs.streams import describe_position
from mainspring.store.texts import FOR_EVER
from mainspring.store.views import RunView
from mainspring.web.api.bodies import Limit, Word
from mainspring.web.api.call import ApiCall, to_ms
from mainspring.web.api.event_page import EventPage, NumberedEvent
from mainspring.web.api.response_types import Instant, Page
from mainspring.web.api.route import get_route

_AT_ONCE = 500
_LAST_LINES_MS, _PAUSE_S = 2_000, 0.3
"""The last lines of a run may be stored this long after its end."""
_DAY_MS = 86_400_000
_PLACE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")


class LogsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of lines: of this step (its name or identity), of this attempt, from this level on, that contain the text `q`.

    The lines after `cursor`; with `last` the last ones, then those before `cursor`.
    """

    step: Word | None = None
    attempt: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    level: Level = Level.DEBUG
    q: Word | None = None
    last: bool = False
    limit: Limit = 500
    cursor: Word | None = None


class NewestQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of lines: the newest `limit` of this automation, from this level on, written since (left out: within a day)."""

    automation: Word | None = None
    level: Level = Level.DEBUG
    since: Instant | None = None
    limit: Limit = 500


def list_run_lines(call: ApiCall[LogsQuery, None]) -> Page[LogLine]:
    """List what a run logged and printed, in order. With `Accept: text/event-stream` lines are sent as events while the run writes them.

    Events come in the order in which lines are stored. The `id` of an event is the number of its line.
    """
    run, query = call.run(), call.query
    after, expected = _parse_cursor(query.cursor)
    if query.last:
        return _list_last_lines(call, run, after or FOR_EVER)
    parts = parts_of(call.site.reader, run.id, after, query.limit)
    lines: list[LogLine] = []
    read = number = 0
    for part in parts:
        if number >= query.limit:
            break
        lines += _select_lines(call, run, part, expected)
        number, read, expected = number + part.lines, read + 1, part.seq + part.lines
    lines.sort(key=lambda line: line.at)
    return Page(lines, f"{parts[read - 1].seq}-{expected}" if read < len(parts) else None)


def read_line_events(call: ApiCall[LogsQuery, None], since: int, run: str | None = None) -> EventPage:
    """Return the lines after a number as events, in the order in which they were stored."""
    view, query = call.run(run), call.query
    ended_at = view.finished_at
    parts = list_parts_after(call.site.reader, view.id, since, _AT_ONCE)
    named = [msgspec.structs.replace(part, automation=view.automation) for part in parts]
    numbered = number_lines(named, call.site.opening, since)
    next_number = max(since, parts[-1].seq + parts[-1].lines - 1) if parts else since
    needle = None if query.q is None else query.q.casefold()
    events = [NumberedEvent(n, "line", line) for n, line in numbered if _matches(line, query, line.step, needle)]
    is_last = ended_at is not None and not numbered
    waits = is_last and call.site.clock.now() - (ended_at or 0) < _LAST_LINES_MS
    return EventPage(
        run=view.id,
        place=describe_position(view.id, None, next_number),
        events=events,
        next=next_number,
        is_over=is_last and not waits,
        pause_s=_PAUSE_S if waits else 0,
    )


def _list_last_lines(call: ApiCall[LogsQuery, None], run: RunView, before: int) -> Page[LogLine]:
    """Return the last lines before the part of this number; parts are returned whole."""
    query, reader = call.query, call.site.reader
    step_parts = [] if query.step is None else last_parts(reader, run.id, query.step, _AT_ONCE, before)
    parts = step_parts or last_parts(reader, run.id, None, _AT_ONCE, before)
    has_more = len(parts) == _AT_ONCE
    lines: list[LogLine] = []
    while parts and len(lines) < query.limit:
        part = parts.pop()
        # Parts of one step may have others between them, so a gap in the numbers means nothing there.
        after = parts[-1].seq + parts[-1].lines if parts and not step_parts else None
        lines = [*_select_lines(call, run, part, after), *lines]
        before = part.seq
    return Page(sorted(lines, key=lambda line: line.at), f"{before}-{before}" if parts or has_more else None)


def _select_lines(call: ApiCall[LogsQuery, None], run: RunView, part: StoredPart, after: int | None) -> list[LogLine]:
    """Return the selected lines of a part; `after` = where the part before it ended, None = unknown."""
    query = call.query
    part = msgspec.structs.replace(part, automation=run.automation)
    needle = None if query.q is None else query.q.casefold()
    return [
        line for line in read_lines([part], call.site.opening, after=after) if _matches(line, query, part.ident, needle)
    ]


def _matches(line: LogLine, query: LogsQuery, ident: str, needle: str | None) -> bool:
    return (
        query.step in (None, ident, line.step)
        and query.attempt in (None, line.attempt)
        and line.level.number >= query.level.number
        and (needle is None or needle in line.text.casefold())
    )


def list_newest_lines(call: ApiCall[NewestQuery, None]) -> Page[LogLine]:
    """List the newest lines of all runs, oldest first; each names its run."""
    query, now = call.query, call.site.clock.now()
    since = now - _DAY_MS if query.since is None else to_ms(query.since) or 0
    # Lines that the visitor may not see are not read: they would use up the limit.
    parts = parts_since(call.site.reader, since, _visible_automations(call), _AT_ONCE)
    min_level = query.level.number
    return Page(
        read_newest_lines(
            parts, call.site.opening, query.limit, lambda line: line.at >= since and line.level.number >= min_level
        )
    )


def _visible_automations(call: ApiCall[NewestQuery, None]) -> list[str] | None:
    """Return the automations whose lines may be listed; None = all."""
    automation = call.query.automation
    if automation is None:
        return call.automations()
    return [automation] if call.visitor.may_view(automation) else []


def _parse_cursor(cursor: str | None) -> tuple[int, int]:
    """Return the number of the last returned part, and of the line behind it."""
    if cursor is None:
        return 0, 1
    match = _PLACE.fullmatch(cursor)
    if match is None:
        raise ArgumentError(f"{cursor!r} is not a cursor of lines", hint="Use `next` of the previous page.")
    return int(match[1]), int(match[2])


ROUTES = (
    get_route(
        "logs.of_run", "/runs/{run}/logs", list_run_lines, Page[LogLine], query=LogsQuery, events=read_line_events
    ),
    get_route("logs.newest", "/logs", list_newest_lines, Page[LogLine], query=NewestQuery),
)
