"""One row of the table of pages: what is shown at a path, and which buttons it has. See docs/adr/0016-pages-that-the-server-draws.md."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import ArgumentError, ConflictError
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints.bulk import BulkResponse

Form = dict[str, str]
"""The fields of a form, each the last one given."""


class PageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of a page that takes none."""


class PageView(msgspec.Struct, frozen=True):
    """What a page shows: its title and the values of its template. `status` = of the answer; `onward` = the path that is shown instead."""

    title: str
    values: dict[str, Any]
    status: int = 200
    onward: str | None = None


class PageButton(msgspec.Struct, frozen=True):
    """What one button does. `do` gets the form as body; it returns the path to go on to, None = the page itself.

    It raises MainspringError where it cannot be done: the page is shown again with that sentence, and with what was typed.
    """

    role: Role
    do: Callable[[ApiCall[Any, Form]], str | None]


class PageRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A page. `path` has names in braces, as those of the API; `query` = what may stand behind "?".

    `show` and the buttons block and are called in a thread. `nouns` = those of `/api/v1/changes` whose change makes the page move.
    `rows` = what "as CSV" and "as JSON" give of its main table, in the present filter, at most `exports.MOST` of them;
    `tables` = the same of its other tables, by name.
    `whole` = it is of no automation, so only those see it who are for all. `at` = the path in the bar that it belongs to.
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
    """Return the request as a route of the API that looks takes it."""
    return call.with_query(call.query)


def call_api(
    call: ApiCall[Any, Form], handler: Callable[[ApiCall[Any, Any]], Any], body: msgspec.Struct, **names: str
) -> Any:
    """Do what a route of the API does, with this body; `names` = those of its path where the page's are others.

    Raises:
        ArgumentError: a program could not send such a body.
    """
    try:  # a struct that is made by hand is not checked
        checked = msgspec.convert(msgspec.to_builtins(body), type(body))
    except msgspec.ValidationError as error:
        raise ArgumentError(str(error)) from None
    return handler(msgspec.structs.replace(call, body=checked, names={**call.names, **names}))


def require_all_done(answer: BulkResponse) -> None:
    """Tell the first of many that could not be done. Raises ConflictError."""
    if answer.refused:
        first, why = next(iter(answer.refused.items()))
        more = "" if len(answer.refused) == 1 else f", and so with {len(answer.refused) - 1} more"
        raise ConflictError(f"{answer.done} of {answer.count} are done. {first}: {why}{more}")


def list_tables(
    find: Callable[[ApiCall[Any, Any]], Any], *names: str
) -> dict[str, Callable[[ApiCall[Any, None]], Any]]:
    """Return what gives the rows of tables that are fields of one answer, by the field's name."""
    return {name: partial(_read_field, find, name) for name in names}


def _read_field(find: Callable[[ApiCall[Any, Any]], Any], name: str, call: ApiCall[Any, None]) -> Any:
    return getattr(find(call), name)


def read_reason(call: ApiCall[Any, Form]) -> str | None:
    """Return why it is done, as the form says; None where it does not."""
    return call.body.get("reason", "").strip() or None
