"""A restored store: list its unfinished runs, decide on them, and release the store."""

from typing import Annotated

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import ArgumentError
from mainspring.domain.states import RunState
from mainspring.service import restore_hold
from mainspring.store.read.runs.run_views import run_view
from mainspring.store.read.status.restore_losses import LostInterval
from mainspring.store.read.status.status import meta
from mainspring.store.restore_hold import HOLD_KEY
from mainspring.store.views import RunView
from mainspring.web.api.bodies import ListQuery, OperationRequest, OperationResponse, Word, slice_rows
from mainspring.web.api.call import AnyApiCall, ApiCall
from mainspring.web.api.endpoints.bulk import BulkResponse, bulk_response
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import ApiRoute, get_route, post_route

_MOST = 1_000
_WITHIN_S = 60.0


class DecideRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decision about runs: those that are named, or `all` = up to 1,000 undecided ones, or those of an automation or state."""

    decision: restore_hold.RestoreDecision
    runs: Annotated[tuple[Word, ...], msgspec.Meta(max_length=_MOST)] = ()
    automation: Word | None = None
    state: RunState | None = None
    all: bool = False
    dry_run: bool = False


def list_undecided(call: ApiCall[ListQuery, None]) -> Page[RunView]:
    """List undecided runs that were unfinished when the store was restored; empty if the store is not on hold."""
    site = call.site
    page = slice_rows(restore_hold.list_undecided(site.reads, _MOST), lambda run: run, call.query)
    return Page([site.opening.run(run_view(site.reader, run)) for run in page.items], page.next)


def decide_runs(call: ApiCall[None, DecideRequest]) -> BulkResponse:
    """Decide on runs of a restored store: continue, done or cancel."""
    body, site, act = call.body, call.site, call.act()
    result = restore_hold.decide(
        site.store, site.reads, _select_runs(call), body.decision, act=act, dry_run=body.dry_run
    )
    return bulk_response(act.command, result)


def release_store(call: ApiCall[None, OperationRequest]) -> OperationResponse:
    """Release a restored store; every run must be decided before."""
    act = call.act()
    restore_hold.release(call.site.store, call.site.reads, act=act)
    return OperationResponse(act.command)


def list_lost_interval(call: AnyApiCall) -> LostInterval:
    """List what may have been done after the backup and is not started: at most 1,000 due times, deliveries, messages each."""
    return call.site.reads.lost_interval(_MOST)


def is_on_hold(call: AnyApiCall) -> bool:
    """Return whether the store was restored and is not released yet."""
    return meta(call.site.reader, HOLD_KEY) is not None


def _read_views(call: AnyApiCall) -> list[RunView]:
    return [run_view(call.site.reader, run) for run in restore_hold.list_undecided(call.site.reads, _MOST)]


def _select_runs(call: ApiCall[None, DecideRequest]) -> list[str]:
    """Return the selected runs. Raises ArgumentError if nothing selects them, or two fields do."""
    body = call.body
    is_filter = body.all or body.automation is not None or body.state is not None
    if bool(body.runs) == is_filter:
        raise ArgumentError(
            "no runs are selected, or in two ways", hint="Name runs, or select them by automation or state, or all."
        )
    if body.runs:
        return [call.run(run).id for run in body.runs]
    return [
        view.id
        for view in _read_views(call)
        if body.automation in (None, view.automation) and body.state in (None, view.state)
    ]


ROUTES = (
    get_route("restore.listed", "/restore/runs", list_undecided, Page[RunView], query=ListQuery, whole=True),
    get_route("restore.lost", "/restore/lost", list_lost_interval, LostInterval, whole=True),
    post_route(
        "restore.decide",
        "/restore/decide",
        decide_runs,
        DecideRequest,
        BulkResponse,
        whole=True,
        within_s=_WITHIN_S,
    ),
    ApiRoute(
        id="restore.release",
        method="POST",
        path="/restore/release",
        role=Role.ADMIN,
        handler=release_store,
        request_type=OperationRequest,
        response_type=OperationResponse,
        whole=True,
    ),
)
