"""Stored values laid out for people: small ones open, large ones folded, larger ones cut, sealed ones told of."""

import msgspec
import pytest

from mainspring.domain.values.sealing import Sealing
from mainspring.web.dashboard.runs.run_values import LARGEST, build_value, build_values
from tests.reversing_codec import ReversingCodec


def test_small_value_is_laid_out():
    """As JSON on lines of its own."""
    found = build_value("input", b'{"a":[1]}')
    assert (found.text, found.size, found.is_collapsed) == ('{\n  "a": [\n    1\n  ]\n}', "9B", False)
    assert build_value("input", None) is None
    assert [value.name for value in build_values(published_state=b"1", result=None)] == ["published state"]


def test_large_value_is_collapsed_and_a_larger_one_cut():
    """With its size, and a word where it is cut."""
    folded = build_value("input", msgspec.json.encode("x" * 1_000))
    assert (folded.is_collapsed, folded.note) == (True, "")
    cut = build_value("input", msgspec.json.encode(["x" * 100] * 5_000))
    assert len(cut.text) == LARGEST
    assert cut.note.startswith("shortened: it has 515kB")


def test_sealed_value_is_reported_and_displays_nothing():
    """Nothing of what the codec made is printed."""
    found = build_value("result", Sealing(ReversingCodec()).seal(b'{"secret":1}'))
    assert found.text == ""
    assert "sealed by codec 'turned'" in found.note


@pytest.mark.parametrize("data", [b"\xff\x00\x1b[2J", b"", b"{", b'"\\u0000"'])
def test_any_bytes_are_displayed_harmless(data):
    """What is no JSON too."""
    found = build_value("input", data)
    assert found.text.isprintable()


def test_secret_in_a_value_is_not_displayed():
    """By its name, also where it is laid out on many lines."""
    found = build_value("input", b'{"order":{"id":7,"password":"pw-123456"}}')
    assert "pw-123456" not in found.text
    assert '"password": "***"' in found.text
    assert '"id": 7' in found.text
