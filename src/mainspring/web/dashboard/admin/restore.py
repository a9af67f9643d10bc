"""`/restore`: after a restore, decide on each run that was unfinished then, and release the store."""

from collections.abc import Iterator
from typing import Any

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import ArgumentError
from mainspring.insight.status.lost_interval import count_text
from mainspring.service.restore_hold import RestoreDecision
from mainspring.store.read.status.restore_losses import LostChange
from mainspring.store.views import RunView
from mainspring.web.api.bodies import ListQuery, OperationRequest
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import restore
from mainspring.web.api.endpoints.restore import DecideRequest
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
    """List the runs that need a decision."""
    page = restore.list_undecided(api_call(call))
    values = {
        "runs": page.items,
        "next": page.next,
        "is_held": restore.is_on_hold(call),
        "decisions": _DECISION_WORDS,
    }
    lost = restore.list_lost_interval(call)
    text = count_text(len(lost.slots), len(lost.deliveries), len(lost.messages))
    return PageView("Restored store", {**values, "lost": lost, "set_aside": text})


def rows(call: ApiCall[ListQuery, None]) -> Iterator[RunView]:
    """Export all of them."""
    return list_all_pages(call, restore.list_undecided)


def rows_of_changes(call: ApiCall[ListQuery, None]) -> tuple[LostChange, ...]:
    """Return operations of people after the backup."""
    return restore.list_lost_interval(call).changes or ()


def decide(call: ApiCall[Any, Form]) -> None:
    """Decide on one run, or on all undecided ones."""
    form = call.body
    try:
        decision = RestoreDecision(form.get("decision", ""))
    except ValueError:
        raise ArgumentError("no decision is given", hint=f"One of: {', '.join(RestoreDecision)}.") from None
    run = form.get("run", "")
    selection = {"runs": (run,)} if run else {"all": True}
    require_all_done(
        call_api(call, restore.decide_runs, DecideRequest(decision=decision, reason=read_reason(call), **selection))
    )


def release(call: ApiCall[Any, Form]) -> None:
    """Release the store."""
    call_api(call, restore.release_store, OperationRequest(reason=read_reason(call)))


_DECISION_WORDS = {
    RestoreDecision.CONTINUE: "continue it from its state in the backup; what it did later runs again",
    RestoreDecision.DONE: "what was left to do is done already",
    RestoreDecision.CANCEL: "it never continues",
}

PAGES = (
    PageRoute(
        path="/restore",
        template="admin/restore.html",
        show=show,
        rows=rows,
        tables={"changes": rows_of_changes},
        query=ListQuery,
        whole=True,
        nouns=("runs", "audit-log"),
        buttons={"decide": PageButton(Role.OPERATOR, decide), "release": PageButton(Role.ADMIN, release)},
        at="/settings",
    ),
)
