"""`/outbox`: messages of steps that no broker has accepted yet, the obstacles, and the messages that wait for a person."""

from collections.abc import Iterator
from typing import Any

from mainspring.domain.access.permissions import Role
from mainspring.store.read.outbox import OutboxMessage, OutboxQueue
from mainspring.web.api.bodies import ListQuery
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import outbox
from mainspring.web.api.endpoints.outbox import OutboxRequest
from mainspring.web.dashboard.exports import list_all_pages
from mainspring.web.dashboard.page_route import (
    Form,
    PageButton,
    PageRoute,
    PageView,
    api_call,
    call_api,
    read_reason,
    require_all_done,
)


def show(call: ApiCall[ListQuery, Form | None]) -> PageView:
    """List queues with unsent messages, and rejected messages."""
    page = outbox.list_refused(api_call(call))
    queues = outbox.list_queues(api_call(call)).items
    return PageView("Outbox", {"queues": queues, "messages": page.items, "next": page.next})


def rows(call: ApiCall[ListQuery, None]) -> Iterator[OutboxMessage]:
    """Export all rejected messages."""
    return list_all_pages(call, outbox.list_refused)


def rows_of_queues(call: ApiCall[ListQuery, None]) -> list[OutboxQueue]:
    """Export all queues with unsent messages."""
    return outbox.list_queues(call).items


def send_again(call: ApiCall[Any, Form]) -> None:
    """Send one again, or all rejected ones."""
    require_all_done(call_api(call, outbox.send_again, _read_selection(call)))


def discard(call: ApiCall[Any, Form]) -> None:
    """Discard one, or all rejected ones."""
    require_all_done(call_api(call, outbox.discard, _read_selection(call)))


def _read_selection(call: ApiCall[Any, Form]) -> OutboxRequest:
    message, reason = call.body.get("message", ""), read_reason(call)
    return OutboxRequest(messages=(message,), reason=reason) if message else OutboxRequest(all=True, reason=reason)


PAGES = (
    PageRoute(
        path="/outbox",
        template="triggers/outbox.html",
        show=show,
        rows=rows,
        tables={"queues": rows_of_queues},
        query=ListQuery,
        whole=True,
        nouns=("outbox",),
        buttons={"send-again": PageButton(Role.OPERATOR, send_again), "discard": PageButton(Role.OPERATOR, discard)},
        at="/settings",
    ),
)
