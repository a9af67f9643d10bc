"""Locks, held and awaited: list and break them."""

from mainspring.service import lock
from mainspring.store.read.status.status import locks
from mainspring.store.views import LockView
from mainspring.web.api.bodies import ListQuery, Number, OperationRequest, OperationResponse, slice_rows
from mainspring.web.api.call import ApiCall
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import get_route, post_route


def list_locks(call: ApiCall[ListQuery, None]) -> Page[LockView]:
    """List the holders of locks, and those that wait for one (`place`); `live` = 0 if the process of the holder is gone."""
    return slice_rows(locks(call.site.reader), _order_of, call.query)


def _order_of(lock_view: LockView) -> str:
    """Return the place of a row in the list, which no other row has."""
    return f"{lock_view.name} {lock_view.place or 0:06} {lock_view.slot or 0:04}"


class BreakLockRequest(OperationRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The lock to break; `slot` = only this one of its slots."""

    slot: Number | None = None


def break_lock(call: ApiCall[None, BreakLockRequest]) -> OperationResponse:
    """Take a lock away from its holders; the next waiter gets it, with a higher fencing token."""
    act = call.act()
    lock.break_lock(call.site.store, call.names["lock"], slot=call.body.slot, act=act)
    return OperationResponse(act.command)


ROUTES = (
    get_route("locks.listed", "/locks", list_locks, Page[LockView], query=ListQuery, whole=True),
    post_route("locks.break_lock", "/locks/{lock}/break", break_lock, BreakLockRequest, OperationResponse, whole=True),
)
