"""Workers and other processes that use the store: list, drain and quarantine them."""

from typing import Any

import msgspec

from mainspring.domain.errors import ConflictError
from mainspring.service import worker
from mainspring.store.read.status.status import sessions
from mainspring.store.session_views import SessionView
from mainspring.web.api.bodies import ListQuery, OperationRequest, OperationResponse, Word, slice_rows
from mainspring.web.api.call import AnyApiCall, ApiCall
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import get_route, post_route

_MOST = 1_000
_WIDTH = 20
_SUPERVISOR = "supervisor"


class WorkersQuery(ListQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of processes: live ones; `ended` = of the newest 1,000 the ended ones too; `role` = only of this role."""

    ended: bool = False
    role: Word | None = None


class QuarantineResponse(msgspec.Struct, frozen=True):
    """The number of runs that were released for other workers."""

    command: str
    freed: int


def list_workers(call: ApiCall[WorkersQuery, None]) -> Page[SessionView]:
    """List processes that use the store, the oldest first, with what each serves and runs."""
    return slice_processes(read_processes(call), call.query)


def read_processes(call: ApiCall[WorkersQuery, Any]) -> list[SessionView]:
    """Return processes of every role: live ones, and ended ones if the query includes them."""
    live = sessions(call.site.reader, limit=_MOST)
    if not call.query.ended:
        return live
    known = {session.id for session in live}  # a session that has lived for long may be older than the newest 1,000
    return [
        *live,
        *(session for session in sessions(call.site.reader, live=False, limit=_MOST) if session.id not in known),
    ]


def slice_processes(processes: list[SessionView], query: WorkersQuery) -> Page[SessionView]:
    """Return a page of the processes of the requested role, oldest first."""
    matching = [session for session in processes if query.role in (None, session.role)]
    return slice_rows(matching, lambda session: str(session.id).zfill(_WIDTH), query)


def drain_worker(call: ApiCall[None, OperationRequest]) -> OperationResponse:
    """Drain a worker: it claims no more runs, and running steps end."""
    act = call.act()
    worker.drain(call.site.store, _find_worker(call).id, act=act)
    return OperationResponse(act.command)


def quarantine_worker(call: ApiCall[None, OperationRequest]) -> QuarantineResponse:
    """Quarantine a worker: end it at once; other workers continue its runs."""
    session, act = _find_worker(call), call.act()
    if session.role == _SUPERVISOR:
        raise ConflictError(
            f"session {session.id} is a supervisor, which has no runs",
            hint="Quarantine its workers, or stop it on its machine: mainspring down",
        )
    return QuarantineResponse(act.command, worker.quarantine(call.site.store, session.id, act=act))


def _find_worker(call: AnyApiCall) -> SessionView:
    """Return the process whose session the path names. Raises NotFoundError."""
    number = call.names["worker"]
    session = next((session for session in sessions(call.site.reader, limit=_MOST) if str(session.id) == number), None)
    return call.missing("worker", number) if session is None else session


ROUTES = (
    get_route("workers.listed", "/workers", list_workers, Page[SessionView], query=WorkersQuery, whole=True),
    post_route(
        "workers.drain", "/workers/{worker}/drain", drain_worker, OperationRequest, OperationResponse, whole=True
    ),
    post_route(
        "workers.quarantine",
        "/workers/{worker}/quarantine",
        quarantine_worker,
        OperationRequest,
        QuarantineResponse,
        whole=True,
    ),
)
