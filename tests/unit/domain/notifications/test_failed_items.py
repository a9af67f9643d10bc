"""The items of failed runs, as a message names them."""

import pytest

from mainspring.domain.notifications.failed_items import MAX_ITEM_LENGTH, FailedItems, collect_failed_items


@pytest.mark.parametrize(
    ("items", "number", "text"),
    [
        ([], 0, ""),
        (["", ""], 2, ""),
        (["a.csv"], 1, "a.csv"),
        (["c", "b", "a"], 3, "c, b, a"),
        (["e", "d", "c", "b", "a"], 5, "e, d, c and 2 more"),
        (["b", "b", "a"], 3, "b, a"),
        (["b", ""], 2, "b and 1 more"),
        (["d", "c", "b"], 2_003, "d, c, b and 2,000 more"),
    ],
)
def test_message_names_three_items_and_counts_the_rest(items, number, text):
    """Two failures of one item name it once; a run without an item is counted."""
    assert collect_failed_items(items, number).text(1_000) == text


def test_items_that_do_not_fit_are_counted():
    """One is always named; of a long one the end is what tells."""
    items = collect_failed_items(["a" * 30, "b" * 30, "c" * 30], 4)
    assert items.text(60) == f"{'a' * 30} and 3 more"
    assert FailedItems(("/data/inbox/2026/11/29/f17.csv",)).text(10) == "…9/f17.csv"
    (name,) = collect_failed_items(["/data/" + "x" * 500 + "/f17.csv"], 1).names
    assert len(name) == MAX_ITEM_LENGTH
    assert name.endswith("/f17.csv")


def test_items_are_one_printable_line():
    """What a terminal would obey is escaped."""
    (name,) = collect_failed_items(["a\n\x1b[31mred"], 1).names
    assert name == "a \\x1b[31mred"
