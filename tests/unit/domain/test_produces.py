"""What a command promised to produce."""

import pytest

from mainspring.domain.produces import Product, unmet, weight_of

START = 1_000_000


@pytest.mark.parametrize(
    ("products", "why"),
    [
        ([], "nothing matches"),
        ([Product("a", 5, START - 60_000)], "before the start"),
        ([Product("a", 0, START + 5)], "a is empty"),
        ([Product("a", 5, START - 60_000), Product("b", 0, START + 5)], "b is empty"),
    ],
)
def test_unmet_says_why(products, why):
    """Absent, old and empty are told apart."""
    (sentence,) = unmet(["*.gz"], {"*.gz": products}, START)
    assert sentence.startswith("*.gz: ")
    assert why in sentence


@pytest.mark.parametrize(
    "products",
    [
        [Product("a", 1, START)],
        [Product("a", 1, START - 1_500)],  # a file system that rounds down to two seconds
        [Product("old", 9, 0), Product("new", 1, START + 1)],
        [Product("empty", 0, START + 1), Product("full", 1, START + 1)],
    ],
)
def test_one_good_match_is_enough(products):
    """A pattern is met by one new, filled match."""
    assert unmet(["*"], {"*": products}, START) == []


def test_each_pattern_counts():
    """Each pattern that is not met is told, and nothing asked for is nothing missed."""
    assert [text.partition(":")[0] for text in unmet(["a", "b"], {}, START)] == ["a", "b"]
    assert unmet([], {}, START) == []


def test_weight_is_that_of_what_was_made_since_the_start():
    """What two patterns match counts once, what was there before not at all."""
    made, old = Product("a", 1, START, 70), Product("b", 1, START - 60_000, 1_000)
    assert weight_of([made, old, made, Product("c", 1, START - 1_500, 5)], START) == 75
    assert weight_of([], START) == 0
