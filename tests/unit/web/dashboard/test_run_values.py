"""Stored values laid out for people: small ones open, large ones folded, larger ones cut, sealed ones told of."""

import msgspec
import pytest

from mainspring.domain.values.sealing import Sealing
from mainspring.web.dashboard.run_values import LARGEST, value_of, values_of
from tests.turned_codec import Turned


def test_small_value_is_laid_out():
    """As JSON on lines of its own."""
    found = value_of("input", b'{"a":[1]}')
    assert (found.text, found.size, found.is_folded) == ('{\n  "a": [\n    1\n  ]\n}', "9B", False)
    assert value_of("input", None) is None
    assert [one.name for one in values_of(published_state=b"1", result=None)] == ["published state"]


def test_large_value_is_folded_and_a_larger_one_cut():
    """With its size, and a word where it is cut."""
    folded = value_of("input", msgspec.json.encode("x" * 1_000))
    assert (folded.is_folded, folded.note) == (True, "")
    cut = value_of("input", msgspec.json.encode(["x" * 100] * 5_000))
    assert len(cut.text) == LARGEST
    assert cut.note.startswith("cut here: it has 515kB")


def test_sealed_value_says_so_and_shows_nothing():
    """Nothing of what the codec made is printed."""
    found = value_of("result", Sealing(Turned()).seal(b'{"secret":1}'))
    assert found.text == ""
    assert "sealed by codec 'turned'" in found.note


@pytest.mark.parametrize("data", [b"\xff\x00\x1b[2J", b"", b"{", b'"\\u0000"'])
def test_any_bytes_are_shown_harmless(data):
    """What is no JSON too."""
    found = value_of("input", data)
    assert found.text.isprintable()


def test_secret_in_a_value_is_not_shown():
    """By its name, also where it is laid out on many lines."""
    found = value_of("input", b'{"order":{"id":7,"password":"pw-123456"}}')
    assert "pw-123456" not in found.text
    assert '"password": "***"' in found.text
    assert '"id": 7' in found.text
