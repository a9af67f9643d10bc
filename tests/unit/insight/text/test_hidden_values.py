"""Stored values without their secrets: by what they are, by what they are called, wherever they stand."""

import msgspec
import pytest

from mainspring.domain.redaction.redactor import Redactor
from mainspring.domain.values.sealing import Sealing
from mainspring.insight.text.hidden_values import hide_at_path, hide_in_value
from mainspring.resources.known_secrets import KNOWN_SECRETS
from tests.reversing_codec import ReversingCodec

VALUE = "correct-horse-staple"


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    monkeypatch.setattr(KNOWN_SECRETS, "redactor", Redactor([VALUE]))


def test_secret_is_hidden_by_its_value_and_by_its_name():
    """At any depth; what stands beside it is kept."""
    found = hide_in_value(msgspec.json.encode({"to": [{"password": "pw-123456", "zip": 1}], "note": f"by {VALUE}"}))
    assert msgspec.json.decode(found) == {"to": [{"password": "***", "zip": 1}], "note": "by ***"}
    assert hide_in_value(f"not JSON, {VALUE}".encode()) == b"not JSON, ***"


@pytest.mark.parametrize("data", [None, b'{"big": 123456789012345678901234567890, "a":1.0}', b"{", b""])
def test_value_without_a_secret_is_kept_to_the_byte(data):
    """Numbers too that JSON readers would round."""
    assert hide_in_value(data) == data


def test_sealed_value_stays_sealed():
    """No one looks into it."""
    sealed = Sealing(ReversingCodec()).seal(f'"{VALUE}"'.encode())
    assert hide_in_value(sealed) == sealed


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("input.amount", "1", "1"),
        ("input.card.token", '"abc"', "***"),
        ("input.credentials.user", '"ana"', "***"),
        ("step pay result.tokens", "4096", "4096"),
        ("input.note", f'"by {VALUE}"', '"by ***"'),
        ("input.secrets[0]", '"abc"', "***"),
    ],
)
def test_one_value_of_many_is_hidden_by_the_names_that_lead_to_it(path, text, expected):
    """As if it stood among the others still; a number is no secret."""
    assert hide_at_path(path, text) == expected
