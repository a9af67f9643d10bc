"""`/handover`: what opened, closed, was done by people and still waits since a chosen time; made to be printed."""

import shlex
from collections.abc import Iterator

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.values.plain_json import format_iso
from mainspring.insight.handover import Handover, PersonsAct
from mainspring.web.api import handover
from mainspring.web.api.bodies import Word
from mainspring.web.api.call import Call
from mainspring.web.dashboard.moments import past_moment
from mainspring.web.dashboard.page import Form, PageRoute, View, tables_of

SPANS = ("8h", "12h", "24h", "3d", "7d")


class Shift(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Since when: a span (8h), or a date and time."""

    since: Word = "8h"


def show(call: Call[Shift, Form | None]) -> View:
    """Show what a shift hands over."""
    values = {"spans": SPANS, "since": call.query.since}
    try:
        found = _found(call)
    except OptionError as error:
        fault = f"{error.message}. {error.hint}"
        return View("Handover", {**values, "found": None, "wrong_since": fault, "wrong": True}, 400)
    line = f"mainspring status --since {shlex.quote(call.query.since)}"
    shown = {"found": found, "since_iso": format_iso(found.since_at), "wrong_since": "", "line": line}
    return View("Handover", values | shown)


def rows(call: Call[Shift, None]) -> Iterator[PersonsAct]:
    """Give what people did."""
    return iter(_found(call).acts)


def _found(call: Call[Shift, Form | None] | Call[Shift, None]) -> Handover:
    query = handover.HandoverQuery(since=past_moment(call, call.query.since))
    return handover.shown(call.asking(query))


PAGES = (
    PageRoute(
        path="/handover",
        template="handover.html",
        show=show,
        rows=rows,
        tables=tables_of(_found, "incidents", "questions", "halted", "paused", "opened", "closed"),
        query=Shift,
        nouns=("incidents", "questions", "audit-log"),
    ),
)
