"""`/failed`: the errors by which runs stand still, the runs of one, and acts on all that a filter means, counted before they are done."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal

import msgspec

from mainspring.domain.access import Role
from mainspring.domain.bulk import MOST, BulkVerb
from mainspring.domain.errors import ArgumentError, MainspringError, OptionError
from mainspring.domain.rate import parse_rate
from mainspring.domain.states import REOPENABLE, RunState
from mainspring.insight.bulk_words import command_of
from mainspring.insight.dead_letters import DeadLetters
from mainspring.insight.words import many, span
from mainspring.store.views import RunRow
from mainspring.web.api import bulk_acts, failed
from mainspring.web.api.bodies import Number, Slice, Word
from mainspring.web.api.bulk_acts import Asked
from mainspring.web.api.call import Call
from mainspring.web.api.failed import FailedQuery, StandingQuery
from mainspring.web.api.shape import Page
from mainspring.web.dashboard.exports import pages_of
from mainspring.web.dashboard.moments import SPANS, Since, past_moment
from mainspring.web.dashboard.page import Button, Form, PageRoute, View, looked, press, reason_of

_RUNS = 50
_ACTS = {
    BulkVerb.RETRY: "continued from where it failed",
    BulkVerb.DISCARD: "given up: it fails, with all that follows",
}


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


class Counted(msgspec.Struct, frozen=True):
    """What an act would do: `said` in words, `fault` = why it cannot be asked for so."""

    verb: BulkVerb
    number: int = 0
    automations: tuple[str, ...] = ()
    said: str = ""
    fault: str = ""
    line: str = ""


def show(call: Call[FailedPage, Form | None]) -> View:
    """List errors, and the runs of the one that is filtered for."""
    query = call.query
    found = failed.listed(_listing(looked(call)))
    runs: Page[RunRow] = _runs(call) if query.error and found.items else Page([])
    counted = None
    if query.ask and call.visitor.may(Role.OPERATOR):
        counted = _counted(call, BulkVerb(query.ask), query.rate)
    values = {
        "letters": found.items,
        "next": found.next,
        "runs": runs.items,
        "runs_next": runs.next,
        "query": query,
        "states": sorted(REOPENABLE),
        "spans": SPANS,
        "counted": counted,
        "filter_fields": {name: value for name, value in _said(query).items() if value},
    }
    if counted is not None:
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
    form = call.body
    asked = _asked(call, verb, form.get("rate", ""), reason=reason_of(call))
    begun = press(call, bulk_acts.begin, asked)
    return f"/bulk/{begun.bulk}"


def _counted(call: Call[FailedPage, Any], verb: BulkVerb, rate: str) -> Counted:
    """Return what an act on all that the filter means would do; nothing is done."""
    line = command_of(verb, _said(call.query), rate.strip() or None)
    try:
        asked = _asked(call, verb, rate, dry_run=True)
        begun: bulk_acts.Begun = press(call, bulk_acts.begin, asked)
        if begun.more:
            raise ArgumentError(f"more than {MOST:,} runs fit: take them in parts")
    except MainspringError as error:
        return Counted(verb, fault=error.message, line=line)
    # An error is listed by when it came last, a run is chosen by when it was made: it may be older than what it failed by.
    created = f"created in the last {call.query.since}" if call.query.since else ""
    if not begun.count:
        none = f"No run that was {created} fits" if created else "No run fits"
        return Counted(verb, said=f"{none}, so there is nothing to do.", line=line)
    takes = ""
    if asked.rate is not None:
        each = parse_rate(asked.rate)
        takes = f" It takes some {span(round(begun.count * (each.per / timedelta(milliseconds=1)) / each.count))}."
    which = f"{many(f'{begun.count:,}', 'run')} of {many(len(begun.automations), 'automation')}"
    which += f", {created}" if created else ""
    said = f"{which}: each is {_ACTS[verb]}.{takes}"
    return Counted(verb, begun.count, begun.automations, said, line=line)


def _asked(
    call: Call[FailedPage, Any], verb: BulkVerb, rate: str, *, reason: str | None = None, dry_run: bool = False
) -> Asked:
    query = call.query
    if verb is BulkVerb.DISCARD and query.state not in (None, RunState.NEEDS_ATTENTION):
        raise OptionError("only what needs attention can be given up: a failed run has ended")
    written = rate.strip()[:40] or None
    if written is not None:
        parse_rate(written)
    return Asked(
        verb=verb,
        state=() if query.state is None else (query.state,),
        name=query.name,
        since=past_moment(call, call.query.since),
        error=query.error,
        rate=written,
        reason=reason,
        dry_run=dry_run,
    )


def _listing(call: Call[FailedPage, None]) -> Call[FailedQuery, None]:
    q = call.query
    query = FailedQuery(
        limit=q.limit,
        cursor=q.cursor,
        name=q.name,
        state=q.state,
        since=past_moment(call, call.query.since),
        error=q.error,
        gone=q.gone,
    )
    return call.asking(query)


def _runs(call: Call[FailedPage, Any]) -> Page[RunRow]:
    asked = _standing(call)
    query = msgspec.structs.replace(asked.query, limit=_RUNS, cursor=call.query.after)
    return failed.runs(msgspec.structs.replace(asked, query=query))


def _standing(call: Call[FailedPage, Any]) -> Call[StandingQuery, None]:
    query = StandingQuery(name=call.query.name, state=call.query.state)
    return call.asking(query, error=call.query.error or "")


def _said(query: FailedPage) -> dict[str, Any]:
    """Return the filter as it is said: in the link, in hidden fields, at the command line."""
    return {"state": query.state, "name": query.name, "since": query.since, "error": query.error}


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
