"""Lists of deliveries in a filter: what they give is what is there, page by page, and no more is looked at than may be."""

from itertools import product

import pytest

from mainspring.domain.ids import make_id
from mainspring.domain.states import DeliveryState
from mainspring.store.commands.triggers import ReplayDelivery
from mainspring.store.read import triggers
from tests.contract.store.deliveries import accepting, announced, hook

TRIGGERS = ("a/webhook", "b/webhook")
S = DeliveryState


@pytest.fixture
def rows(store, clock):
    """Nine deliveries for two triggers, a second apart; some were refused. All of them, newest first."""
    store.do(announced(hook(), hook("b", "/other")))
    for n in range(9):
        refused = "no" if n % 4 == 3 else None
        id = make_id("d", clock.now(), n)
        store.do(accepting(store, f"k{n}", id=id, trigger=TRIGGERS[n % 3 == 0], refused=refused))
        clock.forward(1_000)
    return triggers.deliveries(store.reader, limit=50).deliveries


def list_pages(store, at_most=3, **filters):
    """Return the ids of all pages, and how many pages there were."""
    found, pages, cursor = [], 0, None
    while True:
        page = triggers.deliveries(store.reader, limit=2, cursor=cursor, at_most=at_most, **filters)
        found, pages = found + [row.id for row in page.deliveries], pages + 1
        if page.cursor is None:
            return found, pages
        cursor = page.cursor


@pytest.mark.parametrize("rows_read", [1_000, None, 3])
def test_pages_hold_what_is_requested_once_each(store, rows, rows_read):
    """Whatever is asked for, and however little of it is looked at for one page."""
    for names, state, since_at in product(
        (None, ["a/webhook"], []), (None, S.REFUSED, S.HELD), (0, rows[4].received_at)
    ):
        expected = [
            row.id
            for row in rows
            if (names is None or row.trigger in names) and state in (None, row.state) and row.received_at >= since_at
        ]
        found = list_pages(store, rows_read, triggers=names, state=state, since_at=since_at)[0]
        assert found == expected, (names, state, since_at)


def test_page_reads_so_many_and_states_where_it_continues(store, rows):
    """Nothing is there: that is found out part by part."""
    assert list_pages(store, triggers=["nowhere"]) == ([], 3)
    assert triggers.trigger_names(store.reader) == list(TRIGGERS)


def test_deliveries_are_found_by_span_and_by_what_their_verifier_stated(store, rows):
    """From an instant on to before another; of those of whom that was said, and of no others."""
    ids = [row.id for row in rows]
    since_at, until_at = rows[6].received_at, rows[2].received_at
    assert list_pages(store, None, since_at=since_at, until_at=until_at)[0] == ids[3:7]
    store.do(accepting(store, "said", verified="github"))
    assert [row.verified for row in triggers.deliveries(store.reader, verified="github").deliveries] == ["github"]
    assert triggers.deliveries(store.reader, verified="git").deliveries == []


def test_deliveries_after_a_span_are_not_on_its_page(store, rows, clock):
    """A page of last year is at hand, however much has come since."""
    until_at = clock.now()
    clock.forward(60_000)
    for n in range(5):
        store.do(accepting(store, f"later{n}"))
    page = triggers.deliveries(store.reader, until_at=until_at, limit=2, at_most=3)
    assert [row.id for row in page.deliveries] == [row.id for row in rows[:2]]
    assert list_pages(store, until_at=until_at)[0] == [row.id for row in rows]
    assert list_pages(store, until_at=rows[-1].received_at)[0] == []


def test_replayed_delivery_is_marked(store, rows):
    """By the repeat that names it; a repeat itself has not come once more."""
    first, second = rows[0].id, rows[1].id
    store.do(ReplayDelivery("d_again", first))
    assert triggers.replayed_deliveries(store.reader, [first, second, "d_again", "d_none"]) == {first}
    assert triggers.replayed_deliveries(store.reader, []) == set()
