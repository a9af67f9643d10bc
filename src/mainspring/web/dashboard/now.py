"""`/`: is anything wrong, since when, who acts; what is silent, who is asked, what runs, what comes next."""

from collections.abc import Iterator
from typing import Any, Final

from mainspring.domain.incidents.incident import Incident
from mainspring.domain.states import IncidentState, RunState
from mainspring.insight.soon import CELLS
from mainspring.insight.standing_runs import undecided_text
from mainspring.insight.words import many
from mainspring.web.api import now
from mainspring.web.api.call import Call
from mainspring.web.continued import run_of
from mainspring.web.dashboard.incident_acts import BUTTONS
from mainspring.web.dashboard.page import Form, Looking, PageRoute, View, looked, tables_of
from mainspring.web.pictures.strip import brief_strip_of

_OPEN, _LOOKED_AFTER = 10, 10
_LINKED: Final = 5
_LEFT: Final = f"/failed?state={RunState.FAILED}"


def show(call: Call[Looking, Form | None]) -> View:
    """Show how it stands."""
    found = now.shown(looked(call))
    opened = [one for one in found.incidents if one.state is IncidentState.OPEN]
    others = [one for one in found.incidents if one.state is not IncidentState.OPEN]
    values: dict[str, Any] = {
        "now": found,
        "head": found.head,
        "facts": _facts(found, len(opened), len(others)),
        "open": opened[:_OPEN],
        "more_open": len(opened) - _OPEN,
        "looked_after": others[:_LOOKED_AFTER],
        "more_looked_after": len(others) - _LOOKED_AFTER,
        "run_of": run_of,
        "strips": [(one, brief_strip_of(one.runs, CELLS, call.site.clock.now(), _LINKED)) for one in found.strips],
        "whole": call.visitor.is_for_all,
    }
    return View("Now", values)


def _facts(found: now.Now, opened: int, looked_after: int) -> list[tuple[str, str]]:
    """Return the figures of the sentence, each with the page of its rows."""
    running = f"{len(found.running)}+" if found.has_more_running else len(found.running)
    asked = many(len(found.questions), "question waits", "questions wait")
    facts = [
        (opened, many(opened, "open incident"), "/incidents?state=open"),
        (found.undecided_failures.number, undecided_text(found.undecided_failures), _LEFT),
        (looked_after, f"{looked_after} looked after", "/incidents?state=acknowledged&state=snoozed"),
        (len(found.questions), f"{asked} for an answer", "/waiting"),
        (True, f"{running} running", "/runs?state=running"),
        (True, many(found.automations, "automation"), "/automations"),
    ]
    return [(text, path) for is_there, text, path in facts if is_there]


def rows(call: Call[Looking, None]) -> Iterator[Incident]:
    """Give what is not resolved, the loudest first."""
    return iter(now.unresolved(call))


PAGES = (
    PageRoute(
        path="/",
        template="now.html",
        show=show,
        rows=rows,
        tables=tables_of(now.shown, "silent", "questions", "running", "due", "strips"),
        nouns=("incidents", "runs", "questions", "automations", "workers"),
        buttons={name: BUTTONS[name] for name in ("acknowledge", "snooze")},
    ),
)
