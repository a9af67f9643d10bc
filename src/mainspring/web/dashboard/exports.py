"""Rows for other programs: what a page lists in its present filter, as CSV or JSON, written as the API tells it, but without secrets.

They leave as they are read, part by part: a process that puts a list of large values together before it sends it has no memory left.
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
"""Bytes that are sent together, and somewhat more."""

MOST: Final = 10_000
"""Rows of one export; whoever wants more asks the API page by page."""
KINDS: Final = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are the first four as East Asian keyboards write them, and spreadsheets there read them."""

_BLANKS: Final = "".join(
    map(chr, (0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x2010), 0x2028, 0x2029, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF))
)
"""What a spreadsheet leaves out before it looks what a cell begins with."""


def download(rows: Iterable[msgspec.Struct], kind: str, name: str, *, is_head: bool = False) -> Response:
    """Return rows as a file of this kind and name; `is_head` = what it would be is asked for, and not its rows.

    It blocks; what cannot be read is raised here, or ends the file before its end.
    """
    headers = {"Content-Disposition": f'attachment; filename="{name}.{kind}"'}
    parts = encode_rows(rows, kind)
    first = next(parts)
    if is_head:  # its length would be known by its rows alone
        return StreamingResponse(iter(()), 200, headers, KINDS[kind])
    second = next(parts, None)
    if second is None:
        return Response(first, 200, headers, KINDS[kind])
    return StreamingResponse(chain((first, second), parts), 200, headers, KINDS[kind])


def encode_rows(rows: Iterable[msgspec.Struct], kind: str) -> Iterator[bytes]:
    """Give rows as bytes of this kind, at most MOST of them; at least one part."""
    told = (to_plain_json(_hide_secrets(row)) for row in islice(rows, MOST))
    part = bytearray()
    for piece in (_encode_json if kind == "json" else _encode_csv)(told):
        part += piece
        if len(part) >= _PART:
            yield bytes(part)
            part.clear()
    yield bytes(part)


def _hide_secrets(row: msgspec.Struct) -> msgspec.Struct:
    """Return a row with its stored values as a page may show them: a file goes further than the page."""
    stored = {name: value for name in row.__struct_fields__ if isinstance(value := getattr(row, name), bytes)}
    return (
        msgspec.structs.replace(row, **{name: hide_in_value(value) for name, value in stored.items()})
        if stored
        else row
    )


def list_all_pages(
    call: ApiCall[Any, None], listed: Callable[[ApiCall[Any, None]], Page[R]], *, most: int = _PAGES
) -> Iterator[R]:
    """Give all items of a list of the API, page by page; of one in which few are seen, those of its `most` newest pages."""
    query = msgspec.structs.replace(call.query, limit=_AT_ONCE)
    for _ in range(most):
        found = listed(msgspec.structs.replace(call, query=query))
        yield from found.items
        if found.next is None:
            return
        cursor = msgspec.convert(found.next, _query_type(query), strict=False)
        query = msgspec.structs.replace(query, cursor=cursor)


def _query_type(query: Any) -> Any:
    return next(one.type for one in msgspec.structs.fields(query) if one.name == "cursor")


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
    """Return a value as a cell; what a spreadsheet would take for a formula begins with an apostrophe (ASVS 1.2.10)."""
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return str(value)
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip(_BLANKS).startswith(_FORMULA) else text
