"""Reading the audit log: what was done, by whom and why, and whether the record is whole."""

from mainspring.service.reads import ServiceReads
from mainspring.store.read.audit_pages import AuditFilter, AuditPage
from mainspring.store.views import AuditCheck

_ALL = AuditFilter()


def read_audit_log(
    reads: ServiceReads, which: AuditFilter = _ALL, *, limit: int = 50, cursor: int | None = None
) -> AuditPage:
    """Return a page of the acts that fit, refused ones too."""
    return reads.audit_page(which, limit=limit, cursor=cursor)


def check_audit_chain(reads: ServiceReads) -> AuditCheck:
    """Walk the chain of hashes from the first act to the last.

    A whole chain shows that nothing was changed inside; keep `last_hash` elsewhere to see that nothing was cut off or written anew.
    """
    return reads.verify_audit()
