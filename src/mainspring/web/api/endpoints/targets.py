"""Targets of HTTP actions: hosts with a rate limit or a circuit breaker; list and reset them."""

from mainspring.insight.effects.target_views import TargetView, view_targets
from mainspring.service import target
from mainspring.store.read.targets import list_targets
from mainspring.web.api.bodies import ListQuery, OperationRequest, OperationResponse, slice_rows
from mainspring.web.api.call import ApiCall
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import get_route, post_route


def list_hosts(call: ApiCall[ListQuery, None]) -> Page[TargetView]:
    """List the hosts with limits that got requests: state of the breaker, and what is left of the rate."""
    limits = {host: entry.limits for host, entry in call.site.settings.actions.http.targets.items()}
    views = view_targets(list_targets(call.site.reader), limits, call.site.clock.now())
    return slice_rows(views, lambda view: view.target, call.query)


def reset_host(call: ApiCall[None, OperationRequest]) -> OperationResponse:
    """Close the breaker of a host, and forget the requests that its rate counts."""
    act = call.act()
    target.reset_target(call.site.store, call.names["target"], act=act)
    return OperationResponse(act.command)


ROUTES = (
    get_route("targets.listed", "/targets", list_hosts, Page[TargetView], query=ListQuery, whole=True),
    post_route("targets.reset", "/targets/{target}/reset", reset_host, OperationRequest, OperationResponse, whole=True),
)
