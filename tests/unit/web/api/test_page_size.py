"""A page of a list whose rows hold values is bounded by their bytes too."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.web.api import page_size
from mainspring.web.api.bodies import CommitOrderQuery
from mainspring.web.api.page_size import MOST_BYTES, limit_page_bytes
from tests.unit.web.dashboard.shop import Shop

WEIGHTS = st.lists(st.sampled_from([0, 1, MOST_BYTES // 8, MOST_BYTES // 2, MOST_BYTES, 3 * MOST_BYTES]), max_size=160)


def pages(weights, limit):
    """Return the pages of a list of so heavy rows, newest first, each row as its number; and how many rows were read at a time."""
    limits = []

    def read(number, cursor):
        limits.append(number)
        before = len(weights) if cursor is None else cursor
        return list(range(before))[::-1][:number]

    query, found = CommitOrderQuery(limit=limit), []
    while True:
        page, onward = limit_page_bytes(query, read, lambda row: row, lambda row: weights[row])
        found.append(page)
        if onward is None:
            return found, limits
        query = msgspec.structs.replace(query, cursor=int(onward))


@given(WEIGHTS, st.integers(1, 120))
def test_each_row_is_on_one_page_and_no_page_is_too_heavy(weights, limit):
    """Heavier by its last row at most; a page that is followed by another is full, or heavy."""
    found, limits = pages(weights, limit)
    assert [row for page in found for row in page] == list(range(len(weights)))[::-1]
    for page in found:
        assert len(page) <= limit
        assert sum(weights[row] for row in page[:-1]) < MOST_BYTES
    for page in found[:-1]:
        assert len(page) == limit or sum(weights[row] for row in page) >= MOST_BYTES
    assert max(limits) <= 51


@pytest.mark.asyncio
async def test_large_events_are_listed_in_pages(world, monkeypatch):
    """Small ones as many as are asked for."""
    shop = Shop(world)
    ids = [shop.publish("big", {"x": "y" * 400}, key=str(n)) for n in range(5)][::-1]
    whole = await world.get("/events", limit=5)
    assert ([item["id"] for item in whole["items"]], whole["next"]) == (ids, None)
    monkeypatch.setattr(page_size, "MOST_BYTES", 500)
    found, onward = [], {}
    while onward is not None:
        page = await world.get("/events", limit=5, **onward)
        assert len(page["items"]) <= 2
        found += [item["id"] for item in page["items"]]
        onward = None if page["next"] is None else {"cursor": page["next"]}
    assert found == ids
