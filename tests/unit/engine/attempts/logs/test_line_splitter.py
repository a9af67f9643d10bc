"""Output cut into lines."""

from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.text.escaping import decode_bytes
from mainspring.engine.attempts.logs.line_splitter import MAX_LINE_BYTES, LineSplitter


@given(st.lists(st.binary(max_size=30)))
def test_cutter_gives_the_same_lines_for_any_pieces(pieces):
    """Lines do not depend on how the bytes arrive, and bad bytes are escaped."""
    cutter = LineSplitter()
    lines = [line for piece in pieces for line in cutter.feed(piece)] + cutter.end()
    whole = b"".join(pieces).split(b"\n")
    expected = [decode_bytes(line.removesuffix(b"\r")) for line in whole[:-1]]
    assert lines == expected + ([decode_bytes(whole[-1])] if whole[-1] else [])


def test_cutter_cuts_a_line_without_end():
    """A line that never ends takes bounded memory."""
    cutter = LineSplitter()
    lines = [line for _ in range(40) for line in cutter.feed(b"x" * 1000)] + cutter.end()
    assert "".join(lines) == "x" * 40_000
    assert max(map(len, lines)) <= MAX_LINE_BYTES + 1000
