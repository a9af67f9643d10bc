"""`/runs`: runs, newest first, by state, automation, queue, age and whether a retry healed them. Numbers on other pages link to it."""

import shlex
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.definitions.options import MAX_VERSION
from mainspring.domain.errors import OptionError
from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.states import RunState
from mainspring.domain.values.plain_json import decode_value
from mainspring.insight.runs.bulk_description import bulk_command
from mainspring.service.runs.bulk import CANCELLABLE
from mainspring.store.views import RunRow
from mainspring.web.api.bodies import CommitOrderQuery, Word
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import bulk_operations
from mainspring.web.api.endpoints.bulk_operations import BulkOperationRequest
from mainspring.web.api.endpoints.runs import runs
from mainspring.web.api.endpoints.runs.runs import RunsQuery
from mainspring.web.api.response_types import Page
from mainspring.web.dashboard.bulk_confirmation import BulkConfirmation, count_targets, read_rate
from mainspring.web.dashboard.exports import list_all_pages
from mainspring.web.dashboard.page_route import Form, PageButton, PageRoute, PageView, call_api, read_reason
from mainspring.web.dashboard.time_fields import list_time_errors, parse_past

_CHILD = "child of "
_FILTERS = ("name", "queue", "version", "tag", "since", "until")
_SPANS = ("1h", "8h", "24h", "7d", "30d")


class RunsPageQuery(CommitOrderQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As the API's, except that `since` and `until` may be spans back from now ("24h").

    `ask`, `rate`, `reason` = the bulk operation that is counted before it starts.
    """

    state: tuple[RunState, ...] = ()
    name: Word | None = None
    queue: Word | None = None
    version: Annotated[int, msgspec.Meta(ge=1, le=MAX_VERSION)] | None = None
    healed: bool = False
    tag: Word | None = None
    since: Word | None = None
    until: Word | None = None
    ask: Literal["cancel"] | None = None
    rate: str = ""
    reason: str = ""


class RunsPageRow(msgspec.Struct, frozen=True):
    """A run, its duration so far, its progress, and its parent.

    `is_going` = it is running, so its progress may be newer than its row.
    """

    run: RunRow
    took: int | None
    done: int | None
    total: int | None
    parent: str | None
    is_going: bool


def show(call: ApiCall[RunsPageQuery, Form | None]) -> PageView:
    """List runs."""
    query, now = call.query, call.site.clock.now()
    errors = list_time_errors(call)
    page: Page[RunRow] = Page([]) if errors else runs.list_runs(_api_call(call))
    confirmation = None
    is_selectable = not query.healed and query.version is None and query.tag is None
    if query.ask and not errors and is_selectable and call.visitor.may(Role.OPERATOR):
        confirmation = _count_targets(call)
    values = {
        "rows": [_build_row(row, now) for row in page.items],
        "next": page.next,
        "query": query,
        "time_errors": errors,
        "is_filtered": bool(query.state or query.healed or any(getattr(query, name) for name in _FILTERS)),
        "chosen": list(query.state),
        "states": [(state, _toggle_state(query.state, state)) for state in RunState],
        "spans": _SPANS,
        "command": _list_command(query),
        "counted": confirmation,
        "can_cancel": not errors and is_selectable and bool(_cancellable_states(query.state)),
        "filter_fields": [("state", state) for state in query.state]
        + ([("healed", "true")] if query.healed else [])
        + [(name, value) for name in _FILTERS if (value := getattr(query, name))],
    }
    if confirmation is not None:
        values["nouns"] = ""  # the counted numbers stay until the person decides
    return PageView("Runs", values, 400 if errors else 200)


def cancel(call: ApiCall[Any, Form]) -> str:
    """Cancel all runs of the filter that have not ended."""
    request = _cancel_request(call, rate=read_rate(call.body.get("rate", "")), reason=read_reason(call))
    started = call_api(call, bulk_operations.start_bulk_operation, request)
    return f"/bulk/{started.bulk}"


def _count_targets(call: ApiCall[RunsPageQuery, Any]) -> BulkConfirmation:
    query = call.query
    filter = {"state": _cancellable_states(query.state) if query.state else ()} | {
        name: getattr(query, name) for name in _FILTERS if name != "tag"
    }
    line = bulk_command(BulkVerb.CANCEL, filter, query.rate.strip() or None)
    return count_targets(
        BulkVerb.CANCEL,
        line,
        query.rate,
        lambda rate: call_api(
            call, bulk_operations.start_bulk_operation, _cancel_request(call, rate=rate, dry_run=True)
        ),
    )


def _cancel_request(call: ApiCall[RunsPageQuery, Any], **options: Any) -> BulkOperationRequest:
    """Return the request to the API, for the listed runs that have not ended.

    Raises:
        OptionError: none of them can be cancelled, or bulk operations have no such filter.
    """
    query = call.query
    if query.healed or query.version is not None or query.tag is not None:
        raise OptionError(
            "an operation on all runs cannot select them by version, by tag, or by a retry that fixed them",
            hint="Remove that filter.",
        )
    states = _cancellable_states(query.state)
    if not states:
        raise OptionError("only runs that have not ended can be cancelled")
    since, until = parse_past(call, query.since), parse_past(call, query.until)
    return BulkOperationRequest(
        verb="cancel", state=states, name=query.name, queue=query.queue, since=since, until=until, **options
    )


def _cancellable_states(states: tuple[RunState, ...]) -> tuple[RunState, ...]:
    """Return the states of the filter in which a run can be cancelled; without a filter all such states."""
    return tuple(state for state in CANCELLABLE if not states or state in states)


def _list_command(query: RunsPageQuery) -> str:
    """Return the options of `mainspring runs list` for the same list."""
    parts = [f"--state {state}" for state in query.state]
    parts += [f"--{name} {shlex.quote(str(value))}" for name in _FILTERS if (value := getattr(query, name))]
    parts += ["--healed"] if query.healed else []
    return "".join(f" {part}" for part in parts)


def rows(call: ApiCall[RunsPageQuery, None]) -> Iterator[RunRow]:
    """Export all of them."""
    return list_all_pages(_api_call(call), runs.list_runs)


def _api_call(call: ApiCall[RunsPageQuery, Any]) -> ApiCall[RunsQuery, None]:
    query = call.query
    api_query = RunsQuery(
        state=query.state,
        name=query.name,
        queue=query.queue,
        version=query.version,
        healed=query.healed,
        tag=() if query.tag is None else (query.tag,),
        since=parse_past(call, query.since),
        until=parse_past(call, query.until),
        limit=query.limit,
        cursor=query.cursor,
    )
    return call.with_query(api_query)


def _build_row(run: RunRow, now: int) -> RunsPageRow:
    end = run.finished_at or (now if run.state is RunState.RUNNING else None)
    duration = None if run.started_at is None or end is None else max(end - run.started_at, 0)
    done, total = read_progress(run.progress)
    parent = run.trigger.removeprefix(_CHILD) if run.trigger.startswith(_CHILD) else None
    return RunsPageRow(run, duration, done, total, parent, run.state is RunState.RUNNING)


def read_progress(data: bytes | None) -> tuple[int | None, int | None]:
    """Return how much of a run is done, and of how much, as the run reported it."""
    decoded = decode_value(data)
    return (decoded[0], decoded[1]) if isinstance(decoded, list) and len(decoded) == 2 else (None, None)


def _toggle_state(chosen: tuple[RunState, ...], state: RunState) -> list[RunState]:
    """Return the filter after this state is toggled."""
    return [known for known in RunState if (known in chosen) != (known is state)]


PAGES = (
    PageRoute(
        path="/runs",
        template="runs/runs.html",
        show=show,
        rows=rows,
        query=RunsPageQuery,
        nouns=("runs",),
        buttons={"cancel": PageButton(Role.OPERATOR, cancel)},
    ),
)
