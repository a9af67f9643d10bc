"""What a command promised to produce."""

import pytest

from mainspring.domain.definitions.expected_files import FoundFile, count_new_bytes, find_missing_files

START = 1_000_000


@pytest.mark.parametrize(
    ("products", "reason"),
    [
        ([], "nothing matches"),
        ([FoundFile("a", 5, START - 60_000)], "before the start"),
        ([FoundFile("a", 0, START + 5)], "a is empty"),
        ([FoundFile("a", 5, START - 60_000), FoundFile("b", 0, START + 5)], "b is empty"),
    ],
)
def test_unmet_gives_the_reason(products, reason):
    """Absent, old and empty are distinguished."""
    (sentence,) = find_missing_files(["*.gz"], {"*.gz": products}, START)
    assert sentence.startswith("*.gz: ")
    assert reason in sentence


@pytest.mark.parametrize(
    "products",
    [
        [FoundFile("a", 1, START)],
        [FoundFile("a", 1, START - 1_500)],  # a file system that rounds down to two seconds
        [FoundFile("old", 9, 0), FoundFile("new", 1, START + 1)],
        [FoundFile("empty", 0, START + 1), FoundFile("full", 1, START + 1)],
    ],
)
def test_one_good_match_is_enough(products):
    """A pattern is met by one new, filled match."""
    assert find_missing_files(["*"], {"*": products}, START) == []


def test_each_pattern_counts():
    """Each pattern that is not met is reported, and nothing asked for is nothing missed."""
    assert [text.partition(":")[0] for text in find_missing_files(["a", "b"], {}, START)] == ["a", "b"]
    assert find_missing_files([], {}, START) == []


def test_weight_is_that_of_what_was_made_since_the_start():
    """What two patterns match counts once, what was there before not at all."""
    made, old = FoundFile("a", 1, START, 70), FoundFile("b", 1, START - 60_000, 1_000)
    assert count_new_bytes([made, old, made, FoundFile("c", 1, START - 1_500, 5)], START) == 75
    assert count_new_bytes([], START) == 0
