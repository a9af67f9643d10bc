"""`/locks`: which locks are held, by whom, for how long; one can be taken away."""

import re
import shlex
from collections.abc import Iterator
from typing import Any, Final

from mainspring.domain.access.permissions import Role
from mainspring.store.views import LockView
from mainspring.web.api import locks
from mainspring.web.api.bodies import Because, Slice
from mainspring.web.api.call import Call
from mainspring.web.dashboard.exports import pages_of
from mainspring.web.dashboard.page import Button, Form, PageRoute, View, looked, press, reason_of

_HELD_BY_STEP: Final = re.compile(r"(r_[0-9a-z]+)/")
"""The holder is an attempt of a step of this run."""


def show(call: Call[Slice, Form | None]) -> View:
    """List what is held."""
    found = locks.listed(looked(call))
    runs = {one.name: held[1] for one in found.items if (held := _HELD_BY_STEP.match(one.owner))}
    return View("Locks", {"locks": found.items, "runs": runs, "next": found.next, "quoted": shlex.quote})


def rows(call: Call[Slice, None]) -> Iterator[LockView]:
    """Give all that is held."""
    return pages_of(call, locks.listed)


def take_away(call: Call[Any, Form]) -> None:
    """Take one away from its holder."""
    press(call, locks.break_lock, Because(reason=reason_of(call)), lock=call.body.get("lock", ""))


PAGES = (
    PageRoute(
        path="/locks",
        template="locks.html",
        show=show,
        rows=rows,
        query=Slice,
        whole=True,
        nouns=("locks",),
        buttons={"break": Button(Role.OPERATOR, take_away)},
    ),
)
