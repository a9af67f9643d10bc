"""One route of the pages: its path, template, query and buttons. See docs/adr/0016-server-rendered-pages.md."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import ArgumentError, ConflictError
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints.bulk import BulkResponse

Form = dict[str, str]
"""The fields of a form, each with its last value."""


class PageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of a page without parameters."""


class PageView(msgspec.Struct, frozen=True):
    """The contents of a page: its title and the values of its template. `status` = of the response; `onward` = a path to redirect to."""

    title: str
    values: dict[str, Any]
    status: int = 200
    onward: str | None = None


class PageButton(msgspec.Struct, frozen=True):
    """The operation of a button. `do` gets the form as body; it returns the path to redirect to, None = the page itself.

    If it raises MainspringError, the page is shown again with that sentence and the typed values.
    """

    role: Role
    do: Callable[[ApiCall[Any, Form]], str | None]


class PageRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A page. `path` has names in braces, as those of the API; `query` = the type of its query string.

    `show` and the buttons block and are called in a thread. `nouns` = those of `/api/v1/changes` whose changes refresh the page.
    `rows` = the export of its main table in the present filter, at most `exports.MOST` rows; `tables` = the exports of its other tables, by
    name.
    `whole` = it belongs to no automation, so only visitors who see all may open it. `at` = its path in the navigation bar.
    """

    path: str
    template: str
    show: Callable[[ApiCall[Any, Form | None]], PageView]
    query: type[msgspec.Struct] = PageQuery
    buttons: dict[str, PageButton] = {}
    nouns: tuple[str, ...] = ()
    rows: Callable[[ApiCall[Any, None]], Iterable[msgspec.Struct]] | None = None
    tables: dict[str, Callable[[ApiCall[Any, None]], Iterable[msgspec.Struct]]] = {}
    role: Role = Role.VIEWER
    whole: bool = False
    at: str = ""

    @property
    def names(self) -> list[str]:
        """The names in its path."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]


def api_call(call: ApiCall[Any, Form | None]) -> ApiCall[Any, None]:
    """Return the request for a reading route of the API."""
    return call.with_query(call.query)


def call_api(
    call: ApiCall[Any, Form], handler: Callable[[ApiCall[Any, Any]], Any], body: msgspec.Struct, **names: str
) -> Any:
    """Call a route of the API with this body; `names` replace those of the page's path.

    Raises:
        ArgumentError: the body would be invalid in a request.
    """
    try:  # a struct that is built in code is not validated
        checked = msgspec.convert(msgspec.to_builtins(body), type(body))
    except msgspec.ValidationError as error:
        raise ArgumentError(str(error)) from None
    return handler(msgspec.structs.replace(call, body=checked, names={**call.names, **names}))


def require_all_done(response: BulkResponse) -> None:
    """Raise ConflictError with the first of many that failed; return if all succeeded."""
    if response.refused:
        run, reason = next(iter(response.refused.items()))
        rest = "" if len(response.refused) == 1 else f", and {len(response.refused) - 1} more likewise"
        raise ConflictError(f"{response.done} of {response.count} done. {run}: {reason}{rest}")


def list_tables(
    read: Callable[[ApiCall[Any, Any]], Any], *names: str
) -> dict[str, Callable[[ApiCall[Any, None]], Any]]:
    """Return exports of tables that are fields of one response, by the name of the field."""
    return {name: partial(_read_field, read, name) for name in names}


def _read_field(read: Callable[[ApiCall[Any, Any]], Any], name: str, call: ApiCall[Any, None]) -> Any:
    return getattr(read(call), name)


def read_reason(call: ApiCall[Any, Form]) -> str | None:
    """Return the reason in the form, None without one."""
    return call.body.get("reason", "").strip() or None
