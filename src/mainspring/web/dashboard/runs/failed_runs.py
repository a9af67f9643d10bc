"""`/failed`: the errors of failed runs, the runs of an error, and bulk operations on all runs of the filter, counted before they start."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.states import REOPENABLE_STATES, RunState
from mainspring.insight.runs.bulk_description import bulk_command
from mainspring.insight.runs.dead_letters import DeadLetterGroup
from mainspring.store.views import RunRow
from mainspring.web.api.bodies import ListQuery, Number, Word
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import bulk_operations
from mainspring.web.api.endpoints.bulk_operations import BulkOperationRequest
from mainspring.web.api.endpoints.runs import failed_runs
from mainspring.web.api.endpoints.runs.failed_runs import FailedErrorsQuery, StoppedRunsQuery
from mainspring.web.api.response_types import Page
from mainspring.web.dashboard.bulk_confirmation import BulkConfirmation, count_targets, read_rate
from mainspring.web.dashboard.exports import list_all_pages
from mainspring.web.dashboard.page_route import Form, PageButton, PageRoute, PageView, api_call, call_api, read_reason
from mainspring.web.dashboard.time_fields import SPANS, Since, parse_past

_RUNS = 50
_FILTER = ("state", "name", "since", "error")


class FailedPageQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The filter; `after` = the position in the list of runs. `ask`, `rate`, `reason` = the operation that is counted first."""

    name: Word | None = None
    state: RunState | None = None
    since: Since | None = None
    error: Word | None = None
    gone: bool = False
    after: Number | None = None
    ask: Literal["retry", "discard"] | None = None
    rate: str = ""
    reason: str = ""


def show(call: ApiCall[FailedPageQuery, Form | None]) -> PageView:
    """List errors, and the runs of the filtered error."""
    query = call.query
    errors = failed_runs.list_errors(_errors_call(api_call(call)))
    runs: Page[RunRow] = _list_runs(call) if query.error and errors.items else Page([])
    confirmation = None
    if query.ask and call.visitor.may(Role.OPERATOR):
        confirmation = _count_targets(call, BulkVerb(query.ask))
    values = {
        "groups": errors.items,
        "next": errors.next,
        "runs": runs.items,
        "runs_next": runs.next,
        "query": query,
        "states": sorted(REOPENABLE_STATES),
        "spans": SPANS,
        "counted": confirmation,
        "filter_fields": [(name, value) for name in _FILTER if (value := getattr(query, name))],
    }
    if confirmation is not None:
        values["nouns"] = ""  # the counted numbers stay until the person decides
    return PageView("Failed", values)


def rows(call: ApiCall[FailedPageQuery, None]) -> Iterator[DeadLetterGroup]:
    """Export all errors of the filter."""
    return list_all_pages(_errors_call(call), failed_runs.list_errors)


def rows_of_stopped_runs(call: ApiCall[FailedPageQuery, None]) -> Iterator[RunRow]:
    """Export the runs of the filtered error."""
    query = call.query
    if not query.error or not failed_runs.list_errors(_errors_call(call)).items:
        return iter(())
    return list_all_pages(_runs_call(call), failed_runs.list_runs_of_error)


def retry(call: ApiCall[Any, Form]) -> str:
    """Continue all runs of the filter."""
    return _start(call, BulkVerb.RETRY)


def discard(call: ApiCall[Any, Form]) -> str:
    """Discard all runs of the filter."""
    return _start(call, BulkVerb.DISCARD)


def _start(call: ApiCall[FailedPageQuery, Form], verb: BulkVerb) -> str:
    request = _build_request(call, verb, rate=read_rate(call.body.get("rate", "")), reason=read_reason(call))
    started = call_api(call, bulk_operations.start_bulk_operation, request)
    return f"/bulk/{started.bulk}"


def _count_targets(call: ApiCall[FailedPageQuery, Any], verb: BulkVerb) -> BulkConfirmation:
    """Return the effect of an operation on all runs of the filter; nothing is done."""
    query = call.query
    filter = {"state": query.state, "name": query.name, "ended_since": query.since, "error": query.error}
    line = bulk_command(verb, filter, query.rate.strip() or None)
    return count_targets(
        verb,
        line,
        query.rate,
        lambda rate: call_api(
            call, bulk_operations.start_bulk_operation, _build_request(call, verb, rate=rate, dry_run=True)
        ),
    )


def _build_request(call: ApiCall[FailedPageQuery, Any], verb: BulkVerb, **options: Any) -> BulkOperationRequest:
    """Return the request to the API: for runs that have waited since the same instant as the listed errors."""
    query = call.query
    return BulkOperationRequest(
        verb="retry" if verb is BulkVerb.RETRY else "discard",
        state=() if query.state is None else (query.state,),
        name=query.name,
        ended_since=parse_past(call, query.since),
        error=query.error,
        **options,
    )


def _errors_call(call: ApiCall[FailedPageQuery, None]) -> ApiCall[FailedErrorsQuery, None]:
    page_query = call.query
    query = FailedErrorsQuery(
        limit=page_query.limit,
        cursor=page_query.cursor,
        name=page_query.name,
        state=page_query.state,
        since=parse_past(call, page_query.since),
        error=page_query.error,
        gone=page_query.gone,
    )
    return call.with_query(query)


def _list_runs(call: ApiCall[FailedPageQuery, Any]) -> Page[RunRow]:
    api_request = _runs_call(call)
    query = msgspec.structs.replace(api_request.query, limit=_RUNS, cursor=call.query.after)
    return failed_runs.list_runs_of_error(msgspec.structs.replace(api_request, query=query))


def _runs_call(call: ApiCall[FailedPageQuery, Any]) -> ApiCall[StoppedRunsQuery, None]:
    page_query = call.query
    query = StoppedRunsQuery(name=page_query.name, state=page_query.state, since=parse_past(call, page_query.since))
    return call.with_query(query, error=page_query.error or "")


PAGES = (
    PageRoute(
        path="/failed",
        template="runs/failed.html",
        show=show,
        rows=rows,
        tables={"runs": rows_of_stopped_runs},
        query=FailedPageQuery,
        nouns=("runs", "incidents"),
        buttons={"retry": PageButton(Role.OPERATOR, retry), "discard": PageButton(Role.OPERATOR, discard)},
    ),
)
