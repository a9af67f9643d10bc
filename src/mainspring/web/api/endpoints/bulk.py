"""Bulk requests on runs, done at once: named runs, or those of a filter; a dry run counts them."""

from typing import Annotated

import msgspec

from mainspring.domain.errors import ArgumentError
from mainspring.domain.states import RunState
from mainspring.domain.time.rate import parse_rate
from mainspring.service.runs import bulk
from mainspring.service.runs.run_selection import RunFilter, select_run_ids
from mainspring.web.api.bodies import OperationRequest, Word
from mainspring.web.api.call import AnyApiCall, ApiCall, to_ms
from mainspring.web.api.response_types import Instant
from mainspring.web.api.route import post_route

_WITHIN_S = 60.0
_MOST = 10_000
_RunIds = Annotated[int, msgspec.Meta(ge=1, le=_MOST)]


class BulkRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A selection of runs: `runs`, or the newest `limit` of a filter. `error` = the fingerprint of their error, or its beginning.

    Spans: created from `since` to before `until`; ended, or stopped for a person, from `ended_since` to before `ended_until`.
    """

    runs: Annotated[tuple[Word, ...], msgspec.Meta(max_length=_MOST)] = ()
    state: tuple[RunState, ...] = ()
    name: Word | None = None
    queue: Word | None = None
    since: Instant | None = None
    until: Instant | None = None
    ended_since: Instant | None = None
    ended_until: Instant | None = None
    error: Word | None = None
    limit: _RunIds = 1_000
    dry_run: bool = False

    @property
    def is_filter(self) -> bool:
        """Whether a filter is set."""
        spans = (self.since, self.until, self.ended_since, self.ended_until)
        return any((self.state, self.name, self.queue, self.error, *spans))


class BulkRetryRequest(BulkRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the runs are continued: the first `at`, the others after it at a `rate` ("60/m")."""

    at: Instant | None = None
    rate: Word | None = None


class BulkCancelRequest(BulkRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`undo` = whether their steps are undone; left out: as their definitions say."""

    undo: bool | None = None


class BulkResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The result: `count` runs were selected, `runs`; after a dry run nothing else is set. `refused` = run -> reason."""

    command: str
    dry_run: bool
    count: int
    runs: tuple[str, ...]
    done: int
    refused: dict[str, str]


def bulk_response(command: str, result: bulk.BulkAnswer) -> BulkResponse:
    """Return the response of a bulk request."""
    return BulkResponse(
        command=command,
        dry_run=result.dry_run,
        count=len(result.runs),
        runs=result.runs,
        done=result.done,
        refused=result.refused,
    )


def retry(call: ApiCall[None, BulkRetryRequest]) -> BulkResponse:
    """Continue each of many runs from where it failed."""
    body, act = call.body, call.act()
    due = None
    if body.at is not None or body.rate is not None:
        first = call.site.clock.now() if body.at is None else to_ms(body.at) or 0
        due = bulk.BulkDueTimes(first, None if body.rate is None else parse_rate(body.rate))
    runs = _select_runs(call, body, bulk.RETRYABLE)
    return bulk_response(act.command, bulk.retry_each(call.site.store, runs, act=act, dry_run=body.dry_run, due=due))


def cancel(call: ApiCall[None, BulkCancelRequest]) -> BulkResponse:
    """Cancel each of many runs."""
    body, act = call.body, call.act()
    runs = _select_runs(call, body, bulk.CANCELLABLE)
    return bulk_response(
        act.command, bulk.cancel_each(call.site.store, runs, act=act, dry_run=body.dry_run, undo=body.undo)
    )


def pause(call: ApiCall[None, BulkRequest]) -> BulkResponse:
    """Pause each of many runs."""
    body, act = call.body, call.act()
    runs = _select_runs(call, body, bulk.PAUSABLE)
    return bulk_response(act.command, bulk.pause_each(call.site.store, runs, act=act, dry_run=body.dry_run))


def resume(call: ApiCall[None, BulkRequest]) -> BulkResponse:
    """Resume each of many paused runs."""
    body, act = call.body, call.act()
    runs = _select_runs(call, body, bulk.RESUMABLE)
    return bulk_response(act.command, bulk.resume_each(call.site.store, runs, act=act, dry_run=body.dry_run))


def discard(call: ApiCall[None, BulkRequest]) -> BulkResponse:
    """Discard each of many runs: one that needs a person fails, one that failed is settled."""
    body, act = call.body, call.act()
    runs = _select_runs(call, body, bulk.DISCARDABLE)
    return bulk_response(act.command, bulk.discard_each(call.site.store, runs, act=act, dry_run=body.dry_run))


def _select_runs(call: AnyApiCall, body: BulkRequest, states: tuple[RunState, ...]) -> list[str]:
    """Return the selected runs, oldest first.

    Raises:
        ArgumentError: both runs and a filter are set, or neither: a request on all runs must be explicit.
        NotFoundError: a named run does not exist for this visitor.
    """
    if bool(body.runs) == body.is_filter:
        raise ArgumentError(
            "no runs are selected", hint="Name runs, or select them by state, name, queue, error or a time."
        )
    if body.runs:
        return [call.run(run).id for run in body.runs]
    if not call.visitor.is_for_all:
        if body.name is None:
            raise ArgumentError("no automation is named", hint="Name one, because you may see only some automations.")
        if not call.visitor.may_view(body.name):
            call.missing("automation", body.name)
    return select_run_ids(
        call.site.reads,
        RunFilter(
            states=body.state or states,
            name=body.name,
            queue=body.queue,
            since_at=to_ms(body.since),
            until_at=to_ms(body.until),
            ended_since_at=to_ms(body.ended_since),
            ended_until_at=to_ms(body.ended_until),
            limit=body.limit,
            error=body.error,
        ),
    )


ROUTES = (
    post_route("bulk.retry", "/runs/retry", retry, BulkRetryRequest, BulkResponse, within_s=_WITHIN_S),
    post_route("bulk.cancel", "/runs/cancel", cancel, BulkCancelRequest, BulkResponse, within_s=_WITHIN_S),
    post_route("bulk.pause", "/runs/pause", pause, BulkRequest, BulkResponse, within_s=_WITHIN_S),
    post_route("bulk.resume", "/runs/resume", resume, BulkRequest, BulkResponse, within_s=_WITHIN_S),
    post_route("bulk.discard", "/runs/discard", discard, BulkRequest, BulkResponse, within_s=_WITHIN_S),
)
