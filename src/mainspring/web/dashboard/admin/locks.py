"""`/locks`: holders of locks and those that wait, with age and place in line; a lock can be broken."""

import re
import shlex
from collections.abc import Iterator
from typing import Any, Final

from mainspring.domain.access.permissions import Role
from mainspring.store.views import LockView
from mainspring.web.api.bodies import ListQuery
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import locks
from mainspring.web.dashboard.exports import list_all_pages
from mainspring.web.dashboard.page_route import Form, PageButton, PageRoute, PageView, api_call, call_api, read_reason

_STEP_HOLDER: Final = re.compile(r"(r_[0-9a-z]+)/")
"""The holder is an attempt of a step of this run."""


def show(call: ApiCall[ListQuery, Form | None]) -> PageView:
    """List holders and waiters."""
    page = locks.list_locks(api_call(call))
    runs = {lock.owner: match[1] for lock in page.items if (match := _STEP_HOLDER.match(lock.owner))}
    return PageView("Locks", {"locks": page.items, "runs": runs, "next": page.next, "quoted": shlex.quote})


def rows(call: ApiCall[ListQuery, None]) -> Iterator[LockView]:
    """Export all held locks."""
    return list_all_pages(call, locks.list_locks)


def break_lock_of_form(call: ApiCall[Any, Form]) -> None:
    """Take a slot of a lock from its holder."""
    slot = call.body.get("slot", "")
    request = locks.BreakLockRequest(reason=read_reason(call), slot=int(slot) if slot.isdecimal() else None)
    call_api(call, locks.break_lock, request, lock=call.body.get("lock", ""))


PAGES = (
    PageRoute(
        path="/locks",
        template="admin/locks.html",
        show=show,
        rows=rows,
        query=ListQuery,
        whole=True,
        nouns=("locks",),
        buttons={"break": PageButton(Role.OPERATOR, break_lock_of_form)},
    ),
)
