"""The audit head: number and hash of the last operation in the audit log. It is kept elsewhere, to notice later if the log was cut off."""

import re

import msgspec

from mainspring.domain.errors import OptionError
from mainspring.domain.text.lazy_pattern import lazy_pattern

_HEAD_TEXT = lazy_pattern(r"([1-9][0-9]{0,17}):([0-9a-f]{16,64})", re.ASCII)
_PRINTED_HASH_LENGTH = 16


class AuditHead(msgspec.Struct, frozen=True):
    """The last operation of a log at some time; `hash` may be the beginning of one."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash[:_PRINTED_HASH_LENGTH]}"


def read_audit_head(text: str) -> AuditHead:
    """Return the head that is written in messages, by `status` and in files: "1234:0123456789abcdef".

    Raises:
        OptionError: it is no head.
    """
    match = _HEAD_TEXT.fullmatch(text.strip())
    if match is None:
        raise OptionError(
            f"{text.strip()[:80]!r} is not a head of an audit log",
            hint='Write NUMBER:HASH, as "1234:0123456789abcdef".',
        )
    return AuditHead(int(match[1]), match[2])


def find_truncation(head: AuditHead, last: AuditHead | None, found: str | None) -> str | None:
    """Return why a log does not continue a head that was stored; None = it does.

    `last` = the log's own head, `found` = the hash of its operation of that number.
    """
    if found is None:
        ending = "is empty" if last is None else f"ends with operation {last.seq}"
        return f"operation {head.seq} existed and the log {ending}: its end was cut off"
    if not found.startswith(head.hash):
        return f"operation {head.seq} differs from the saved head: the log was cut off and rewritten"
    return None
