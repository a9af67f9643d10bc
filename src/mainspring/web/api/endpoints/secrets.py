"""Secrets by name: provider, version, last use. No route returns a value."""

from mainspring.domain.access.permissions import Role
from mainspring.insight.secrets.secret_list import SecretLine, list_secrets
from mainspring.web.api.bodies import ListQuery
from mainspring.web.api.call import ApiCall
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import ApiRoute


def list_secret_names(call: ApiCall[ListQuery, None]) -> Page[SecretLine]:
    """List secrets by name, never with a value: those of local providers, and those that were used in the last 90 days."""
    site, query = call.site, call.query
    lines, _ = list_secrets(site.secrets, site.reader, site.settings.secrets.due, site.clock.now(), is_local_only=True)
    after = [line for line in lines if query.cursor is None or line.name > query.cursor]
    following = after[query.limit - 1].name if len(after) > query.limit else None
    return Page(after[: query.limit], following)


ROUTES = (
    ApiRoute(
        id="secrets.listed",
        method="GET",
        path="/secrets",
        role=Role.OPERATOR,
        handler=list_secret_names,
        query=ListQuery,
        response_type=Page[SecretLine],
        whole=True,
    ),
)
