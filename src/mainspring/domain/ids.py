"""Ids: run ids that sort by time, derived ids that are found instead of doubled, idempotency keys.

A run id is `r_` and 26 characters of Crockford base 32: 48 bits of milliseconds, then 80 bits that are random or derived.
"""

import hashlib
from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = [a + b for a in _ALPHABET for b in _ALPHABET]

MIN_SHORT_ID_LENGTH: Final = 6
"""The fewest of an id's last characters that are shown."""
_LENGTH: Final = 28


def _base32(number: int, pairs: int) -> str:
    """Write `number` with `2 * pairs` characters, most significant first."""
    out = [""] * pairs
    for i in range(pairs - 1, -1, -1):
        out[i] = _PAIRS[number & 1023]
        number >>= 10
    return "".join(out)


def make_id(prefix: str, now_at: int, randomness: int) -> str:
    """Make an id of `now_at` (ms) and 80 random bits; ids of later instants sort later."""
    return f"{prefix}_{_base32(((now_at & 0xFFFF_FFFF_FFFF) << 80) | (randomness & ((1 << 80) - 1)), 13)}"


def is_regular_id(id: str) -> bool:
    """Return whether an id was made here, so that its last characters identify it."""
    return len(id) == _LENGTH and id[1] == "_"


def read_instant(id: str) -> int:
    """Return the instant (ms) at which a regular id was made."""
    number = 0
    for character in id[2:]:
        number = number << 5 | _ALPHABET.index(character)
    return number >> 80


def matches_short_id(text: str, id: str) -> bool:
    """Return whether a text is the end of an id, and long enough to identify it."""
    return MIN_SHORT_ID_LENGTH <= len(text) < len(id) and is_regular_id(id) and id.endswith(text)


def derive_id(prefix: str, base_at: int, *parts: str) -> str:
    """Make the id that follows from these parts: a second call makes the same one."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return make_id(prefix, base_at, int.from_bytes(digest[:10], "big"))


def make_idempotency_key(run: str, ident: str, generation: int) -> str:
    """Return the key of a step: the same for all its attempts and restarts, another in each generation (32 hex digits)."""
    return hashlib.sha256(f"{run}\x1f{ident}\x1f{generation}".encode()).hexdigest()[:32]


def hash_parts(*parts: bytes) -> str:
    """Return a SHA-256 over the parts, each with its length, as hex."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()
