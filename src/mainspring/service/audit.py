"""Reading of the audit log: what was done, by whom and why, and whether the record is complete."""

from mainspring.service.reads import ServiceReads
from mainspring.store.read.audit_pages import AuditFilter, AuditPage
from mainspring.store.views import AuditCheck

_ALL = AuditFilter()


def read_audit_log(
    reads: ServiceReads, audit_filter: AuditFilter = _ALL, *, limit: int = 50, cursor: int | None = None
) -> AuditPage:
    """Return a page of the entries that match, including refused operations."""
    return reads.audit_page(audit_filter, limit=limit, cursor=cursor)


def check_audit_chain(reads: ServiceReads) -> AuditCheck:
    """Check the chain of hashes from the first entry to the last.

    A valid chain shows that no entry was changed. Store `last_hash` elsewhere to detect that entries were cut off or rewritten.
    """
    return reads.verify_audit()
