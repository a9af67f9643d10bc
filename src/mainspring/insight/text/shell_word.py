"""A shell word for command lines that people copy: the shell reads the exact name, and the line shows only plain text."""

import shlex
import string
from typing import Final

from mainspring.insight.text.formatting import escape_line

_AS_THEY_ARE: Final = frozenset((string.ascii_letters + string.digits + "/._-+=:,@%").encode())


def shell_word(name: str | bytes) -> str:
    """Return a name as one word of a shell.

    What a line cannot show (controls, bidirectional marks, blanks in a row, bytes that are no text) is written as bytes in `$'...'`, which
    bash, zsh and ksh know.
    """
    raw = name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")
    text = raw.decode("utf-8", "replace")
    if text.encode() == raw and text.isprintable() and escape_line(text) == text:
        return shlex.quote(text)
    coded = "".join(chr(byte) if byte in _AS_THEY_ARE else f"\\{byte:03o}" for byte in raw)
    return f"$'{coded}'"
