"""`/audit-log`: what people and programs did, newest first: by whom, by which way, what, with what, when."""

import shlex
from collections.abc import Iterator
from typing import Final

from mainspring.domain.access.permissions import EntryPoint, Role
from mainspring.store.views import AuditView
from mainspring.web.api import audit_log
from mainspring.web.api.audit_log import AuditQuery
from mainspring.web.api.bodies import Numbered, Word
from mainspring.web.api.call import Call
from mainspring.web.api.shape import Page
from mainspring.web.dashboard.exports import pages_of
from mainspring.web.dashboard.moments import misread_moments, past_moment
from mainspring.web.dashboard.page import Form, PageRoute, View

_SPANS: Final = ("8h", "24h", "7d", "30d")
_FILTERS: Final = ("who", "act", "subject", "automation", "way", "since", "until")


class AuditLooking(Numbered, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As the API's, but for `since` and `until`, which may be spans back from now ("24h")."""

    who: Word | None = None
    act: Word | None = None
    subject: Word | None = None
    automation: Word | None = None
    way: EntryPoint | None = None
    since: Word | None = None
    until: Word | None = None


def show(call: Call[AuditLooking, Form | None]) -> View:
    """List acts, newest first, refused ones too."""
    wrong = misread_moments(call)
    found: Page[AuditView] = Page([]) if wrong else audit_log.listed(_asked(call))
    filters = {name: value for name in _FILTERS if (value := getattr(call.query, name)) is not None}
    line = "".join(f" --{name} {shlex.quote(str(value))}" for name, value in filters.items())
    values = {
        "acts": found.items,
        "next": found.next,
        "query": call.query,
        "ways": list(EntryPoint),
        "spans": _SPANS,
        "is_filtered": bool(filters),
        "wrong_at": wrong,
        "line": line,
    }
    return View("Audit log", values, 400 if wrong else 200)


def rows(call: Call[AuditLooking, None]) -> Iterator[AuditView]:
    """Give them all."""
    return pages_of(_asked(call), audit_log.listed)


def _asked(call: Call[AuditLooking, Form | None] | Call[AuditLooking, None]) -> Call[AuditQuery, None]:
    query = call.query
    asked = AuditQuery(
        limit=query.limit,
        cursor=query.cursor,
        who=query.who,
        act=query.act,
        subject=query.subject,
        automation=query.automation,
        way=query.way,
        since=past_moment(call, query.since),
        until=past_moment(call, query.until),
    )
    return call.asking(asked)


PAGES = (
    PageRoute(
        path="/audit-log",
        template="audit_log.html",
        show=show,
        rows=rows,
        query=AuditLooking,
        role=Role.OPERATOR,
        whole=True,
        nouns=("audit-log",),
    ),
)
