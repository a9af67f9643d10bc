"""`/targets`: hosts with a rate limit or a circuit breaker, and what is left of both; one can be reset."""

import shlex
from collections.abc import Iterator
from typing import Any

from mainspring.domain.access.permissions import Role
from mainspring.insight.effects.target_views import TargetView
from mainspring.web.api.bodies import ListQuery, OperationRequest
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import targets
from mainspring.web.dashboard.exports import list_all_pages
from mainspring.web.dashboard.page_route import Form, PageButton, PageRoute, PageView, api_call, call_api, read_reason


def show(call: ApiCall[ListQuery, Form | None]) -> PageView:
    """List hosts."""
    page = targets.list_hosts(api_call(call))
    return PageView("Targets", {"targets": page.items, "next": page.next, "quoted": shlex.quote})


def rows(call: ApiCall[ListQuery, None]) -> Iterator[TargetView]:
    """Export all hosts."""
    return list_all_pages(call, targets.list_hosts)


def reset_host_of_form(call: ApiCall[Any, Form]) -> None:
    """Reset a host."""
    call_api(call, targets.reset_host, OperationRequest(reason=read_reason(call)), target=call.body.get("target", ""))


PAGES = (
    PageRoute(
        path="/targets",
        template="admin/targets.html",
        show=show,
        rows=rows,
        query=ListQuery,
        whole=True,
        buttons={"reset": PageButton(Role.OPERATOR, reset_host_of_form)},
    ),
)
