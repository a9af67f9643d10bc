"""What runs logged and printed: of one from its beginning, of all the newest."""

import re
from typing import Annotated

import msgspec

from mainspring.domain.errors import ArgumentError
from mainspring.domain.log_line import Level, LogLine
from mainspring.service.lines import lines_of, newest_lines
from mainspring.store.reads.logs import StoredPart, parts_of, parts_since
from mainspring.web.api.bodies import Limit, Word
from mainspring.web.api.call import Call, ms
from mainspring.web.api.route import reads
from mainspring.web.api.shape import Instant, Page

_AT_ONCE = 500
_DAY_MS = 86_400_000
_PLACE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")


class LogsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which lines: of this step, of this attempt, from this level on; of what was written behind `cursor`."""

    step: Word | None = None
    attempt: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    level: Level = Level.DEBUG
    limit: Limit = 500
    cursor: Word | None = None


class NewestQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which lines: the newest `limit` of this automation, from this level on, written since (left out: of a day)."""

    automation: Word | None = None
    level: Level = Level.DEBUG
    since: Instant | None = None
    limit: Limit = 500


def of_run(call: Call[LogsQuery, None]) -> Page[LogLine]:
    """List what a run logged and printed, in the order in which it was written."""
    run, query = call.run(), call.query
    after, expected = _place(query.cursor)
    found = parts_of(call.site.reader, run.id, after, query.limit)
    parts: list[StoredPart] = []
    while len(parts) < len(found) and sum(part.lines for part in parts) < query.limit:
        parts.append(msgspec.structs.replace(found[len(parts)], automation=run.automation))
    lines = [
        line
        for line in lines_of(parts, call.site.opening, after=expected)
        if query.step in (None, line.step)
        and query.attempt in (None, line.attempt)
        and line.level.number >= query.level.number
    ]
    last = parts[-1] if parts and len(parts) < len(found) else None
    return Page(lines, None if last is None else f"{last.seq}-{last.seq + last.lines}")


def newest(call: Call[NewestQuery, None]) -> Page[LogLine]:
    """List the newest lines of all runs, oldest first; each names its run."""
    query, now = call.query, call.site.clock.now()
    since = now - _DAY_MS if query.since is None else ms(query.since) or 0
    # What a visitor may not see is not read either: a crowd of others' lines would leave nothing of its own.
    parts = parts_since(call.site.reader, since, _automations(call), _AT_ONCE)
    least = query.level.number
    return Page(
        newest_lines(parts, call.site.opening, query.limit, lambda one: one.at >= since and one.level.number >= least)
    )


def _automations(call: Call[NewestQuery, None]) -> list[str] | None:
    """Return of which automations lines are meant; None = of all."""
    asked = call.query.automation
    if asked is None:
        return call.automations()
    return [asked] if call.visitor.may_see(asked) else []


def _place(cursor: str | None) -> tuple[int, int]:
    """Return the number of the last part that was told, and that of the line behind it."""
    if cursor is None:
        return 0, 1
    place = _PLACE.fullmatch(cursor)
    if place is None:
        raise ArgumentError(f"{cursor!r} is no cursor of lines", hint="Take `next` of the part before.")
    return int(place[1]), int(place[2])


ROUTES = (
    reads("/runs/{run}/logs", of_run, Page[LogLine], query=LogsQuery),
    reads("/logs", newest, Page[LogLine], query=NewestQuery),
)
