"""The value that a run is given of a file: exact names, and that it crosses JSON."""

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import mainspring as ms
from mainspring.domain.text.printable_key import fits_key
from mainspring.domain.values.file import File, make_file_key

NAMES = st.binary(min_size=1, max_size=255).map(lambda name: name.replace(b"\0", b"0").replace(b"/", b"_"))


@given(NAMES)
@example(b"caf\xe9.txt")
@example(b"line\nend")
@example(b"-rf")
@example(b"\xed\xa0\x80")  # a surrogate in UTF-8, which UTF-8 forbids
@example("\ufffd".encode())
@example(b" ")
def test_file_keeps_the_exact_bytes_of_its_path_over_json(name):
    """Whatever bytes the name is made of, they come back, and the text for people is always text."""
    file = File.at(b"/in box/" + name, size=1, sha256="0" * 64, modified_ns=0)
    back = msgspec.json.decode(msgspec.json.encode(file), type=ms.File)
    assert back == file
    assert os.fsencode(back) == b"/in box/" + name
    assert back.as_path() == Path(os.fsdecode(b"/in box/" + name))
    assert back.name == name.decode("utf-8", "replace")
    assert (back.raw is None) == (name.decode("utf-8", "replace").encode() == name)


@pytest.mark.parametrize("name", [b"plain.csv", b"caf\xe9 \n-.csv", "ü\u2028.csv".encode()])
def test_open_reads_the_file_by_its_value(tmp_path, name):
    """`open(file)` is all that a task needs."""
    path = os.path.join(os.fsencode(tmp_path), name)
    Path(os.fsdecode(path)).write_bytes(b"content")
    with open(File.at(path, size=7, sha256="0" * 64, modified_ns=0), "rb") as opened:
        assert opened.read() == b"content"


@pytest.mark.parametrize(
    ("nanoseconds", "instant"),
    [
        (1_500_000_000_123_456_789, datetime(2017, 7, 14, 2, 40, 0, 123456, tzinfo=UTC)),
        (-1_000, datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        (10**21, datetime.max.replace(tzinfo=UTC)),
        (-(10**21), datetime.min.replace(tzinfo=UTC)),
    ],
)
def test_modified_is_an_instant_that_crosses_json(nanoseconds, instant):
    """Dates before 1970 and dates that no calendar holds are taken as well."""
    file = File.at(b"/x", size=1, sha256="0" * 64, modified_ns=nanoseconds)
    assert file.modified == instant
    assert msgspec.json.decode(msgspec.json.encode(file), type=File) == file


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("a.csv", "a.csv"),
        ("sub/ü b.csv", "sub/ü b.csv"),
        ("50%.csv", "50%25.csv"),
        ("line\nend", "line%0Aend"),
        ("caf\udce9", "caf%E9"),
        ("\u202e", "%E2%80%AE"),
    ],
)
def test_key_displays_the_path_and_what_it_holds(path, key):
    """What cannot be printed is written as the bytes it is."""
    assert make_file_key(path, "f" * 64) == f"{key}@{'f' * 64}"


PATHS = st.lists(NAMES, min_size=1, max_size=16).map(lambda parts: os.fsdecode(b"/".join(parts)))


@given(PATHS, PATHS)
@example("%0A", "\n")
@example("x" * 4000, "x" * 4001)
@example("受" * 700, "受" * 701)
def test_keys_of_different_paths_differ_and_can_be_printed(first, second):
    """A key is at most 1,000 printable characters and 2,000 bytes, however long and odd the path is."""
    keys = [make_file_key(path, "0" * 64) for path in (first, second)]
    assert (keys[0] == keys[1]) == (first == second)
    assert all(key.isprintable() and fits_key(key) for key in keys)
