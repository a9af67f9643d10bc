"""Streams of runs: which there are, and their records, as a page or as server-sent events."""

from typing import Annotated, Any

import msgspec

from mainspring.domain.runs.stream import MAX_NAME, StreamRecord, check_stream_name
from mainspring.service.runs.streams import StreamPage, read_stream
from mainspring.store.read.runs.streams import StreamView, describe_position, list_streams
from mainspring.web.api.bodies import Limit
from mainspring.web.api.call import ApiCall
from mainspring.web.api.event_page import EventPage, NumberedEvent
from mainspring.web.api.route import get_route

_Since = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class StreamQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The records after the number `since`, about `limit` of them.

    `wait` = seconds, 30 at most: answer when there is a record or the run has ended, else after this time. If too many requests wait, the
    answer comes at once.
    """

    since: _Since = 0
    limit: Limit = 500
    wait: Annotated[float, msgspec.Meta(ge=0, le=30)] = 0


class StreamList(msgspec.Struct, frozen=True):
    """The streams of a run, by name."""

    items: list[StreamView]


class StreamRecords(msgspec.Struct, frozen=True, kw_only=True):
    """Records of a stream. Read on with `since` = `next`, in the run `continued_by` if that is set.

    `is_over` = the run has ended or needs a person, and has no more records so far.
    """

    run: str
    stream: str
    records: list[StreamRecord[Any]]
    next: int
    is_over: bool
    continued_by: str | None = None


def list_run_streams(call: ApiCall[None, None]) -> StreamList:
    """List the streams of a run, with the numbers of their first and last record."""
    return StreamList(list_streams(call.site.reader, call.run().id))


def read_records(call: ApiCall[StreamQuery, None]) -> StreamRecords:
    """Read records of a stream. With `Accept: text/event-stream` they are sent as events while the run writes them.

    The `id` of an event is the number of its record: a browser continues after a lost connection by `Last-Event-ID`.
    """
    page = read_page(call, call.query.since)
    return StreamRecords(**msgspec.structs.asdict(page))


def read_page(call: ApiCall[StreamQuery, None], since: int, run: str | None = None) -> StreamPage:
    """Return the records after a number, of the run that the path names or of one that continues it."""
    view = call.run(run)
    return read_stream(call.site.reader, call.site.opening, view.id, _stream_of(call), since, call.query.limit)


def read_events(call: ApiCall[StreamQuery, None], since: int, run: str | None = None) -> EventPage:
    """Return the records after a number as events."""
    page = read_page(call, since, run)
    return EventPage(
        run=page.run,
        place=describe_position(page.run, page.stream, page.next),
        events=[NumberedEvent(record.seq, record.kind, record) for record in page.records],
        next=page.next,
        is_over=page.is_over,
        continued_by=page.continued_by,
    )


def find_awaited_record(call: ApiCall[StreamQuery, None]) -> str | None:
    """Return the place in the stream for whose record a request waits; None = there is one, or the request does not wait."""
    if not call.query.wait:
        return None
    page = read_page(call, call.query.since)
    if page.records or page.is_over:
        return None
    return describe_position(page.run, page.stream, page.next)


def _stream_of(call: ApiCall[StreamQuery, None]) -> str:
    return check_stream_name(call.names["stream"][: MAX_NAME + 1])


ROUTES = (
    get_route("streams.list", "/runs/{run}/streams", list_run_streams, StreamList),
    get_route(
        "streams.read",
        "/runs/{run}/streams/{stream}",
        read_records,
        StreamRecords,
        query=StreamQuery,
        pending=find_awaited_record,
        events=read_events,
    ),
)
