"""`/queues`: limits and load of each queue, and whether it is paused; pause, resume."""

import shlex
from collections.abc import Iterator
from typing import Any

from mainspring.domain.access.permissions import Role
from mainspring.insight.words import rate_text
from mainspring.store.load import QueueLoad
from mainspring.web.api import queues
from mainspring.web.api.bodies import Because, Slice
from mainspring.web.api.call import Call
from mainspring.web.dashboard.exports import pages_of
from mainspring.web.dashboard.page import Button, Form, PageRoute, View, looked, press, reason_of


def show(call: Call[Slice, Form | None]) -> View:
    """List queues by name."""
    found = queues.listed(looked(call))
    return View("Queues", {"queues": found.items, "next": found.next, "rate": rate_text, "words": _words})


def rows(call: Call[Slice, None]) -> Iterator[QueueLoad]:
    """Give them all."""
    return pages_of(call, queues.listed)


def pause(call: Call[Any, Form]) -> None:
    """Let nothing be taken from one."""
    press(call, queues.pause, Because(reason=reason_of(call)), queue=call.body.get("queue", ""))


def resume(call: Call[Any, Form]) -> None:
    """Go on with one."""
    press(call, queues.resume, Because(reason=reason_of(call)), queue=call.body.get("queue", ""))


def _words(*words: str) -> str:
    return shlex.join(["mainspring", "queues", *words])


PAGES = (
    PageRoute(
        path="/queues",
        template="queues.html",
        show=show,
        rows=rows,
        query=Slice,
        whole=True,
        nouns=("queues", "runs", "workers"),
        buttons={"pause": Button(Role.OPERATOR, pause), "resume": Button(Role.OPERATOR, resume)},
    ),
)
