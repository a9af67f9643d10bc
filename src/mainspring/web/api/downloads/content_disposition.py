"""The header Content-Disposition of a download (RFC 6266): a name that no browser takes for a path, a header or another suffix."""

import unicodedata
from typing import Final
from urllib.parse import quote

_LONGEST: Final = 255
"""Bytes of the name of a file on most systems."""
_UNSAFE: Final = frozenset('/\\:*?"<>|%')
_ATTRIBUTE_CHARACTERS: Final = "!#$&+-.^_`|~"
"""Those of RFC 5987 that need no escape, besides letters and digits."""


def make_disposition(name: str) -> str:
    """Return the value of the header for a file of any name: for old clients in ASCII, for others in UTF-8."""
    safe = clean_file_name(name)
    plain = "".join(character if character.isascii() else "_" for character in safe)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe=_ATTRIBUTE_CHARACTERS)}"


def clean_file_name(name: str) -> str:
    """Return a name without characters that are not printed (marks of direction too), that separate paths, or that headers quote."""
    printable = "".join(
        character if character.isprintable() and character not in _UNSAFE else "_"
        for character in unicodedata.normalize("NFC", name)
    )
    while len(printable.encode("utf-8", "replace")) > _LONGEST:
        printable = printable[1:]  # the end has the suffix
    return printable.strip(" .") or "file"
