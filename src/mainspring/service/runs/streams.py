"""Records of streams of runs, unsealed and unpacked, in the order of their numbers."""

import msgspec

from mainspring.domain.errors import SealedError
from mainspring.domain.runs.stream import StreamRecord, StreamRecordKind, Truncated, check_stream_name, unpack_records
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.domain.states import TERMINAL_STATES, RunState
from mainspring.domain.values.codec import decode
from mainspring.domain.values.sealing import split_sealed
from mainspring.store.base import StoreReader
from mainspring.store.read.runs.run_views import run_view
from mainspring.store.read.runs.streams import list_chunks
from mainspring.store.schema.runs.stream_chunks import StreamChunk
from mainspring.store.views import find_continuation

_CHUNKS_AT_ONCE = 20


class StreamPage(msgspec.Struct, frozen=True, kw_only=True):
    """Records of a stream, and where to read on: after `next`, in the run `continued_by` if that is set.

    `is_over` = the run has ended or needs a person, and these are the last records it has so far.
    """

    run: str
    stream: str
    records: list[StreamRecord[object]]
    next: int
    is_over: bool
    continued_by: str | None = None


def read_stream(
    reader: StoreReader, opening: RowUnsealer, run: str, stream: str, since: int = 0, limit: int = 1_000
) -> StreamPage:
    """Return up to about `limit` records after `since`: the last chunk is returned whole.

    Raises:
        NotFoundError: there is no such run. ArgumentError: the name cannot be that of a stream.
        Truncated: records after `since` were deleted.
        SealedError: a codec sealed the records, and this process does not have it.
    """
    check_stream_name(stream)
    view = run_view(reader, run)  # before its records: those of a run that has ended are all there
    is_over = view.state in TERMINAL_STATES or view.state is RunState.NEEDS_ATTENTION
    records: list[StreamRecord[object]] = []
    next_seq, has_more = since, True
    while has_more and len(records) < limit:
        chunks = list_chunks(reader, run, stream, next_seq, _CHUNKS_AT_ONCE)
        has_more = len(chunks) == _CHUNKS_AT_ONCE
        for chunk in chunks:
            if chunk.seq > next_seq + 1 and chunk.kind is not StreamRecordKind.CARRIED:
                raise Truncated(run, stream, next_seq, chunk.seq)
            records += [record for record in _read_chunk(chunk, opening) if record.seq > next_seq]
            next_seq = max(next_seq, chunk.seq + chunk.records - 1)
            if len(records) >= limit:
                has_more = has_more or chunk is not chunks[-1]
                break
    is_last = is_over and not has_more
    continued_by = find_continuation(view) if is_last else None
    return StreamPage(
        run=run, stream=stream, records=records, next=next_seq, is_over=is_last, continued_by=continued_by
    )


def _read_chunk(chunk: StreamChunk, opening: RowUnsealer) -> list[StreamRecord[object]]:
    if chunk.kind is StreamRecordKind.CARRIED:
        return []
    if chunk.kind is StreamRecordKind.RETRIED:
        return [_make_record(chunk, 0, None)]
    data = opening.value(chunk.body) or b""
    if (sealed := split_sealed(data)) is not None:
        raise SealedError(f"records of a stream are sealed by codec {sealed.codec!r}, which is missing here")
    return [
        _make_record(chunk, number, decode(record, value_name="record of a stream"))
        for number, record in enumerate(unpack_records(data))
    ]


def _make_record(chunk: StreamChunk, number: int, value: object) -> StreamRecord[object]:
    return StreamRecord(
        seq=chunk.seq + number,
        kind=chunk.kind,
        writer=chunk.ident,
        step=chunk.name,
        generation=chunk.generation,
        attempt=chunk.attempt,
        n=chunk.n + number,
        at=chunk.at,
        value=value,
    )
