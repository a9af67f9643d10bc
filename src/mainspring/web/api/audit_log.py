"""The record of what people and programs did: listed, and walked to see whether it is whole."""

from mainspring.domain.access.permissions import EntryPoint, Role
from mainspring.service.audit import audit_list, audit_verify
from mainspring.store.reads.audit_pages import AuditFilter
from mainspring.store.reads.short_ids import IdKind
from mainspring.store.views import AuditCheck, AuditView
from mainspring.web.api.bodies import Numbered, Word
from mainspring.web.api.call import AnyCall, Call, ms
from mainspring.web.api.route import reads
from mainspring.web.api.shape import Instant, Page

_WITHIN_S = 60.0


class AuditQuery(Numbered, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which acts: by whom (`web:ana`, or a name at whatever door), by which way, what, with what (`lock:x`, or the id of a run), when.

    `automation` = with it, its runs or its incidents.
    """

    who: Word | None = None
    act: Word | None = None
    subject: Word | None = None
    automation: Word | None = None
    way: EntryPoint | None = None
    since: Instant | None = None
    until: Instant | None = None


def listed(call: Call[AuditQuery, None]) -> Page[AuditView]:
    """List acts of people and programs, newest first, refused ones too; in a filter as many as were found among so many, `next` goes on."""
    query = call.query
    which = AuditFilter(
        who=query.who,
        act=query.act,
        subject=None if query.subject is None else call.id_of(IdKind.RUN, query.subject),
        automation=query.automation,
        way=query.way,
        since_at=ms(query.since),
        until_at=ms(query.until),
    )
    page = audit_list(call.site.reads, which, limit=query.limit, cursor=query.cursor)
    opening = call.site.opening
    return Page([opening.act(row) for row in page.rows], None if page.cursor is None else str(page.cursor))


def verify(call: AnyCall) -> AuditCheck:
    """Walk the chain of the audit log: whether nothing in it was changed."""
    return audit_verify(call.site.reads)


ROUTES = (
    reads("audit_log.listed", "/audit-log", listed, Page[AuditView], query=AuditQuery, whole=True, role=Role.OPERATOR),
    reads(
        "audit_log.verify", "/audit-log/check", verify, AuditCheck, whole=True, role=Role.OPERATOR, within_s=_WITHIN_S
    ),
)
