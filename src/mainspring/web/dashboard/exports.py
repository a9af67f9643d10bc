"""Rows for other programs: what a page lists in its present filter, as CSV or JSON, written as the API tells it."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec
from starlette.responses import Response

from mainspring.domain.plain import plain
from mainspring.web.api.call import Call
from mainspring.web.api.shape import Page

R = TypeVar("R", bound=msgspec.Struct)
_AT_ONCE, _PAGES = 500, 100

MOST: Final = 10_000
"""Rows of one export; whoever wants more asks the API page by page."""
KINDS: Final = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def download(rows: Iterable[msgspec.Struct], kind: str, name: str) -> Response:
    """Return rows as a file of this kind and name."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.{kind}"'}
    return Response(exported(rows, kind), 200, headers, KINDS[kind])


def exported(rows: Iterable[msgspec.Struct], kind: str) -> bytes:
    """Return rows as bytes of this kind, at most MOST of them."""
    found: list[dict[str, Any]] = [plain(row) for row in islice(rows, MOST)]
    return msgspec.json.encode(found) if kind == "json" else _csv(found)


def pages_of(call: Call[Any, None], listed: Callable[[Call[Any, None]], Page[R]]) -> Iterator[R]:
    """Give all items of a list of the API, page by page; of one in which few are seen, those of its newest pages."""
    query = msgspec.structs.replace(call.query, limit=_AT_ONCE)
    for _ in range(_PAGES):
        found = listed(msgspec.structs.replace(call, query=query))
        yield from found.items
        if found.next is None:
            return
        cursor = msgspec.convert(found.next, _type_of(query), strict=False)
        query = msgspec.structs.replace(query, cursor=cursor)


def _type_of(query: Any) -> Any:
    return next(one.type for one in msgspec.structs.fields(query) if one.name == "cursor")


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    names = list(rows[0]) if rows else []
    writer.writerow(names)
    writer.writerows([_cell(row[name]) for name in names] for row in rows)
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> str:
    """Return a value as a cell; what a spreadsheet would take for a formula begins with an apostrophe (ASVS 1.2.10)."""
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return str(value)
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"'{text}" if text.startswith(_FORMULA) else text
