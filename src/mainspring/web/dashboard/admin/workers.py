"""`/workers`: the processes that use the store, what each has claimed and its last heartbeat; drain and quarantine."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from mainspring.domain.access.permissions import Role
from mainspring.domain.states import SessionState
from mainspring.insight.status.component_health import is_silent
from mainspring.store.session_views import SessionView
from mainspring.web.api.bodies import OperationRequest
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import workers
from mainspring.web.api.endpoints.workers import WorkersQuery
from mainspring.web.dashboard.exports import list_all_pages
from mainspring.web.dashboard.page_route import Form, PageButton, PageRoute, PageView, api_call, call_api, read_reason

_MOST_NAMED = 50
"""Automations of one process that are listed by name."""


def show(call: ApiCall[WorkersQuery, Form | None]) -> PageView:
    """List processes, and count them by role."""
    processes = workers.read_processes(api_call(call))
    live = [session for session in processes if session.ended_at is None]
    page = workers.slice_processes(processes, call.query)
    roles = Counter(session.role for session in live)
    return PageView(
        "Workers",
        {
            "workers": page.items,
            "next": page.next,
            "roles": sorted(roles.items()),
            "deploy": max((session.deploy for session in live), default=0),
            "query": call.query,
            "most_named": _MOST_NAMED,
            "alive": SessionState.ALIVE,
            "is_silent": lambda session: is_silent(session, call.site.clock.now()),
        },
    )


def rows(call: ApiCall[WorkersQuery, None]) -> Iterator[SessionView]:
    """Export all of them."""
    return list_all_pages(call, workers.list_workers)


def drain(call: ApiCall[Any, Form]) -> None:
    """Drain a worker."""
    call_api(call, workers.drain_worker, OperationRequest(reason=read_reason(call)), worker=call.body.get("worker", ""))


def quarantine(call: ApiCall[Any, Form]) -> None:
    """Quarantine a worker."""
    call_api(
        call, workers.quarantine_worker, OperationRequest(reason=read_reason(call)), worker=call.body.get("worker", "")
    )


PAGES = (
    PageRoute(
        path="/workers",
        template="admin/workers.html",
        show=show,
        rows=rows,
        query=WorkersQuery,
        whole=True,
        nouns=("workers", "runs"),
        buttons={"drain": PageButton(Role.OPERATOR, drain), "quarantine": PageButton(Role.OPERATOR, quarantine)},
    ),
)
