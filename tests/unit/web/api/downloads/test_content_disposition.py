"""Names of downloads: whatever a file is called, the header is one line and the name no path."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.web.api.downloads.content_disposition import make_disposition


@pytest.mark.parametrize(
    ("name", "plain", "full"),
    [
        ("report.csv", "report.csv", "report.csv"),
        ("my report.csv", "my report.csv", "my%20report.csv"),
        ('a"b.csv', "a_b.csv", "a_b.csv"),
        ("a\r\nSet-Cookie: x.csv", "a__Set-Cookie_ x.csv", "a__Set-Cookie_%20x.csv"),
        ("../../etc/passwd", "_.._etc_passwd", "_.._etc_passwd"),
        ("..\\evil.exe", "_evil.exe", "_evil.exe"),
        ("f%00.csv", "f_00.csv", "f_00.csv"),
        ("\u202efdp.exe", "_fdp.exe", "_fdp.exe"),
        ("\u2066a\u200f\u061c.csv", "_a__.csv", "_a__.csv"),
        ("bericht_\u00fc\u4e2d.csv", "bericht___.csv", "bericht_%C3%BC%E4%B8%AD.csv"),
        (".bashrc", "bashrc", "bashrc"),
        ("", "file", "file"),
        ("..", "file", "file"),
        ("\ud800.csv", "_.csv", "_.csv"),
        ("a'b;c=d,e.csv", "a'b;c=d,e.csv", "a%27b%3Bc%3Dd%2Ce.csv"),
    ],
)
def test_name_of_a_download_is_safe(name, plain, full):
    """Both forms: ASCII for old clients, and UTF-8."""
    assert make_disposition(name) == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{full}"


@given(st.text(max_size=400))
def test_header_of_any_name_is_one_line_of_ascii(name):
    """With two quotes, no separator of paths, and a name that a file system takes."""
    header = make_disposition(name)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    full = unquote(header.partition("UTF-8''")[2])
    assert full == full.strip(" .") != ""
    assert not set(full) & set('/\\"<>|:*?%')
    assert len(full.encode()) <= 255
    assert full.isprintable()
