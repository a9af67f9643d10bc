"""The audit log: operations of people and programs, and a check that its chain is intact."""

from mainspring.domain.access.permissions import EntryPoint, Role
from mainspring.service.audit import check_audit_chain, read_audit_log
from mainspring.store.read.audit_pages import AuditFilter
from mainspring.store.read.short_ids import IdKind
from mainspring.store.views import AuditCheck, AuditView
from mainspring.web.api.bodies import CommitOrderQuery, Word
from mainspring.web.api.call import AnyApiCall, ApiCall, to_ms
from mainspring.web.api.response_types import Instant, Page
from mainspring.web.api.route import get_route

_WITHIN_S = 60.0


class AuditQuery(CommitOrderQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter of operations: by actor (`web:ana`, or a name at any entry point), entry point, verb, subject (`lock:x`, or the id of a run)
    and time.

    `automation` = operations on it, its runs or its incidents.
    """

    who: Word | None = None
    act: Word | None = None
    subject: Word | None = None
    automation: Word | None = None
    way: EntryPoint | None = None
    since: Instant | None = None
    until: Instant | None = None


def list_operations(call: ApiCall[AuditQuery, None]) -> Page[AuditView]:
    """List operations of people and programs, newest first, refused ones too. With a filter a page may have fewer; `next` continues."""
    query = call.query
    filter = AuditFilter(
        who=query.who,
        act=query.act,
        subject=None if query.subject is None else call.id_of(IdKind.RUN, query.subject),
        automation=query.automation,
        way=query.way,
        since_at=to_ms(query.since),
        until_at=to_ms(query.until),
    )
    page = read_audit_log(call.site.reads, filter, limit=query.limit, cursor=query.cursor)
    opening = call.site.opening
    return Page([opening.act(row) for row in page.rows], None if page.cursor is None else str(page.cursor))


def verify_audit_log(call: AnyApiCall) -> AuditCheck:
    """Verify the chain of the audit log: whether a row was changed."""
    return check_audit_chain(call.site.reads)


ROUTES = (
    get_route(
        "audit_log.listed",
        "/audit-log",
        list_operations,
        Page[AuditView],
        query=AuditQuery,
        whole=True,
        role=Role.OPERATOR,
    ),
    get_route(
        "audit_log.verify",
        "/audit-log/check",
        verify_audit_log,
        AuditCheck,
        whole=True,
        role=Role.OPERATOR,
        within_s=_WITHIN_S,
    ),
)
