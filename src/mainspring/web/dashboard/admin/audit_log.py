"""`/audit-log`: operations of people and programs, newest first, by actor, entry point, verb, subject and time."""

import shlex
from collections.abc import Iterator
from typing import Final

from mainspring.domain.access.permissions import EntryPoint, Role
from mainspring.store.views import AuditView
from mainspring.web.api.bodies import CommitOrderQuery, Word
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import audit_log
from mainspring.web.api.endpoints.audit_log import AuditQuery
from mainspring.web.api.response_types import Page
from mainspring.web.dashboard.exports import list_all_pages
from mainspring.web.dashboard.page_route import Form, PageRoute, PageView
from mainspring.web.dashboard.time_fields import list_time_errors, parse_past

_SPANS: Final = ("8h", "24h", "7d", "30d")
_FILTERS: Final = ("who", "act", "subject", "automation", "way", "since", "until")


class AuditPageQuery(CommitOrderQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As the API's, except that `since` and `until` may be spans back from now ("24h")."""

    who: Word | None = None
    act: Word | None = None
    subject: Word | None = None
    automation: Word | None = None
    way: EntryPoint | None = None
    since: Word | None = None
    until: Word | None = None


def show(call: ApiCall[AuditPageQuery, Form | None]) -> PageView:
    """List operations, newest first, refused ones too."""
    errors = list_time_errors(call)
    page: Page[AuditView] = Page([]) if errors else audit_log.list_operations(_api_call(call))
    filters = {name: value for name in _FILTERS if (value := getattr(call.query, name)) is not None}
    line = "".join(f" --{name} {shlex.quote(str(value))}" for name, value in filters.items())
    values = {
        "operations": page.items,
        "next": page.next,
        "query": call.query,
        "entry_points": list(EntryPoint),
        "spans": _SPANS,
        "is_filtered": bool(filters),
        "time_errors": errors,
        "line": line,
    }
    return PageView("Audit log", values, 400 if errors else 200)


def rows(call: ApiCall[AuditPageQuery, None]) -> Iterator[AuditView]:
    """Export all of them."""
    return list_all_pages(_api_call(call), audit_log.list_operations)


def _api_call(call: ApiCall[AuditPageQuery, Form | None] | ApiCall[AuditPageQuery, None]) -> ApiCall[AuditQuery, None]:
    query = call.query
    api_query = AuditQuery(
        limit=query.limit,
        cursor=query.cursor,
        who=query.who,
        act=query.act,
        subject=query.subject,
        automation=query.automation,
        way=query.way,
        since=parse_past(call, query.since),
        until=parse_past(call, query.until),
    )
    return call.with_query(api_query)


PAGES = (
    PageRoute(
        path="/audit-log",
        template="admin/audit_log.html",
        show=show,
        rows=rows,
        query=AuditPageQuery,
        role=Role.OPERATOR,
        whole=True,
        nouns=("audit-log",),
    ),
)
