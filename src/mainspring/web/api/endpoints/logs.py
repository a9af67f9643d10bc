"""What runs logged and printed: of one from its beginning, of all the newest."""

import re
from typing import Annotated

import msgspec

from mainspring.domain.errors import ArgumentError
from mainspring.domain.runs.log_line import Level, LogLine
from mainspring.service.runs.log_lines import read_lines, read_newest_lines
from mainspring.store.read.runs.logs import StoredPart, last_parts, parts_of, parts_since
from mainspring.store.texts import FOR_EVER
from mainspring.store.views import RunView
from mainspring.web.api.bodies import Limit, Word
from mainspring.web.api.call import ApiCall, to_ms
from mainspring.web.api.response_types import Instant, Page
from mainspring.web.api.route import get_route

_AT_ONCE = 500
_DAY_MS = 86_400_000
_PLACE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")


class LogsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which lines: of this step (its name or identity), of this attempt, from this level on, that hold the text `q`.

    Of what was written behind `cursor`; with `last` the last ones, then those before `cursor`.
    """

    step: Word | None = None
    attempt: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    level: Level = Level.DEBUG
    q: Word | None = None
    last: bool = False
    limit: Limit = 500
    cursor: Word | None = None


class NewestQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which lines: the newest `limit` of this automation, from this level on, written since (left out: of a day)."""

    automation: Word | None = None
    level: Level = Level.DEBUG
    since: Instant | None = None
    limit: Limit = 500


def list_run_lines(call: ApiCall[LogsQuery, None]) -> Page[LogLine]:
    """List what a run logged and printed, in the order in which it was written."""
    run, query = call.run(), call.query
    after, expected = _parse_cursor(query.cursor)
    if query.last:
        return _list_last_lines(call, run, after or FOR_EVER)
    found = parts_of(call.site.reader, run.id, after, query.limit)
    lines: list[LogLine] = []
    read = number = 0
    for part in found:
        if number >= query.limit:
            break
        lines += _select_lines(call, run, part, expected)
        number, read, expected = number + part.lines, read + 1, part.seq + part.lines
    lines.sort(key=lambda line: line.at)
    return Page(lines, f"{found[read - 1].seq}-{expected}" if read < len(found) else None)


def _list_last_lines(call: ApiCall[LogsQuery, None], run: RunView, before: int) -> Page[LogLine]:
    """List the last lines before the part of this number; parts are told whole."""
    query, reader = call.query, call.site.reader
    of_step = [] if query.step is None else last_parts(reader, run.id, query.step, _AT_ONCE, before)
    parts = of_step or last_parts(reader, run.id, None, _AT_ONCE, before)
    more = len(parts) == _AT_ONCE
    lines: list[LogLine] = []
    while parts and len(lines) < query.limit:
        part = parts.pop()
        # Between parts of one step others may lie, so a gap says nothing there.
        after = parts[-1].seq + parts[-1].lines if parts and not of_step else None
        lines = [*_select_lines(call, run, part, after), *lines]
        before = part.seq
    return Page(sorted(lines, key=lambda line: line.at), f"{before}-{before}" if parts or more else None)


def _select_lines(call: ApiCall[LogsQuery, None], run: RunView, part: StoredPart, after: int | None) -> list[LogLine]:
    """Return the lines of a part that are asked for; `after` = where the part before it ended, None = it is not known."""
    query = call.query
    part = msgspec.structs.replace(part, automation=run.automation)
    wanted = None if query.q is None else query.q.casefold()
    return [
        line
        for line in read_lines([part], call.site.opening, after=after)
        if query.step in (None, part.ident, line.step)
        and query.attempt in (None, line.attempt)
        and line.level.number >= query.level.number
        and (wanted is None or wanted in line.text.casefold())
    ]


def list_newest_lines(call: ApiCall[NewestQuery, None]) -> Page[LogLine]:
    """List the newest lines of all runs, oldest first; each names its run."""
    query, now = call.query, call.site.clock.now()
    since = now - _DAY_MS if query.since is None else to_ms(query.since) or 0
    # What a visitor may not see is not read either: a crowd of others' lines would leave nothing of its own.
    parts = parts_since(call.site.reader, since, _visible_automations(call), _AT_ONCE)
    least = query.level.number
    return Page(
        read_newest_lines(
            parts, call.site.opening, query.limit, lambda one: one.at >= since and one.level.number >= least
        )
    )


def _visible_automations(call: ApiCall[NewestQuery, None]) -> list[str] | None:
    """Return of which automations lines are meant; None = of all."""
    asked = call.query.automation
    if asked is None:
        return call.automations()
    return [asked] if call.visitor.may_see(asked) else []


def _parse_cursor(cursor: str | None) -> tuple[int, int]:
    """Return the number of the last part that was told, and that of the line behind it."""
    if cursor is None:
        return 0, 1
    place = _PLACE.fullmatch(cursor)
    if place is None:
        raise ArgumentError(f"{cursor!r} is no cursor of lines", hint="Take `next` of the part before.")
    return int(place[1]), int(place[2])


ROUTES = (
    get_route("logs.of_run", "/runs/{run}/logs", list_run_lines, Page[LogLine], query=LogsQuery),
    get_route("logs.newest", "/logs", list_newest_lines, Page[LogLine], query=NewestQuery),
)
