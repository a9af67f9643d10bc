"""Queues with their limits and load; pause, resume."""

from mainspring.service import queue
from mainspring.store.load import QueueLoad
from mainspring.store.reads.load import queue_loads
from mainspring.web.api.bodies import Because, Done, Slice, slice_of
from mainspring.web.api.call import AnyCall, Call
from mainspring.web.api.route import acts, reads
from mainspring.web.api.shape import Page


def listed(call: Call[Slice, None]) -> Page[QueueLoad]:
    """List queues: what runs, what waits, who takes it."""
    return slice_of(_loads(call), lambda one: one.name, call.query)


def shown(call: AnyCall) -> QueueLoad:
    """Show a queue."""
    return _named(call)


def pause(call: Call[None, Because]) -> Done:
    """Claim nothing from a queue; runs may still be put into it."""
    act = call.act()
    queue.pause(call.site.store, _named(call).name, act=act)
    return Done(act.command)


def resume(call: Call[None, Because]) -> Done:
    """Go on with a queue."""
    act = call.act()
    queue.resume(call.site.store, _named(call).name, act=act)
    return Done(act.command)


def _loads(call: AnyCall) -> list[QueueLoad]:
    return queue_loads(call.site.reader, call.site.clock.now())


def _named(call: AnyCall) -> QueueLoad:
    """Return the queue that the path names. Raises NotFoundError."""
    name = call.names["queue"]
    found = next((one for one in _loads(call) if one.name == name), None)
    return call.missing("queue", name) if found is None else found


ROUTES = (
    reads("queues.listed", "/queues", listed, Page[QueueLoad], query=Slice, whole=True),
    reads("queues.shown", "/queues/{queue}", shown, QueueLoad, whole=True),
    acts("queues.pause", "/queues/{queue}/pause", pause, Because, Done, whole=True),
    acts("queues.resume", "/queues/{queue}/resume", resume, Because, Done, whole=True),
)
