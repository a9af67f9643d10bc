"""The record of what people and programs did: listed, and walked to see whether it is whole."""

from mainspring.service.audit import audit_list, audit_verify
from mainspring.store.views import AuditCheck, AuditView
from mainspring.web.api.bodies import Numbered
from mainspring.web.api.call import AnyCall, Call
from mainspring.web.api.route import reads
from mainspring.web.api.shape import Page

_WITHIN_S = 60.0


def listed(call: Call[Numbered, None]) -> Page[AuditView]:
    """List acts of people and programs, newest first, refused ones too."""
    page = audit_list(call.site.reads, limit=call.query.limit, cursor=call.query.cursor)
    opening = call.site.opening
    return Page([opening.act(row) for row in page.rows], None if page.cursor is None else str(page.cursor))


def verify(call: AnyCall) -> AuditCheck:
    """Walk the chain of the audit log: whether nothing in it was changed."""
    return audit_verify(call.site.reads)


ROUTES = (
    reads("/audit-log", listed, Page[AuditView], query=Numbered, whole=True),
    reads("/audit-log/check", verify, AuditCheck, whole=True, within_s=_WITHIN_S),
)
