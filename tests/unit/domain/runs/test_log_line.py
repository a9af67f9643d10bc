"""A written line is one line of JSON within its bounds, whatever is in it; a packed part comes back."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.runs.log_chunk import describe_dropped_lines, pack_lines, unpack_lines
from mainspring.domain.runs.log_line import (
    MAX_LINE_BYTES,
    Level,
    LogLine,
    bound_fields,
    encode_json,
    encode_line,
    fit_line,
)
from mainspring.domain.text.escaping import escape

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60).flatmap(
    lambda text: st.sampled_from([text, text * 400])
)


class Odd:
    def __str__(self) -> str:
        raise ValueError("no")


@given(ANY_TEXT, st.dictionaries(ANY_TEXT, ANY_TEXT | st.integers() | st.floats() | st.none(), max_size=80))
def test_written_line_is_one_harmless_line_of_json(text: str, fields: dict[str, object]) -> None:
    """Any text and fields give one line, within its bound, without a control character, that JSON reads."""
    line = LogLine(at=1_700_000_000_123, level=Level.INFO, text=escape(text, 16_384), fields=bound_fields(fields))
    data = encode_line(line)
    assert len(data) <= MAX_LINE_BYTES
    assert not any(byte < 0x20 or byte == 0x7F for byte in data)
    found = msgspec.json.decode(data)
    assert found["time"] == "2023-11-14T22:13:20.123Z"
    assert len(encode_line(fit_line(line)[0])) <= MAX_LINE_BYTES


def test_long_line_states_how_much_was_cut() -> None:
    """Text is cut with a count; fields that do not fit are left out, and that is said."""
    line = LogLine(at=0, level=Level.INFO, text="x" * 20_000, fields={"a": "y" * 1_000})
    fitted, _ = fit_line(line)
    assert fitted.text.endswith(" characters]")
    assert fitted.fields == {"left_out": "the fields: the line was too long"}
    short = LogLine(at=0, level=Level.INFO, text="x")
    assert fit_line(short) == (short, encode_json(short))


def test_fields_are_made_plain() -> None:
    """Numbers and truth values stay; all else becomes text, also what cannot be printed."""
    fields = bound_fields({"n": 3, "f": 0.5, "t": True, "o": None, "nan": float("nan"), "big": 2**70, "odd": Odd()})
    assert fields == {
        "n": 3,
        "f": 0.5,
        "t": True,
        "o": None,
        "nan": "nan",
        "big": str(2**70),
        "odd": "<Odd that cannot be printed: ValueError>",
    }


@pytest.mark.parametrize(
    ("number", "level"), [(0, "debug"), (10, "debug"), (25, "info"), (30, "warning"), (50, "error")]
)
def test_level_of_a_number(number: int, level: str) -> None:
    """Numbers between two levels are of the lower one."""
    assert Level.of(number) == level


def test_packed_lines_return_with_what_is_known_of_them() -> None:
    """Run, automation and attempt are not stored with each line, and are there again."""
    line = LogLine(at=5, level=Level.ERROR, text="é\n", step="s", fields={"a": 1})
    (found,) = unpack_lines(pack_lines([encode_json(line)]), run="r", workflow="w", attempt=2)
    assert found == msgspec.structs.replace(line, run="r", workflow="w", attempt=2)


@pytest.mark.parametrize("data", [b"", b"garbage", pack_lines([b'{"at": "no"}'])])
def test_damaged_part_is_one_kind_of_error(data: bytes) -> None:
    """Whatever is wrong with stored bytes, a reader gets a ValueError or nothing."""
    if data == b"":
        assert unpack_lines(data) == []
    else:
        with pytest.raises(ValueError, match="cannot be read"):
            unpack_lines(data)


def test_dropped_text_counts() -> None:
    """The line in a gap says how many lines are missing."""
    assert "1 line is missing" in describe_dropped_lines(1)
    assert "4,210 lines are missing" in describe_dropped_lines(4210)
