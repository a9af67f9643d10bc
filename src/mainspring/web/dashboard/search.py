"""`/search?q=`: what has this id, name, key or these words; an exact id leads straight to its page."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from mainspring.insight.search import MOST, Hit, HitKind
from mainspring.web.api import search
from mainspring.web.api.call import Call
from mainspring.web.api.search import SearchQuery
from mainspring.web.dashboard.page import Form, PageRoute, View, looked
from mainspring.web.paths import part

_PATHS: Final = {
    HitKind.AUTOMATION: "/a/{}",
    HitKind.RUN: "/r/{}",
    HitKind.INCIDENT: "/incidents/{}",
    HitKind.ERROR: "/failed?error={}",
    HitKind.EVENT: "/events/{}",
    HitKind.DELIVERY: "/deliveries/{}",
    HitKind.BULK: "/bulk/{}",
}
_WORDS: Final = {HitKind.BULK: "bulk act"}


def show(call: Call[SearchQuery, Form | None]) -> View:
    """List what was found, kind by kind."""
    hits = search.found(looked(call)).items
    if len(hits) == 1 and hits[0].exact:
        return View("Search", {}, onward=path_of(hits[0]))
    kinds = [(_WORDS.get(kind, kind.value), [hit for hit in hits if hit.kind is kind]) for kind in HitKind]
    values = {"q": call.query.q, "kinds": [one for one in kinds if one[1]], "path_of": path_of, "most": MOST}
    return View("Search", values)


def rows(call: Call[SearchQuery, None]) -> Iterator[Hit]:
    """Give all that was found."""
    yield from search.found(call).items


def path_of(hit: Hit) -> str:
    """Return the page of what was found."""
    write = quote if hit.kind is HitKind.ERROR else part
    return _PATHS[hit.kind].format(write(hit.id))


PAGES = (PageRoute(path="/search", template="search.html", show=show, rows=rows, query=SearchQuery),)
