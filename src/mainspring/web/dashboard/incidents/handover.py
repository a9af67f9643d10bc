"""`/handover`: incidents that opened or closed, operations of people and what still waits since a chosen time; ready to print."""

import shlex
from collections.abc import Iterator

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.values.plain_json import format_iso
from mainspring.insight.status.handover import PersonOperation, ShiftHandover
from mainspring.web.api.bodies import Word
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import handover
from mainspring.web.dashboard.page_route import Form, PageRoute, PageView, list_tables
from mainspring.web.dashboard.time_fields import parse_past

SPANS = ("8h", "12h", "24h", "3d", "7d")


class ShiftQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The start: a span (8h), or a date and time."""

    since: Word = "8h"


def show(call: ApiCall[ShiftQuery, Form | None]) -> PageView:
    """Show the handover of a shift."""
    values = {"spans": SPANS, "since": call.query.since}
    try:
        summary = _read_handover(call)
    except OptionError as error:
        fault = f"{error.message}. {error.hint}"
        return PageView("Handover", {**values, "handover": None, "since_error": fault, "is_error": True}, 400)
    line = f"mainspring status --since {shlex.quote(call.query.since)}"
    more = {"handover": summary, "since_iso": format_iso(summary.since_at), "since_error": "", "line": line}
    return PageView("Handover", values | more)


def rows(call: ApiCall[ShiftQuery, None]) -> Iterator[PersonOperation]:
    """Export operations of people."""
    return iter(_read_handover(call).acts)


def _read_handover(call: ApiCall[ShiftQuery, Form | None] | ApiCall[ShiftQuery, None]) -> ShiftHandover:
    query = handover.HandoverQuery(since=parse_past(call, call.query.since))
    return handover.show_handover(call.with_query(query))


PAGES = (
    PageRoute(
        path="/handover",
        template="incidents/handover.html",
        show=show,
        rows=rows,
        tables=list_tables(_read_handover, "incidents", "questions", "halted", "paused", "opened", "closed"),
        query=ShiftQuery,
        nouns=("incidents", "questions", "audit-log"),
    ),
)
