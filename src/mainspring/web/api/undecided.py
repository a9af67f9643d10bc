"""A restored store: which runs were unfinished then; decide on them, and let the store go on."""

from typing import Annotated

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import ArgumentError
from mainspring.domain.states import RunState
from mainspring.service import hold
from mainspring.store.held import HELD
from mainspring.store.reads.lost import LostInterval
from mainspring.store.reads.runs import run_view
from mainspring.store.reads.status import meta
from mainspring.store.views import RunView
from mainspring.web.api.bodies import Because, Done, Slice, Word, slice_of
from mainspring.web.api.bulk import Answered, answered
from mainspring.web.api.call import AnyCall, Call
from mainspring.web.api.route import ApiRoute, acts, reads
from mainspring.web.api.shape import Page

_MOST = 1_000
_WITHIN_S = 60.0


class Decided(Because, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of which runs: those that are named, or of at most 1,000 undecided ones `all`, or those of an automation or state."""

    decision: hold.Decision
    runs: Annotated[tuple[Word, ...], msgspec.Meta(max_length=_MOST)] = ()
    automation: Word | None = None
    state: RunState | None = None
    all: bool = False
    dry_run: bool = False


def listed(call: Call[Slice, None]) -> Page[RunView]:
    """List runs that were unfinished when the store was restored, and that nobody has decided on; none where it is not held."""
    site = call.site
    page = slice_of(hold.undecided(site.reads, _MOST), lambda run: run, call.query)
    return Page([site.opening.run(run_view(site.reader, run)) for run in page.items], page.next)


def decide(call: Call[None, Decided]) -> Answered:
    """Decide on runs of a restored store: continue, done or cancel."""
    body, site, act = call.body, call.site, call.act()
    answer = hold.decide(site.store, site.reads, _chosen(call), body.decision, act=act, dry_run=body.dry_run)
    return answered(act.command, answer)


def release(call: Call[None, Because]) -> Done:
    """Let a restored store go on; every run has to be decided before."""
    act = call.act()
    hold.release(call.site.store, call.site.reads, act=act)
    return Done(act.command)


def lost(call: AnyCall) -> LostInterval:
    """List what may have been done between backup and restoring, and was set aside: at most 1,000 due times, deliveries, messages each."""
    return call.site.reads.lost_interval(_MOST)


def is_held(call: AnyCall) -> bool:
    """Tell whether the store was restored and is not released yet."""
    return meta(call.site.reader, HELD) is not None


def _views(call: AnyCall) -> list[RunView]:
    return [run_view(call.site.reader, run) for run in hold.undecided(call.site.reads, _MOST)]


def _chosen(call: Call[None, Decided]) -> list[str]:
    """Return the runs that are meant. Raises ArgumentError where nothing says which, or two things do."""
    body = call.body
    is_filter = body.all or body.automation is not None or body.state is not None
    if bool(body.runs) == is_filter:
        raise ArgumentError("which runs?", hint="Name runs, or say which by automation or state, or all.")
    if body.runs:
        return [call.run(run).id for run in body.runs]
    return [
        one.id for one in _views(call) if body.automation in (None, one.automation) and body.state in (None, one.state)
    ]


ROUTES = (
    reads("undecided.listed", "/undecided", listed, Page[RunView], query=Slice, whole=True),
    reads("undecided.lost", "/undecided/lost", lost, LostInterval, whole=True),
    acts("undecided.decide", "/undecided/decide", decide, Decided, Answered, whole=True, within_s=_WITHIN_S),
    ApiRoute(
        id="undecided.release",
        method="POST",
        path="/undecided/release",
        role=Role.ADMIN,
        handler=release,
        takes=Because,
        gives=Done,
        whole=True,
    ),
)
