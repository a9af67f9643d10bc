"""`/failed`: the errors by which runs stand still, the runs of one, and acts on all that a filter means, counted before they are done."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.states import REOPENABLE_STATES, RunState
from mainspring.insight.bulk_words import command_of
from mainspring.insight.dead_letters import DeadLetters
from mainspring.store.views import RunRow
from mainspring.web.api import bulk_acts, failed
from mainspring.web.api.bodies import Number, Slice, Word
from mainspring.web.api.bulk_acts import BulkOperationRequest
from mainspring.web.api.call import Call
from mainspring.web.api.failed import FailedQuery, StandingQuery
from mainspring.web.api.shape import Page
from mainspring.web.dashboard.asked_for_all import Counted, counted, rate_of
from mainspring.web.dashboard.exports import pages_of
from mainspring.web.dashboard.moments import SPANS, Since, past_moment
from mainspring.web.dashboard.page import Button, Form, PageRoute, View, looked, press, reason_of

_RUNS = 50
_FILTER = ("state", "name", "since", "error")


class FailedPage(Slice, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The filter; `after` = the place in the list of runs. `ask`, `rate`, `reason` = the act that is counted before it is asked for."""

    name: Word | None = None
    state: RunState | None = None
    since: Since | None = None
    error: Word | None = None
    gone: bool = False
    after: Number | None = None
    ask: Literal["retry", "discard"] | None = None
    rate: str = ""
    reason: str = ""


def show(call: Call[FailedPage, Form | None]) -> View:
    """List errors, and the runs of the one that is filtered for."""
    query = call.query
    found = failed.listed(_listing(looked(call)))
    runs: Page[RunRow] = _runs(call) if query.error and found.items else Page([])
    asked = None
    if query.ask and call.visitor.may(Role.OPERATOR):
        asked = _counted(call, BulkVerb(query.ask))
    values = {
        "letters": found.items,
        "next": found.next,
        "runs": runs.items,
        "runs_next": runs.next,
        "query": query,
        "states": sorted(REOPENABLE_STATES),
        "spans": SPANS,
        "counted": asked,
        "filter_fields": [(name, value) for name in _FILTER if (value := getattr(query, name))],
    }
    if asked is not None:
        values["nouns"] = ""  # what was counted stands still until somebody decides
    return View("Failed", values)


def rows(call: Call[FailedPage, None]) -> Iterator[DeadLetters]:
    """Give all errors of the filter."""
    return pages_of(_listing(call), failed.listed)


def rows_of_runs(call: Call[FailedPage, None]) -> Iterator[RunRow]:
    """Give the runs of the error that is filtered for."""
    query = call.query
    if not query.error or not failed.listed(_listing(call)).items:
        return iter(())
    return pages_of(_standing(call), failed.runs)


def retry(call: Call[Any, Form]) -> str:
    """Continue all that the filter means."""
    return _begin(call, BulkVerb.RETRY)


def discard(call: Call[Any, Form]) -> str:
    """Give up all that the filter means."""
    return _begin(call, BulkVerb.DISCARD)


def _begin(call: Call[FailedPage, Form], verb: BulkVerb) -> str:
    asked = _asked(call, verb, rate=rate_of(call.body.get("rate", "")), reason=reason_of(call))
    begun = press(call, bulk_acts.begin, asked)
    return f"/bulk/{begun.bulk}"


def _counted(call: Call[FailedPage, Any], verb: BulkVerb) -> Counted:
    """Return what an act on all that the filter means would do; nothing is done."""
    query = call.query
    said = {"state": query.state, "name": query.name, "ended_since": query.since, "error": query.error}
    line = command_of(verb, said, query.rate.strip() or None)
    return counted(
        verb, line, query.rate, lambda rate: press(call, bulk_acts.begin, _asked(call, verb, rate=rate, dry_run=True))
    )


def _asked(call: Call[FailedPage, Any], verb: BulkVerb, **rest: Any) -> BulkOperationRequest:
    """Return what the API is asked for: what stands still since the same moment as the errors that are listed."""
    query = call.query
    return BulkOperationRequest(
        verb="retry" if verb is BulkVerb.RETRY else "discard",
        state=() if query.state is None else (query.state,),
        name=query.name,
        ended_since=past_moment(call, query.since),
        error=query.error,
        **rest,
    )


def _listing(call: Call[FailedPage, None]) -> Call[FailedQuery, None]:
    q = call.query
    query = FailedQuery(
        limit=q.limit,
        cursor=q.cursor,
        name=q.name,
        state=q.state,
        since=past_moment(call, q.since),
        error=q.error,
        gone=q.gone,
    )
    return call.asking(query)


def _runs(call: Call[FailedPage, Any]) -> Page[RunRow]:
    asked = _standing(call)
    query = msgspec.structs.replace(asked.query, limit=_RUNS, cursor=call.query.after)
    return failed.runs(msgspec.structs.replace(asked, query=query))


def _standing(call: Call[FailedPage, Any]) -> Call[StandingQuery, None]:
    q = call.query
    query = StandingQuery(name=q.name, state=q.state, since=past_moment(call, q.since))
    return call.asking(query, error=q.error or "")


PAGES = (
    PageRoute(
        path="/failed",
        template="failed.html",
        show=show,
        rows=rows,
        tables={"runs": rows_of_runs},
        query=FailedPage,
        nouns=("runs", "incidents"),
        buttons={"retry": Button(Role.OPERATOR, retry), "discard": Button(Role.OPERATOR, discard)},
    ),
)
