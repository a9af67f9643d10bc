"""Reads of rollouts: the list, and one rollout. A visitor sees those of the automations that it sees."""

from typing import Final

from mainspring.domain.rollouts.rollout import Rollout
from mainspring.insight.rollouts.rollout_view import RolloutView, make_rollout_view
from mainspring.store.read import rollouts
from mainspring.web.api.bodies import CommitOrderQuery, Word
from mainspring.web.api.call import AnyApiCall, ApiCall
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import get_route

_MOST = 10_000
"""Rollouts that are searched, newest first."""
_MOST_DIGITS: Final = 18


class RolloutsQuery(CommitOrderQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of rollouts: those of one automation; `active` = only those that divide new runs."""

    automation: Word | None = None
    active: bool = False


def list_rollouts(call: ApiCall[RolloutsQuery, None]) -> Page[RolloutView]:
    """List rollouts, newest first."""
    query, before = call.query, call.query.cursor
    matching = [
        rollout
        for rollout in rollouts.list_rollouts(call.site.reader, query.automation, active=query.active, limit=_MOST)
        if call.visitor.may_view(rollout.automation) and (before is None or rollout.id < before)
    ]
    page_rows = matching[: query.limit]
    next_cursor = str(page_rows[-1].id) if len(matching) > len(page_rows) else None
    return Page([_make_view(call, rollout) for rollout in page_rows], next_cursor)


def show_rollout(call: AnyApiCall) -> RolloutView:
    """Show a rollout: its state, its steps, the runs of both versions in the step that counts, and what happens next."""
    return _make_view(call, find_rollout(call))


def find_rollout(call: AnyApiCall) -> Rollout:
    """Return the rollout that the path names. Raises NotFoundError."""
    id = call.names["rollout"]
    is_number = id.isascii() and id.isdecimal() and len(id) <= _MOST_DIGITS
    rollout = rollouts.find_rollout(call.site.reader, int(id)) if is_number else None
    if rollout is None or not call.visitor.may_view(rollout.automation):
        call.missing("rollout", id)
    return rollout


def _make_view(call: AnyApiCall, rollout: Rollout) -> RolloutView:
    site = call.site
    return make_rollout_view(site.reader, rollout, site.clock.now(), site.settings.project.timezone)


ROUTES = (
    get_route("rollouts.listed", "/rollouts", list_rollouts, Page[RolloutView], query=RolloutsQuery),
    get_route("rollouts.shown", "/rollouts/{rollout}", show_rollout, RolloutView),
)
