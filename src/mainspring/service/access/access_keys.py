"""Access keys that are shown once: 32 random bytes as text; a store has only the SHA-256."""

import hashlib
from base64 import urlsafe_b64encode

from mainspring.domain.clock import Clock

_BYTES = 32


def new_key(clock: Clock, prefix: str) -> str:
    """Return a new key: letters, digits, - and _ after the prefix."""
    data = clock.random_bits(8 * _BYTES).to_bytes(_BYTES, "big")
    return prefix + urlsafe_b64encode(data).decode().rstrip("=")


def hash_key(key: str) -> str:
    """Return the stored form of a key, in hex. This many random bits need no salt and no cost."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
