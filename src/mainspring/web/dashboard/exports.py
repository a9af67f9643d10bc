"""Exports of a page's list in its present filter, as CSV or JSON, in the form of the API, but without secrets.

Rows are sent while they are read, page by page: a list of large values would not fit into the memory of the process.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any, Final, TypeVar

import msgspec
from starlette.responses import Response, StreamingResponse

from mainspring.domain.values.plain_json import to_plain_json
from mainspring.insight.text.hidden_values import hide_in_value
from mainspring.web.api.call import ApiCall
from mainspring.web.api.response_types import Page

R = TypeVar("R", bound=msgspec.Struct)
_AT_ONCE, _PAGES = 500, 100
_PART = 256 * 1024
"""Bytes that are sent at once, or somewhat more."""

MOST: Final = 10_000
"""Rows of one export; a larger list is read page by page from the API."""
KINDS: Final = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are the first four as East Asian keyboards type them; spreadsheets there accept them."""

_BLANKS: Final = "".join(
    map(chr, (0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x2010), 0x2028, 0x2029, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF))
)
"""Characters that a spreadsheet skips before it decides what a cell begins with."""


def download(rows: Iterable[msgspec.Struct], kind: str, name: str, *, is_head: bool = False) -> Response:
    """Return rows as a file of this kind and name; `is_head` = only its headers are requested.

    It blocks. An error before the first bytes is raised here, a later one cuts the file short.
    """
    headers = {"Content-Disposition": f'attachment; filename="{name}.{kind}"'}
    parts = encode_rows(rows, kind)
    first = next(parts)
    if is_head:  # the length is unknown before the rows are read
        return StreamingResponse(iter(()), 200, headers, KINDS[kind])
    second = next(parts, None)
    if second is None:
        return Response(first, 200, headers, KINDS[kind])
    return StreamingResponse(chain((first, second), parts), 200, headers, KINDS[kind])


def encode_rows(rows: Iterable[msgspec.Struct], kind: str) -> Iterator[bytes]:
    """Yield rows as bytes of this kind, at most MOST of them; at least one part."""
    plain_rows = (to_plain_json(_hide_secrets(row)) for row in islice(rows, MOST))
    chunk = bytearray()
    for encoded in (_encode_json if kind == "json" else _encode_csv)(plain_rows):
        chunk += encoded
        if len(chunk) >= _PART:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk)


def _hide_secrets(row: msgspec.Struct) -> msgspec.Struct:
    """Return a row with its stored values as a page shows them: a file is passed on further than a page."""
    stored = {name: value for name in row.__struct_fields__ if isinstance(value := getattr(row, name), bytes)}
    return (
        msgspec.structs.replace(row, **{name: hide_in_value(value) for name, value in stored.items()})
        if stored
        else row
    )


def list_all_pages(
    call: ApiCall[Any, None], list_page: Callable[[ApiCall[Any, None]], Page[R]], *, most: int = _PAGES
) -> Iterator[R]:
    """Yield all items of a list of the API, page by page; if few of them are visible, those of its `most` newest pages."""
    query = msgspec.structs.replace(call.query, limit=_AT_ONCE)
    for _ in range(most):
        page = list_page(msgspec.structs.replace(call, query=query))
        yield from page.items
        if page.next is None:
            return
        cursor = msgspec.convert(page.next, _query_type(query), strict=False)
        query = msgspec.structs.replace(query, cursor=cursor)


def _query_type(query: Any) -> Any:
    return next(field.type for field in msgspec.structs.fields(query) if field.name == "cursor")


def _encode_json(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    before = b"["
    for row in rows:
        yield before + msgspec.json.encode(row)
        before = b","
    yield b"[]" if before == b"[" else b"]"


def _encode_csv(rows: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    first = next(rows, {})
    yield _encode_line(list(first))
    for row in chain([first] if first else [], rows):
        yield _encode_line([_encode_cell(row[name]) for name in first])


def _encode_line(cells: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode("utf-8", "replace")


def _encode_cell(value: Any) -> str:
    """Return a value as a cell; one that a spreadsheet would read as a formula gets an apostrophe (ASVS 1.2.10)."""
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return str(value)
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip(_BLANKS).startswith(_FORMULA) else text
