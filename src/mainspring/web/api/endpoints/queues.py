"""Queues with their limits and load; pause, resume."""

from mainspring.service import queue
from mainspring.store.queue_load import QueueLoad
from mainspring.store.read.status.queue_loads import queue_loads
from mainspring.web.api.bodies import ListQuery, OperationRequest, OperationResponse, slice_rows
from mainspring.web.api.call import AnyApiCall, ApiCall
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import get_route, post_route


def list_queues(call: ApiCall[ListQuery, None]) -> Page[QueueLoad]:
    """List queues: their running and waiting runs, and their workers."""
    return slice_rows(_read_loads(call), lambda load: load.name, call.query)


def show_queue(call: AnyApiCall) -> QueueLoad:
    """Show a queue."""
    return _find_queue(call)


def pause_queue(call: ApiCall[None, OperationRequest]) -> OperationResponse:
    """Pause a queue: workers claim no runs from it; new runs can be queued."""
    act = call.act()
    queue.pause(call.site.store, _find_queue(call).name, act=act)
    return OperationResponse(act.command)


def resume_queue(call: ApiCall[None, OperationRequest]) -> OperationResponse:
    """Resume a queue."""
    act = call.act()
    queue.resume(call.site.store, _find_queue(call).name, act=act)
    return OperationResponse(act.command)


def _read_loads(call: AnyApiCall) -> list[QueueLoad]:
    return queue_loads(call.site.reader, call.site.clock.now())


def _find_queue(call: AnyApiCall) -> QueueLoad:
    """Return the queue that the path names. Raises NotFoundError."""
    name = call.names["queue"]
    load = next((load for load in _read_loads(call) if load.name == name), None)
    return call.missing("queue", name) if load is None else load


ROUTES = (
    get_route("queues.listed", "/queues", list_queues, Page[QueueLoad], query=ListQuery, whole=True),
    get_route("queues.shown", "/queues/{queue}", show_queue, QueueLoad, whole=True),
    post_route("queues.pause", "/queues/{queue}/pause", pause_queue, OperationRequest, OperationResponse, whole=True),
    post_route(
        "queues.resume", "/queues/{queue}/resume", resume_queue, OperationRequest, OperationResponse, whole=True
    ),
)
