"""`/automations`: who answers for each, how it stands, what is due, how its last runs went."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from mainspring.domain.derived_states import AutomationState
from mainspring.insight.automation_lines import STRIP, AutomationLine
from mainspring.web.api import standings
from mainspring.web.api.call import Call
from mainspring.web.api.standings import StandingsQuery
from mainspring.web.dashboard.exports import pages_of
from mainspring.web.dashboard.page import Form, PageRoute, View
from mainspring.web.pictures.strip import brief_strip_of

CALM: Final = frozenset({AutomationState.ON_TIME, AutomationState.ON_DEMAND, AutomationState.LEARNING})
"""States that need no word where something else is wrong."""


class AutomationExport(msgspec.Struct, frozen=True):
    """A line without its runs, which are a list of their own.

    `incident` = the id of the loudest that is not resolved, `wrong` = its kind.
    """

    name: str
    kind: str
    state: AutomationState
    why: str
    incident: str | None
    wrong: str | None
    owner: str | None
    team: str | None
    tags: dict[str, str]
    tier: str
    starts: list[str]
    due_at: int | None
    late_at: int | None
    last_good_at: int | None
    silence: str
    succeeded: int
    failed: int
    success_share: float | None
    p95_ms: int | None


def show(call: Call[StandingsQuery, Form | None]) -> View:
    """List automations by name."""
    found = standings.listed(call.asking(msgspec.structs.replace(call.query, runs=STRIP)))
    now, query = call.site.clock.now(), call.query
    values = {
        "automations": [(line, brief_strip_of(line.runs, STRIP, now)) for line in found.items],
        "next": found.next,
        "states": list(AutomationState),
        "calm": CALM,
        "query": query,
        "filtered": any((query.name, query.owner, query.team, query.tag, query.state, query.wrong, query.cursor)),
    }
    return View("Automations", values)


def rows(call: Call[StandingsQuery, None]) -> Iterator[AutomationExport]:
    """Give all that fit."""
    return (_exported(line) for line in pages_of(call, standings.listed))


def _exported(line: AutomationLine) -> AutomationExport:
    one = line.incident
    said: dict[str, Any] = {
        "incident": None if one is None else one.id,
        "wrong": None if one is None else one.subject.kind.value,
    }
    rest = [name for name in AutomationExport.__struct_fields__ if name not in said]
    return AutomationExport(**said, **{name: getattr(line, name) for name in rest})


PAGES = (
    PageRoute(
        path="/automations",
        template="automations.html",
        show=show,
        rows=rows,
        query=StandingsQuery,
        nouns=("automations", "runs", "incidents"),
    ),
)
