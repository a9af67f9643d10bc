"""The byte range of a request: what is sent for each form of the header."""

import pytest

from mainspring.web.api.downloads.byte_range import ByteRange, find_range

TAG = '"abc"'


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-", 0, 10),
        ("bytes=0-0", 0, 1),
        ("bytes=3-5", 3, 6),
        ("bytes=3-5 ", 3, 6),
        ("Bytes = 3-5", 3, 6),
        ("bytes=9-", 9, 10),
        ("bytes=3-99999999999999999999", 3, 10),
        ("bytes=-3", 7, 10),
        ("bytes=-10", 0, 10),
        ("bytes=-11", 0, 10),
    ],
)
def test_byte_range_is_sent(header, start, end):
    """Both ends are of the file, and included."""
    part = find_range(header, None, TAG, 10)
    assert part == ByteRange(start, end, 10, is_part=True)
    assert part.header == f"bytes {start}-{end - 1}/10"


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999-"])
def test_byte_range_outside_of_the_file_is_refused(header):
    """No byte of the file is in it."""
    assert find_range(header, None, TAG, 10) is None
    assert find_range("bytes=0-", None, TAG, 0) is None


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-3",
        "bytes=a-b",
        "bytes=0-1,3-4",
        "lines=0-1",
        "bytes=+1-2",
        "bytes=\u0661-",
        "bytes=1.5-",
        f"bytes={'1' * 5_000}-",
    ],
)
def test_other_header_means_the_whole_file(header):
    """As RFC 9110 says for what a server does not understand."""
    assert find_range(header, None, TAG, 10) == ByteRange(0, 10, 10)


@pytest.mark.parametrize(
    ("if_range", "is_part"),
    [
        (TAG, True),
        (f" {TAG}", True),
        (None, True),
        ('"abd"', False),
        (f"W/{TAG}", False),
        ("abc", False),
        ("", False),
        ("Mon, 01 Jan 2024 00:00:00 GMT", False),
    ],
)
def test_byte_range_of_another_version_means_the_whole_file(if_range, is_part):
    """Only the strong tag of the present bytes matches."""
    part = find_range("bytes=2-", if_range, TAG, 10)
    assert part is not None
    assert part.is_part == is_part
