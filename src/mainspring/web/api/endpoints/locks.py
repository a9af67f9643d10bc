"""Held locks: list and break them."""

from mainspring.service import lock
from mainspring.store.read.status.status import locks
from mainspring.store.views import LockView
from mainspring.web.api.bodies import ListQuery, OperationRequest, OperationResponse, slice_rows
from mainspring.web.api.call import ApiCall
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import get_route, post_route


def list_locks(call: ApiCall[ListQuery, None]) -> Page[LockView]:
    """List held locks; `live` = 0 if the process of the holder is gone."""
    return slice_rows(locks(call.site.reader), lambda lock_view: lock_view.name, call.query)


def break_lock(call: ApiCall[None, OperationRequest]) -> OperationResponse:
    """Take a lock away from its holder; the next one gets a higher fencing token."""
    act = call.act()
    lock.break_lock(call.site.store, call.names["lock"], act=act)
    return OperationResponse(act.command)


ROUTES = (
    get_route("locks.listed", "/locks", list_locks, Page[LockView], query=ListQuery, whole=True),
    post_route("locks.break_lock", "/locks/{lock}/break", break_lock, OperationRequest, OperationResponse, whole=True),
)
