"""Printable keys: texts by which both stores find a row again, and which can be shown in a line.

PostgreSQL finds nothing by a text of more than about 2,700 bytes, nor by one with a NUL: a key that it refused would be redelivered for
ever.
"""

from mainspring.domain.ids import hash_parts
from mainspring.domain.text.escaping import escape, is_plain_line

MAX_KEY_LENGTH = 1_000
"""Characters."""
_MAX_KEY_BYTES = 2_000
_HASH_PREFIX = "sha256:"


def is_key_size(text: str) -> bool:
    """Return whether a text is neither too short nor too long for a key."""
    return 0 < len(text) <= MAX_KEY_LENGTH and (
        text.isascii() or len(text.encode("utf-8", "replace")) <= _MAX_KEY_BYTES
    )


def fits_key(text: str) -> bool:
    """Return whether a text is valid as a key unchanged."""
    return is_key_size(text) and is_plain_line(text)


def make_printable_key(text: str) -> str:
    """Return a text as a valid key ("" stays ""). Unprintable characters are escaped; a text that is too long is replaced by its hash."""
    plain = escape(text)
    if not plain or fits_key(plain):
        return plain
    return _HASH_PREFIX + hash_parts(text.encode("utf-8", "surrogatepass"))
