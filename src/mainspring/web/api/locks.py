"""Locks that are held; break."""

from mainspring.service import lock
from mainspring.store.reads.status import locks
from mainspring.store.views import LockView
from mainspring.web.api.bodies import Because, Done, Slice, slice_of
from mainspring.web.api.call import Call
from mainspring.web.api.route import acts, reads
from mainspring.web.api.shape import Page


def listed(call: Call[Slice, None]) -> Page[LockView]:
    """List locks that are held; `live` = 0 where the process that took it is gone."""
    return slice_of(locks(call.site.reader), lambda one: one.name, call.query)


def break_lock(call: Call[None, Because]) -> Done:
    """Take a lock away from its holder; the next one gets a higher fencing token."""
    act = call.act()
    lock.break_lock(call.site.store, call.names["lock"], act=act)
    return Done(act.command)


ROUTES = (
    reads("locks.listed", "/locks", listed, Page[LockView], query=Slice, whole=True),
    acts("locks.break_lock", "/locks/{lock}/break", break_lock, Because, Done, whole=True),
)
