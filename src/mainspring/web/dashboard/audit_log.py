"""`/audit-log`: what people and programs did, newest first."""

from collections.abc import Iterator

from mainspring.store.views import AuditView
from mainspring.web.api import audit_log
from mainspring.web.api.bodies import Numbered
from mainspring.web.api.call import Call
from mainspring.web.dashboard.exports import pages_of
from mainspring.web.dashboard.page import Form, PageRoute, View, looked


def show(call: Call[Numbered, Form | None]) -> View:
    """List acts, newest first, refused ones too."""
    found = audit_log.listed(looked(call))
    return View("Audit log", {"acts": found.items, "next": found.next})


def rows(call: Call[Numbered, None]) -> Iterator[AuditView]:
    """Give them all."""
    return pages_of(call, audit_log.listed)


PAGES = (
    PageRoute(
        path="/audit-log",
        template="audit_log.html",
        show=show,
        rows=rows,
        query=Numbered,
        whole=True,
        nouns=("audit-log",),
    ),
)
