"""The streams on the page of a run: each with its last records."""

from typing import Any, Final

import msgspec

from mainspring.domain.errors import SealedError
from mainspring.domain.runs.stream import StreamRecord, drop_superseded
from mainspring.insight.text.formatting import escape_line
from mainspring.insight.text.hidden_values import hide_in_value
from mainspring.service.runs.streams import read_stream
from mainspring.store.read.runs.streams import StreamView, list_streams
from mainspring.store.views import RunView
from mainspring.web.api.call import ApiCall

_MOST: Final = 10
_CHARACTERS: Final = 200


class StreamRow(msgspec.Struct, frozen=True):
    """A stream: the numbers of its first and last stored record, when it was written (ms UTC), its last values that count."""

    name: str
    first: int
    last: int
    last_at: int
    values: list[str]
    note: str = ""


def list_stream_rows(call: ApiCall[Any, Any], run: RunView) -> list[StreamRow]:
    """Return the streams of a run by name."""
    return [_build_row(call, run, view) for view in list_streams(call.site.reader, run.id)]


def _build_row(call: ApiCall[Any, Any], run: RunView, view: StreamView) -> StreamRow:
    since = max(view.last - _MOST, view.first - 1)
    try:
        page = read_stream(call.site.reader, call.site.opening, run.id, view.name, since)
    except SealedError as error:
        return StreamRow(view.name, view.first, view.last, view.last_at, [], error.message)
    values = [_format_value(record) for record in drop_superseded(page.records)[-_MOST:]]
    return StreamRow(view.name, view.first, view.last, view.last_at, values)


def _format_value(record: StreamRecord[Any]) -> str:
    data = hide_in_value(msgspec.json.encode(record.value)) or b""
    text = str(msgspec.json.decode(data)) if isinstance(record.value, str) else data.decode()
    return escape_line(text, _CHARACTERS)
