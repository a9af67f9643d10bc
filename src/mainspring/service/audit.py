"""Reading the audit log: what was done, by whom and why, and whether the record is whole."""

import msgspec

from mainspring.service.reads import Reads
from mainspring.store.views import AuditCheck, AuditView


class AuditPage(msgspec.Struct, frozen=True):
    """Acts on record, newest first; `cursor` continues the list where it ends (None = that was all)."""

    rows: list[AuditView]
    cursor: int | None


def audit_list(reads: Reads, *, limit: int = 50, cursor: int | None = None) -> AuditPage:
    """Return a page of acts, refused ones too."""
    rows = reads.audit_rows(limit=limit + 1, cursor=cursor)
    return AuditPage(rows[:limit], rows[limit - 1].seq if len(rows) > limit else None)


def audit_verify(reads: Reads) -> AuditCheck:
    """Walk the chain of hashes from the first act to the last.

    A whole chain shows that nothing was changed inside; keep `last_hash` elsewhere to see that nothing was cut off or written anew.
    """
    return reads.verify_audit()
