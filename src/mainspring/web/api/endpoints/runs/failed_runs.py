"""Failed runs and runs that need a person: list their errors (dead letters), and the runs of an error."""

from mainspring.domain.errors import ArgumentError
from mainspring.domain.states import REOPENABLE_STATES, RunState
from mainspring.insight.runs.dead_letters import (
    DeadLetterCursor,
    DeadLetterFilter,
    DeadLetterGroup,
    list_dead_letters,
    list_stopped_runs,
)
from mainspring.store.views import RunRow
from mainspring.web.api.bodies import CommitOrderQuery, ListQuery, Word
from mainspring.web.api.call import ApiCall, to_ms
from mainspring.web.api.response_types import Instant, Page
from mainspring.web.api.route import get_route

_MAX_ERRORS = 100
"""Errors that are read for a page of the list; `next` continues behind them."""


class FailedErrorsQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of errors: of this automation, by runs in this state that are stopped since then, with a fingerprint that begins with
    `error`.

    `gone` = also errors without stopped runs.
    """

    name: Word | None = None
    state: RunState | None = None
    since: Instant | None = None
    error: Word | None = None
    gone: bool = False


class StoppedRunsQuery(CommitOrderQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of the runs: of this automation, in this state, stopped since then."""

    name: Word | None = None
    state: RunState | None = None
    since: Instant | None = None


def list_errors(call: ApiCall[FailedErrorsQuery, None]) -> Page[DeadLetterGroup]:
    """List the errors of runs that wait for a decision, the error of the newest failure first."""
    query = call.query
    error_filter = DeadLetterFilter(
        states=_states_of(query.state),
        name=query.name,
        since_at=to_ms(query.since),
        error=query.error,
        gone=query.gone,
        may_view=call.visitor.may_view,
    )
    after = None if query.cursor is None else _parse_cursor(query.cursor)
    groups: list[DeadLetterGroup] = []
    last = None
    for number, (position, group) in enumerate(list_dead_letters(call.site.reader, error_filter, after)):
        if len(groups) == query.limit or number == _MAX_ERRORS:
            return Page(groups, last)
        last = f"{-position[0]}.{position[1]}"
        if group is not None:
            groups.append(group)
    return Page(groups)


def _parse_cursor(cursor: str) -> DeadLetterCursor:
    at, dot, fingerprint = cursor.partition(".")
    if not dot or not at.isascii() or not at.isdecimal():
        raise ArgumentError(f"{cursor!r} is not a cursor of errors", hint="Use `next` of the previous page.")
    return -int(at), fingerprint


def list_runs_of_error(call: ApiCall[StoppedRunsQuery, None]) -> Page[RunRow]:
    """List the runs that an error stopped, the newest failure first."""
    query = call.query
    error_filter = DeadLetterFilter(
        states=_states_of(query.state),
        name=query.name,
        since_at=to_ms(query.since),
        error=call.names["error"],
        may_view=call.visitor.may_view,
    )
    positioned = list_stopped_runs(call.site.reader, error_filter, limit=query.limit + 1, cursor=query.cursor)
    opening = call.site.opening
    is_more = sum(position > 0 for position, _ in positioned) > query.limit
    listed = positioned[:-1] if is_more else positioned
    return Page([opening.row(row) for _, row in listed], str(listed[-1][0]) if is_more else None)


def _states_of(state: RunState | None) -> tuple[RunState, ...]:
    if state is not None and state not in REOPENABLE_STATES:
        raise ArgumentError(
            f"no stopped run has the state {state}", hint=f"One of: {', '.join(sorted(REOPENABLE_STATES))}."
        )
    return tuple(sorted(REOPENABLE_STATES)) if state is None else (state,)


ROUTES = (
    get_route("failed.listed", "/failed", list_errors, Page[DeadLetterGroup], query=FailedErrorsQuery),
    get_route("failed.runs", "/failed/{error}/runs", list_runs_of_error, Page[RunRow], query=StoppedRunsQuery),
)
