"""Queries of runs: ask the code of a run about its state, and read the answer."""

from typing import Annotated, Any

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.runs.query import DEFAULT_WITHIN, read_within
from mainspring.store.read.runs.run_views import query_view
from mainspring.store.views import QueryView
from mainspring.web.api.bodies import Word
from mainspring.web.api.call import ApiCall
from mainspring.web.api.route import get_route, post_route


class AskQueryRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A query for `@run.on_query(name)`. `within` = how long a worker may take to answer, at most 5 minutes."""

    name: Word
    value: Any = None
    within: Word = DEFAULT_WITHIN


class AskQueryResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The query, and the run that it asks."""

    query: str
    run: str


class QueryQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`wait` = seconds, 30 at most: answer when the query is answered, else after this time.

    If too many requests wait, the answer comes at once.
    """

    wait: Annotated[float, msgspec.Meta(ge=0, le=30)] = 0


def ask_query(call: ApiCall[None, AskQueryRequest]) -> AskQueryResponse:
    """Ask the code of a workflow about its state. Read the answer with `GET /runs/{run}/queries/{query}?wait=10`."""
    view, body = call.run(), call.body
    stored = call.engine_for(view).ask_query(view.id, body.name, body.value, read_within(body.within))
    return AskQueryResponse(query=stored.id, run=stored.run)


def show_query(call: ApiCall[QueryQuery, None]) -> QueryView:
    """Show a query, with its answer. It is stored a little longer than its caller may wait."""
    view, opening = _find_query(call), call.site.opening
    return msgspec.structs.replace(view, result=opening.value(view.result), failure=opening.failure(view.failure))


def find_open_query(call: ApiCall[QueryQuery, None]) -> str | None:
    """Return the query whose answer a request waits for; None = it is there, or the request does not wait."""
    if not call.query.wait:
        return None
    query = _find_query(call)
    return query.id if query.answered_at is None and query.until_at > call.site.clock.now() else None


def _find_query(call: ApiCall[QueryQuery, None]) -> QueryView:
    """Return the query that the path names. Raises NotFoundError: there is none that this visitor may see."""
    call.run()
    query = query_view(call.site.reader, call.names["query"])
    call.run(query.run)
    return query


ROUTES = (
    post_route("queries.ask", "/runs/{run}/query", ask_query, AskQueryRequest, AskQueryResponse, role=Role.VIEWER),
    get_route(
        "queries.show",
        "/runs/{run}/queries/{query}",
        show_query,
        QueryView,
        query=QueryQuery,
        pending=find_open_query,
    ),
)
