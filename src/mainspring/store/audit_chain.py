"""The hash chain of the audit log: each row carries a hash over the row before and its own values."""

import hashlib
from collections.abc import Iterable

import msgspec

from mainspring.store.transaction import Row

FIRST_HASH = "0" * 64
"""The hash before the first row."""

AuditRow = tuple[int, int, str, str, str, str, str | None, bytes | None, bytes]
"""seq, at, command, actor, verb, subject, reason, detail, result."""


def row_hash(before: str, row: AuditRow) -> str:
    """Return SHA-256 (hex) over the hash of the row before and the canonical JSON of this one."""
    values = [value.decode() if isinstance(value, bytes) else value for value in row]
    return hashlib.sha256(before.encode() + msgspec.json.encode(values, order="deterministic")).hexdigest()


def first_break(rows: Iterable[Row], *, before: str = FIRST_HASH, expected: int = 1) -> int | None:
    """Return the seq of the first row that does not continue the chain (changed, missing or put in), or None."""
    for seq, *values, prev_hash, own in rows:
        if seq != expected or prev_hash != before or own != row_hash(before, (seq, *values)):
            return int(seq)
        before, expected = own, expected + 1
    return None
