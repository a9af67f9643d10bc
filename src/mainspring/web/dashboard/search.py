"""`/search?q=`: search by id, name, key or words; an exact id redirects to its page."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from mainspring.insight.status.search import MOST, SearchHit, SearchHitKind
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import search
from mainspring.web.api.endpoints.search import SearchQuery
from mainspring.web.dashboard.page_route import Form, PageRoute, PageView, api_call
from mainspring.web.server.path_table import path_segment

_PATHS: Final = {
    SearchHitKind.AUTOMATION: "/a/{}",
    SearchHitKind.RUN: "/r/{}",
    SearchHitKind.INCIDENT: "/incidents/{}",
    SearchHitKind.ERROR: "/failed?error={}",
    SearchHitKind.EVENT: "/events/{}",
    SearchHitKind.DELIVERY: "/deliveries/{}",
    SearchHitKind.BULK: "/bulk/{}",
}
_WORDS: Final = {SearchHitKind.BULK: "bulk operation"}


def show(call: ApiCall[SearchQuery, Form | None]) -> PageView:
    """List the hits by kind."""
    hits = search.search_all(api_call(call)).items
    if len(hits) == 1 and hits[0].exact:
        return PageView("Search", {}, onward=hit_path(hits[0]))
    kinds = [(_WORDS.get(kind, kind.value), [hit for hit in hits if hit.kind is kind]) for kind in SearchHitKind]
    values = {"q": call.query.q, "kinds": [group for group in kinds if group[1]], "path_of": hit_path, "most": MOST}
    return PageView("Search", values)


def rows(call: ApiCall[SearchQuery, None]) -> Iterator[SearchHit]:
    """Export all hits."""
    yield from search.search_all(call).items


def hit_path(hit: SearchHit) -> str:
    """Return the path of a hit's page."""
    encode = quote if hit.kind is SearchHitKind.ERROR else path_segment
    return _PATHS[hit.kind].format(encode(hit.id))


PAGES = (PageRoute(path="/search", template="search.html", show=show, rows=rows, query=SearchQuery),)
