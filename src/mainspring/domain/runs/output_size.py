"""How much a run put out, in bytes: 0 = nothing, which a result says by null, "", [] or {}.

Many sizes are counted by powers of two: of one in the bucket k is known that it was at most 2^k, and more than half of that.
"""

_EMPTY = frozenset({b"null", b'""', b"[]", b"{}"})
_NOTHING, _BUCKET = "bytes=0", "bytes<=2^"
_BUCKETS = tuple(f"{_BUCKET}{k}" for k in range(64))
"""Made once: each run is counted."""


def measure_result(encoded: bytes) -> int:
    """Return the size of a result as it is saved (JSON)."""
    return 0 if encoded in _EMPTY else len(encoded)


def size_bucket(size: int) -> str:
    """Return under which name a size is counted."""
    return _BUCKETS[(size - 1).bit_length()] if size > 0 else _NOTHING


def bucket_minimum(bucket: str) -> int:
    """Return how many bytes whatever is counted under this name had at least."""
    if bucket == _NOTHING:
        return 0
    k = int(bucket.removeprefix(_BUCKET))
    return 2 ** (k - 1) + 1 if k else 1
