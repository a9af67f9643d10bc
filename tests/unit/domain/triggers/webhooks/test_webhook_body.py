"""Bodies of webhooks: what counts as JSON, and what is refused."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.triggers.webhooks.webhook_body import (
    MAX_JSON_DEPTH,
    InvalidRequest,
    read_form,
    read_json,
    read_webhook_body,
)

JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.text(max_size=8)
    | st.sampled_from(['a":', '\\":', '" :', ":"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=15,
)


@given(value=VALUES, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_each_json_text_is_read_as_it_is(value, ascii_only, indent):
    """However it is written: escaped, indented, with colons and quotes in its text."""
    assert read_json(json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()) == value


@given(value=VALUES.filter(lambda value: isinstance(value, dict) and value), ascii_only=st.booleans(), data=st.data())
def test_key_that_is_twice_is_refused(value, ascii_only, data):
    """Two readers could take one or the other of them."""
    name = data.draw(st.sampled_from(sorted(value)))
    twice = json.dumps(value, ensure_ascii=ascii_only)[:-1] + f", {json.dumps(name, ensure_ascii=ascii_only)}: 1}}"
    assert read_json(twice.encode()).code == "doubled_key"


def test_key_that_is_written_in_two_ways_is_the_same_key():
    """Escaped once, plain once, with something beside it that looks like a key and is none."""
    assert read_json(b'{"a": 1, "\\u0061": 2, "b": "\\u0022:"}').code == "doubled_key"
    assert read_json(b'{"a": {"b": 1, "b": 2}}').code == "doubled_key"


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"{", b"{}x", b"{'a': 1}", b'{"a": NaN}', b"Infinity", b"-Infinity", b"1e999", b'"\xff"', b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}", b'"\\ud800"', b'"\\u0061\\ud800"', b'"a\x00b"', b"[1,]", b'{"a": 1,}', b"// x\n{}", b"undefined", b"0x10", b"01",
    ],
)  # fmt: skip
def test_body_that_is_no_json_is_refused(body):
    """Not a number, not text in UTF-8, commas too many: 400."""
    assert read_json(body).status == 400


@pytest.mark.parametrize(("opened", "closed"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_has_an_end(opened, closed):
    """A million levels cost no more than the look at them."""
    for depth, fine in ((MAX_JSON_DEPTH, True), (MAX_JSON_DEPTH + 1, False), (200_000, False)):
        value = read_json(opened * depth + b"1" + closed * depth)
        assert (not isinstance(value, InvalidRequest)) == fine
    assert read_json(b"[" * 1_000_000).status == 400
    assert read_json(msgspec.json.encode(["[" * 100, "{" * 100])) == ["[" * 100, "{" * 100]


@pytest.mark.parametrize(
    ("headers", "forms", "code"),
    [
        (JSON, False, None),
        ({"content-type": "application/json; charset=UTF-8"}, False, None),
        ({"content-type": "Application/JSON"}, False, None),
        ({"content-type": "text/json"}, False, None),
        ({"content-type": "application/vnd.api+json"}, False, None),
        ({"content-type": "application/cloudevents+json"}, False, None),
        ({}, True, None),
        ({}, False, "content_type"),
        (FORM, False, "content_type"),
        ({"content-type": "text/plain"}, True, "content_type"),
        ({"content-type": "multipart/form-data; boundary=x"}, True, "content_type"),
        ({"content-type": "application/octet-stream"}, True, "content_type"),
        ({"content-type": "application/jsonx"}, True, "content_type"),
        ({"content-type": "application/json, text/plain"}, True, "content_type"),
        ({"content-type": "application/json; charset=utf-16"}, True, "charset"),
        (JSON | {"content-encoding": "gzip"}, True, "compressed"),
        (JSON | {"content-encoding": "identity"}, True, None),
        (JSON | {"content-encoding": "identity, br"}, True, "compressed"),
    ],
)
def test_only_json_in_utf_8_is_accepted_from_unverified_senders(headers, forms, code):
    """What a browser sends without asking is taken only from senders with a secret; what is compressed from no one."""
    value = read_webhook_body(b"{}", headers, forms=forms)
    assert (value.code if isinstance(value, InvalidRequest) else None) == code
    assert not isinstance(value, InvalidRequest) or value.status == 415


def test_form_is_read_as_its_fields():
    """A field that comes twice is a list; a lone payload is the JSON in it."""
    assert read_form(b"a=1&b=x+y&b=%C3%A4&c=") == {"a": "1", "b": ["x y", "ä"], "c": ""}
    assert read_form(b"payload=%7B%22a%22%3A1%7D") == {"a": 1}
    assert read_form(b"payload=%7B&x=1") == {"payload": "{", "x": "1"}
    assert read_form(b"") == {}
    for bad in (b"\xff=1", b"a=%ff", b"x", b"a=1&" * 1_001, b"payload=%7B"):
        assert read_form(bad).status == 400


@pytest.mark.parametrize("body", [b'"\\ud800"', b'{"a": ["x\\ud83d"]}', b'"\\udc00 and on"'])
def test_lone_surrogate_is_named_as_the_fault(body):
    """The decoder takes the first half of a pair for a text that was cut."""
    assert "has a lone surrogate (\\ud" in read_json(body).text
    assert "truncated" in read_json(b'{"a": ').text
