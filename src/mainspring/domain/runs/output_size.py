"""The output size of a run, in bytes: 0 = nothing, which a result states by null, "", [] or {}.

Sizes are counted by powers of two: one in the bucket k was at most 2^k, and more than half of that.
"""

_EMPTY = frozenset({b"null", b'""', b"[]", b"{}"})
_NOTHING, _BUCKET = "bytes=0", "bytes<=2^"
_BUCKETS = tuple(f"{_BUCKET}{k}" for k in range(64))
"""Made once: each run is counted."""


def measure_result(encoded: bytes) -> int:
    """Return the size of a result as it is saved (JSON)."""
    return 0 if encoded in _EMPTY else len(encoded)


def size_bucket(size: int) -> str:
    """Return the name under which a size is counted."""
    return _BUCKETS[(size - 1).bit_length()] if size > 0 else _NOTHING


def bucket_minimum(bucket: str) -> int:
    """Return the least bytes of a size that is counted under this name."""
    if bucket == _NOTHING:
        return 0
    k = int(bucket.removeprefix(_BUCKET))
    return 2 ** (k - 1) + 1 if k else 1
