"""`/outbox`: what steps sent and no broker has yet, what is in the way, and the messages that wait for a person."""

from collections.abc import Iterator
from typing import Any

from mainspring.domain.access.permissions import Role
from mainspring.store.reads.outbox import OutboxMessage, OutboxQueue
from mainspring.web.api import outbox
from mainspring.web.api.bodies import Slice
from mainspring.web.api.call import Call
from mainspring.web.api.outbox import Messages
from mainspring.web.dashboard.exports import pages_of
from mainspring.web.dashboard.page import Button, Form, PageRoute, View, check_all, looked, press, reason_of


def show(call: Call[Slice, Form | None]) -> View:
    """List queues with something unsent, and messages that were refused."""
    found = outbox.refused(looked(call))
    queues = outbox.listed(looked(call)).items
    return View("Outbox", {"queues": queues, "messages": found.items, "next": found.next})


def rows(call: Call[Slice, None]) -> Iterator[OutboxMessage]:
    """Give all messages that were refused."""
    return pages_of(call, outbox.refused)


def rows_of_queues(call: Call[Slice, None]) -> list[OutboxQueue]:
    """Give all queues with something unsent."""
    return outbox.listed(call).items


def send_again(call: Call[Any, Form]) -> None:
    """Let one be sent again, or all that were refused."""
    check_all(press(call, outbox.send_again, _which(call)))


def discard(call: Call[Any, Form]) -> None:
    """Forget one, or all that were refused."""
    check_all(press(call, outbox.discard, _which(call)))


def _which(call: Call[Any, Form]) -> Messages:
    message, reason = call.body.get("message", ""), reason_of(call)
    return Messages(messages=(message,), reason=reason) if message else Messages(all=True, reason=reason)


PAGES = (
    PageRoute(
        path="/outbox",
        template="outbox.html",
        show=show,
        rows=rows,
        tables={"queues": rows_of_queues},
        query=Slice,
        whole=True,
        nouns=("outbox",),
        buttons={"send-again": Button(Role.OPERATOR, send_again), "discard": Button(Role.OPERATOR, discard)},
        at="/settings",
    ),
)
