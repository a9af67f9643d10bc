"""One row of the table: what is asked, who may ask it, what it takes and gives. There is no default role."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.web.api.call import ApiCall

BASE = "/api/v1"
FindPendingRun = Callable[[ApiCall[Any, Any]], str | None]


class ApiRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A route. `path` is below BASE, with names in braces; `takes` and `query` are structs of the body and of what stands behind "?".

    `id` is the name of the operation in the document ("runs.retry"): clients are generated from it, so it stays when a function is renamed.
    `handler` blocks and is called in a thread. `gives` = the type of what it returns, told as `shape.Shapes` says. `whole` = it is of no
    automation, so only those see it who are for all. `within_s` = so long its answer is waited for.
    """

    id: str
    method: Literal["GET", "POST"]
    path: str
    role: Role
    handler: Callable[[ApiCall[Any, Any]], Any]
    gives: Any
    takes: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    whole: bool = False
    within_s: float = 10.0
    pending: FindPendingRun | None = None
    """Returns the run for whose end a request waits before it is answered; it blocks, as the handler does."""

    @property
    def line(self) -> str:
        """What it does: the first line of what its handler says of itself."""
        return (self.handler.__doc__ or "").partition("\n")[0]

    @property
    def names(self) -> list[str]:
        """The names in its path."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]


def get_route(
    id: str,
    path: str,
    handler: Callable[[ApiCall[Any, Any]], Any],
    gives: Any,
    *,
    role: Role = Role.VIEWER,
    **more: Any,
) -> ApiRoute:
    """Return a route that looks."""
    return ApiRoute(id=id, method="GET", path=path, role=role, handler=handler, gives=gives, **more)


def post_route(
    id: str,
    path: str,
    handler: Callable[[ApiCall[Any, Any]], Any],
    takes: type[msgspec.Struct],
    gives: Any,
    **more: Any,
) -> ApiRoute:
    """Return a route that acts."""
    return ApiRoute(
        id=id, method="POST", path=path, role=Role.OPERATOR, handler=handler, takes=takes, gives=gives, **more
    )
