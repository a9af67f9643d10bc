"""`/undecided`: a restored store is held; what becomes of each run that was unfinished then, and letting the store go on."""

from collections.abc import Iterator
from typing import Any

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import ArgumentError
from mainspring.insight.set_aside import counted
from mainspring.service.hold import Decision
from mainspring.store.reads.lost import LostChange
from mainspring.store.views import RunView
from mainspring.web.api import undecided
from mainspring.web.api.bodies import Because, Slice
from mainspring.web.api.call import Call
from mainspring.web.api.undecided import Decided
from mainspring.web.dashboard.exports import pages_of
from mainspring.web.dashboard.page import Button, Form, PageRoute, View, check_all, looked, press, reason_of


def show(call: Call[Slice, Form | None]) -> View:
    """List the runs that somebody has to decide on."""
    found = undecided.listed(looked(call))
    values = {"runs": found.items, "next": found.next, "is_held": undecided.is_held(call), "decisions": _SAID}
    lost = undecided.lost(call)
    text = counted(len(lost.slots), len(lost.deliveries), len(lost.messages))
    return View("Restored store", {**values, "lost": lost, "set_aside": text})


def rows(call: Call[Slice, None]) -> Iterator[RunView]:
    """Give them all."""
    return pages_of(call, undecided.listed)


def changes(call: Call[Slice, None]) -> tuple[LostChange, ...]:
    """Return what people changed after the backup."""
    return undecided.lost(call).changes or ()


def decide(call: Call[Any, Form]) -> None:
    """Decide on one run, or on all that are left."""
    form = call.body
    try:
        decision = Decision(form.get("decision", ""))
    except ValueError:
        raise ArgumentError("what becomes of it?", hint=f"One of: {', '.join(Decision)}.") from None
    run = form.get("run", "")
    which = {"runs": (run,)} if run else {"all": True}
    check_all(press(call, undecided.decide, Decided(decision=decision, reason=reason_of(call), **which)))


def release(call: Call[Any, Form]) -> None:
    """Let the store go on."""
    press(call, undecided.release, Because(reason=reason_of(call)))


_SAID = {
    Decision.CONTINUE: "from where the backup knows it; what it did after that runs again",
    Decision.DONE: "what was left has happened since",
    Decision.CANCEL: "it never goes on",
}

PAGES = (
    PageRoute(
        path="/undecided",
        template="undecided.html",
        show=show,
        rows=rows,
        tables={"changes": changes},
        query=Slice,
        whole=True,
        nouns=("runs", "audit-log"),
        buttons={"decide": Button(Role.OPERATOR, decide), "release": Button(Role.ADMIN, release)},
        at="/settings",
    ),
)
