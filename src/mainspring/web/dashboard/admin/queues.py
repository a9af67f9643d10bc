"""`/queues`: limits and load of each queue, and whether it is paused; pause, resume."""

import shlex
from collections.abc import Iterator
from typing import Any

from mainspring.domain.access.permissions import Role
from mainspring.insight.text.formatting import format_rate
from mainspring.store.queue_load import QueueLoad
from mainspring.web.api.bodies import ListQuery, OperationRequest
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import queues
from mainspring.web.dashboard.exports import list_all_pages
from mainspring.web.dashboard.page_route import Form, PageButton, PageRoute, PageView, api_call, call_api, read_reason


def show(call: ApiCall[ListQuery, Form | None]) -> PageView:
    """List queues by name."""
    page = queues.list_queues(api_call(call))
    return PageView("Queues", {"queues": page.items, "next": page.next, "rate": format_rate, "words": _shell_words})


def rows(call: ApiCall[ListQuery, None]) -> Iterator[QueueLoad]:
    """Export all of them."""
    return list_all_pages(call, queues.list_queues)


def pause(call: ApiCall[Any, Form]) -> None:
    """Pause a queue."""
    call_api(call, queues.pause_queue, OperationRequest(reason=read_reason(call)), queue=call.body.get("queue", ""))


def resume(call: ApiCall[Any, Form]) -> None:
    """Resume a queue."""
    call_api(call, queues.resume_queue, OperationRequest(reason=read_reason(call)), queue=call.body.get("queue", ""))


def _shell_words(*words: str) -> str:
    return shlex.join(["mainspring", "queues", *words])


PAGES = (
    PageRoute(
        path="/queues",
        template="admin/queues.html",
        show=show,
        rows=rows,
        query=ListQuery,
        whole=True,
        nouns=("queues", "runs", "workers"),
        buttons={"pause": PageButton(Role.OPERATOR, pause), "resume": PageButton(Role.OPERATOR, resume)},
    ),
)
