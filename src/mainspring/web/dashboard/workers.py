"""`/workers`: the processes that use the store, what each has in hand and when it was last heard of; drain, quarantine."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from mainspring.domain.access.permissions import Role
from mainspring.domain.states import SessionState
from mainspring.insight.health import is_silent
from mainspring.store.session_view import SessionView
from mainspring.web.api import workers
from mainspring.web.api.bodies import Because
from mainspring.web.api.call import Call
from mainspring.web.api.workers import WorkersQuery
from mainspring.web.dashboard.exports import pages_of
from mainspring.web.dashboard.page import Button, Form, PageRoute, View, looked, press, reason_of

_MOST_NAMED = 50
"""Automations of one process that are named."""


def show(call: Call[WorkersQuery, Form | None]) -> View:
    """List processes, and how many there are of each role."""
    processes = workers.found(looked(call))
    live = [one for one in processes if one.ended_at is None]
    found = workers.part_of(processes, call.query)
    roles = Counter(one.role for one in live)
    return View(
        "Workers",
        {
            "workers": found.items,
            "next": found.next,
            "roles": sorted(roles.items()),
            "deploy": max((one.deploy for one in live), default=0),
            "query": call.query,
            "most_named": _MOST_NAMED,
            "alive": SessionState.ALIVE,
            "is_silent": lambda one: is_silent(one, call.site.clock.now()),
        },
    )


def rows(call: Call[WorkersQuery, None]) -> Iterator[SessionView]:
    """Give them all."""
    return pages_of(call, workers.listed)


def drain(call: Call[Any, Form]) -> None:
    """Let one take nothing new."""
    press(call, workers.drain, Because(reason=reason_of(call)), worker=call.body.get("worker", ""))


def quarantine(call: Call[Any, Form]) -> None:
    """Take everything away from one."""
    press(call, workers.quarantine, Because(reason=reason_of(call)), worker=call.body.get("worker", ""))


PAGES = (
    PageRoute(
        path="/workers",
        template="workers.html",
        show=show,
        rows=rows,
        query=WorkersQuery,
        whole=True,
        nouns=("workers", "runs"),
        buttons={"drain": Button(Role.OPERATOR, drain), "quarantine": Button(Role.OPERATOR, quarantine)},
    ),
)
