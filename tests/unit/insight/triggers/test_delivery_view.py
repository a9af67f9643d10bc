"""What arrived, as people may see it: no secret, no proof of a sender, bounded."""

from hypothesis import given
from hypothesis import strategies as st

from mainspring.insight.triggers.delivery_view import (
    HIDDEN_VALUE,
    decode_body,
    format_value,
    format_value_line,
    read_headers,
)
from mainspring.resources.known_secrets import KNOWN_SECRETS

SECRET = "hunter22-of-the-shop"


def test_body_is_read_as_far_as_it_can_be():
    """JSON, else text, else base64."""
    assert decode_body(b'{"a":1}') == {"a": 1}
    assert decode_body(b"<order/>") == "<order/>"
    assert decode_body(b"\xff\xfe") == {"base64": "//4="}


def test_body_is_displayed_without_secrets():
    """By their value wherever it stands, and by the name under which they stand."""
    KNOWN_SECRETS.add([SECRET])
    text, length = format_value(b'{"note":"it is %s","password":"other","id":7}' % SECRET.encode(), 1_000)
    assert SECRET not in text
    assert "other" not in text
    assert '"id": 7' in text
    assert length == len(text)
    assert SECRET not in format_value(f"plain {SECRET}".encode(), 1_000)[0]


@given(st.integers(0, 400), st.integers(1, 200))
def test_line_never_displays_a_part_of_a_secret(before, limit):
    """Wherever it is cut."""
    KNOWN_SECRETS.add([SECRET])
    line = format_value_line(b"x" * before + b" " + SECRET.encode(), limit)
    assert len(line) <= limit
    assert SECRET[:8] not in line


def test_long_body_is_cut_and_states_how_long_it_is():
    """A page shows its beginning."""
    assert format_value(b"x" * 50, 10) == ("x" * 10, 50)


def test_headers_are_reported_without_what_proves_a_sender():
    """What cannot be read is none: a codec may lie over it."""
    assert read_headers(b'{"x-id":"7","authorization":"Bearer x"}') == {"x-id": "7", "authorization": HIDDEN_VALUE}
    assert read_headers(None) == {}
    assert read_headers(b"\x01sealed") == {}
