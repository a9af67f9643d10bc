"""Headers of runs: what a caller may write, and what arrives from outside."""

import pytest

from mainspring.domain.errors import OptionError
from mainspring.domain.runs.run_headers import (
    MAX_BYTES,
    MESSAGE_HEADER,
    decode_headers,
    encode_headers,
    find_common_headers,
    make_message_headers,
    read_message_headers,
)
from mainspring.domain.text.escaping import escape


def test_names_ignore_case_and_values_are_kept():
    """Names become lower case; the order of the caller does not matter for the bytes."""
    data = encode_headers({"Tenant": "acme", "a-b": "Zoë"})
    assert data == encode_headers({"A-B": "Zoë", "tenant": "acme"})
    assert decode_headers(data) == {"tenant": "acme", "a-b": "Zoë"}
    assert encode_headers({}) is None
    assert decode_headers(None) == {}


class Markup(str):
    """A text of a library."""

    __slots__ = ()


def test_value_of_a_class_of_its_own_is_a_text():
    """As templates and arrays have them."""
    assert encode_headers({"tenant": Markup("acme")}) == b'{"tenant":"acme"}'


def test_headers_that_are_read_cannot_be_changed():
    """They are fixed at the start of the run."""
    with pytest.raises(TypeError):
        decode_headers(encode_headers({"tenant": "acme"}))["tenant"] = "globex"  # type: ignore[index]


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        (["tenant"], "expected names with their texts, got list"),
        ({"": "x"}, "not a valid name"),
        ({"ten ant": "x"}, "not a valid name"),
        ({"tenant\n": "x"}, "not a valid name"),
        ({7: "x"}, "not a valid name"),
        ({MESSAGE_HEADER: "x"}, "not a valid name"),
        ({"tenant": 7}, "is no text in one line \\(got int\\)"),
        ({"tenant": "a\r\nb: c"}, "is no text in one line"),
        ({"tenant": "a", "Tenant": "b"}, "'tenant' is there twice"),
        ({"tenant": "x" * MAX_BYTES}, "the limit is 8,192"),
        ({"tenant": "\ud800"}, "tenant|Unicode"),
    ],
)
def test_unusable_headers_are_refused_with_the_fix(headers, text):
    """A name, a value and the whole have limits, and no value can begin another header."""
    with pytest.raises(OptionError, match=text) as raised:
        encode_headers(headers)
    assert raised.value.hint


@pytest.mark.parametrize("value", ["acme", 'a "b" \\ c', "Zoë ☃"])
def test_message_carries_headers_in_ascii_and_they_are_read_again(value):
    """One header of the message holds them all; the delivery stores it escaped."""
    data = encode_headers({"tenant": value, "baggage": "a=1"})
    assert data is not None
    carried = make_message_headers(data, {"own": "x", "baggage": "b=2"})
    assert carried["own"] == "x"
    assert carried["baggage"] == "b=2"  # what the step sends explicitly wins
    assert all(text.isascii() for text in carried.values())
    received = {name: escape(text) for name, text in carried.items()}
    assert read_message_headers(received) == {"tenant": value, "baggage": "a=1"}


def test_foreign_messages_start_a_run_all_the_same():
    """What is no valid header is left out: bad JSON, another type, a bad value, too much."""
    assert read_message_headers({MESSAGE_HEADER: "{"}) == {}
    assert read_message_headers({MESSAGE_HEADER: '{"a": 1}'}) == {}
    assert read_message_headers({MESSAGE_HEADER: '{"a b": "x", "c": "y"}'}) == {"c": "y"}
    assert read_message_headers({"baggage": "user=7", "x-other": "1"}) == {"baggage": "user=7"}
    assert read_message_headers({"baggage": "x" * 9_000}) == {}


def test_events_that_start_one_run_together_share_only_equal_headers():
    """A batch of two tenants has no tenant."""
    sources = [{"tenant": "acme", "region": "eu"}, {"tenant": "globex", "region": "eu"}]
    assert find_common_headers(sources) == {"region": "eu"}
    assert find_common_headers([]) == {}
    assert find_common_headers([{"a": "1"}, {}]) == {}
