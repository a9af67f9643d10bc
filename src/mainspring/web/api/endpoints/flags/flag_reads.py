"""Reads of flags: the list, one flag, and its history for those who may read the audit log."""

from collections.abc import Iterator
from contextlib import contextmanager

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import NotFoundError, UnknownNameError
from mainspring.insight.flags.flag_history import FlagHistoryEntry, read_flag_history
from mainspring.insight.flags.flag_views import FlagDetail, FlagView, list_flag_views, read_flag_detail
from mainspring.service.flag import require_flag
from mainspring.web.api.bodies import CommitOrderQuery, ListQuery, slice_rows
from mainspring.web.api.call import AnyApiCall, ApiCall
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import get_route


@contextmanager
def missing_flag_as_not_found() -> Iterator[None]:
    """Raise NotFoundError, with the nearest name, in place of UnknownNameError: the name is a part of the path."""
    try:
        yield
    except UnknownNameError as error:
        raise NotFoundError(error.message, hint=error.hint) from None


def list_flags(call: ApiCall[ListQuery, None]) -> Page[FlagView]:
    """List flags: their rules, values and owners, and the questions of the last 7 days."""
    return slice_rows(list_flag_views(call.site.reader, call.site.clock.now()), lambda view: view.name, call.query)


def show_flag(call: AnyApiCall) -> FlagDetail:
    """Show a flag: its answers of the last 7 days by automation, and the unfinished runs that hold the side on."""
    name = call.names["flag"]
    with missing_flag_as_not_found():
        require_flag(call.site.reader, name)
    detail = read_flag_detail(call.site.reader, name, call.site.clock.now())
    return call.missing("flag", name) if detail is None else detail


def list_changes(call: ApiCall[CommitOrderQuery, None]) -> Page[FlagHistoryEntry]:
    """List the operations on a flag, newest first: who, when, what and why. The history outlives the flag."""
    site, name, query = call.site, call.names["flag"], call.query
    zone = site.settings.project.timezone
    page = read_flag_history(site.reader, name, zone, limit=query.limit, cursor=query.cursor)
    if not page.entries and query.cursor is None:
        with missing_flag_as_not_found():
            require_flag(site.reader, name)
    return Page(page.entries, None if page.cursor is None else str(page.cursor))


ROUTES = (
    get_route("flags.listed", "/flags", list_flags, Page[FlagView], query=ListQuery, whole=True),
    get_route("flags.shown", "/flags/{flag}", show_flag, FlagDetail, whole=True),
    get_route(
        "flags.history",
        "/flags/{flag}/history",
        list_changes,
        Page[FlagHistoryEntry],
        query=CommitOrderQuery,
        whole=True,
        role=Role.OPERATOR,
    ),
)
