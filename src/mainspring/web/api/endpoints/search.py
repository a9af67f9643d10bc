"""Search for automations, runs, incidents, errors and deliveries by id, name, key or words."""

from typing import Annotated

import msgspec

from mainspring.insight.status.search import SearchHit, SearchScope, search
from mainspring.web.api.call import ApiCall
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import get_route


class SearchQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The text to search for; a text of one letter finds nothing."""

    q: Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


def search_all(call: ApiCall[SearchQuery, None]) -> Page[SearchHit]:
    """Find automations by name; runs by id, key or title; incidents and errors by id or words; deliveries and events by id."""
    visitor = call.visitor
    scope = SearchScope(visitor.may_view, visitor.is_for_all, call.site.opening.row)
    return Page(search(call.site.reader, call.query.q, scope))


ROUTES = (get_route("search.found", "/search", search_all, Page[SearchHit], query=SearchQuery),)
