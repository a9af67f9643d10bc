"""One route of the API: its method and path, its least role, its body and its response. There is no default role."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.web.api.call import ApiCall
from mainspring.web.api.event_page import EventPage

BASE = "/api/v1"
ReadEvents = Callable[[ApiCall[Any, Any], int, str | None], EventPage]
FindPendingRun = Callable[[ApiCall[Any, Any]], str | None]


class ApiRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A route. `path` is below BASE, with names in braces; `request_type` and `query` are structs of the body and of the query string.

    `id` is the name of the operation in the document ("runs.retry"). Clients are generated from it, so it stays when a function is renamed.
    `handler` blocks and is called in a thread. `response_type` = the type of the response, converted by `ResponseTypes`. `whole` = it
    belongs to no automation, so only visitors who see all may use it. `within_s` = the longest wait for the response.
    """

    id: str
    method: Literal["GET", "POST"]
    path: str
    role: Role
    handler: Callable[[ApiCall[Any, Any]], Any]
    response_type: Any
    request_type: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    whole: bool = False
    within_s: float = 10.0
    events: ReadEvents | None = None
    """Reads the next events for a client that accepts server-sent events: after a number, in this run. It blocks."""
    pending: FindPendingRun | None = None
    """Returns the run whose end a request awaits before it is answered. It blocks, as the handler does."""

    is_download: bool = False
    """The handler returns a run and one of its files, whose bytes are the response."""

    @property
    def line(self) -> str:
        """The summary: the first line of the handler's docstring."""
        return (self.handler.__doc__ or "").partition("\n")[0]

    @property
    def names(self) -> list[str]:
        """The names in its path."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]


def get_route(
    id: str,
    path: str,
    handler: Callable[[ApiCall[Any, Any]], Any],
    response_type: Any,
    *,
    role: Role = Role.VIEWER,
    **more: Any,
) -> ApiRoute:
    """Return a route that reads."""
    return ApiRoute(id=id, method="GET", path=path, role=role, handler=handler, response_type=response_type, **more)


def post_route(
    id: str,
    path: str,
    handler: Callable[[ApiCall[Any, Any]], Any],
    request_type: type[msgspec.Struct],
    response_type: Any,
    *,
    role: Role = Role.OPERATOR,
    **more: Any,
) -> ApiRoute:
    """Return a route that changes something."""
    return ApiRoute(
        id=id,
        method="POST",
        path=path,
        role=role,
        handler=handler,
        request_type=request_type,
        response_type=response_type,
        **more,
    )
