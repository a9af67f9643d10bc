"""`/secrets`: secrets by name, with provider, version, age and last use. Values are nowhere on it."""

from collections.abc import Iterator

from mainspring.domain.access.permissions import Role
from mainspring.insight.secrets.secret_list import SecretLine
from mainspring.web.api.bodies import ListQuery
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import secrets
from mainspring.web.dashboard.exports import list_all_pages
from mainspring.web.dashboard.page_route import Form, PageRoute, PageView, api_call


def show(call: ApiCall[ListQuery, Form | None]) -> PageView:
    """List secrets."""
    page = secrets.list_secret_names(api_call(call))
    return PageView("Secrets", {"secrets": page.items, "next": page.next})


def rows(call: ApiCall[ListQuery, None]) -> Iterator[SecretLine]:
    """Export all secrets, without values."""
    return list_all_pages(call, secrets.list_secret_names)


PAGES = (
    PageRoute(
        path="/secrets",
        template="admin/secrets.html",
        show=show,
        rows=rows,
        query=ListQuery,
        role=Role.OPERATOR,
        whole=True,
        nouns=("audit-log",),
    ),
)
