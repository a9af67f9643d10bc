"""Streams of runs: records are appended in chunks, numbered per stream; the oldest chunks are deleted above the limits."""

from collections.abc import Mapping

from mainspring.domain.runs.stream import MAX_STREAMS, StreamLimits, StreamRecordKind
from mainspring.store.commands.results import DONE, CommandDone, Refused
from mainspring.store.commands.streams import SupersedeRecords, WriteStream
from mainspring.store.transaction import Transaction
from mainspring.store.write.runs.ownership import answer_lost_claim, is_run_owner


def write_stream(tx: Transaction, command: WriteStream) -> CommandDone | Refused:
    """Append records to a stream, after a mark if an earlier attempt of their writer wrote to it."""
    c, part = command, command.part
    tx.hold("run", c.target)
    if not is_run_owner(tx, part.source, c.claim):
        return answer_lost_claim(tx, part.source, c.claim)
    if _is_stored(tx, c, c.stream, StreamRecordKind.VALUE, part.n):
        return DONE
    writer = tx.first("find_stream_writer", (c.target, part.ident, c.stream))
    own = (part.source, part.generation, part.attempt)
    if writer is None:
        if not _may_begin(tx, c.target, c.stream):
            return Refused("too_many_streams", f"run {c.target} has {MAX_STREAMS} streams already")
    else:
        *last, next_n = writer
        if tuple(last) != own:
            _mark_superseded(tx, c, c.stream, part.n)
        elif part.n + part.records <= next_n:
            return DONE
    values = {"size": part.size, "records": part.records, "n": part.n, "body": part.body}
    _append_chunk(tx, c, c.stream, StreamRecordKind.VALUE, values, c.limits)
    tx.change("save_stream_writer", (c.target, part.ident, c.stream, *own, part.n + part.records))
    return DONE


def supersede_records(tx: Transaction, command: SupersedeRecords) -> CommandDone | Refused:
    """Mark what a new attempt or generation makes again."""
    c = command
    tx.hold("run", c.target)
    if not is_run_owner(tx, c.source, c.claim):
        return answer_lost_claim(tx, c.source, c.claim)
    counts = dict(c.counts)
    own = (c.source, c.generation, c.attempt)
    for stream, *last, next_n in tx.all("list_streams_of_writer", (c.target, c.ident)):
        from_n = counts.get(stream, 0) + 1
        is_older = tuple(last) != own and next_n > from_n
        if is_older and not _is_stored(tx, c, stream, StreamRecordKind.RETRIED, from_n):
            _mark_superseded(tx, c, stream, from_n)
            tx.change("save_stream_writer", (c.target, c.ident, stream, *own, from_n))
    return DONE


def carry_streams(tx: Transaction, run: str, successor: str) -> None:
    """Let the streams of a run that continues another one begin with the next numbers of the streams of that run."""
    values = {"run": run, "successor": successor, "kind": StreamRecordKind.CARRIED, "now": tx.now, "body": b""}
    tx.change("carry_streams", values)


def _is_stored(
    tx: Transaction, command: WriteStream | SupersedeRecords, stream: str, kind: StreamRecordKind, n: int
) -> bool:
    """Tell whether an earlier sending of this group, whose answer was lost, has stored the chunk."""
    by = command.part if isinstance(command, WriteStream) else command
    identity = (command.target, stream, kind, by.source, by.ident, by.generation, by.attempt, n)
    return tx.again and tx.first("find_stream_chunk", identity) is not None


def _may_begin(tx: Transaction, run: str, stream: str) -> bool:
    """Tell whether the stream exists, or the run may have one more."""
    known = tx.first("find_last_stream_chunk", (run, stream)) is not None
    return known or (tx.value("count_streams", (run,), int) or 0) < MAX_STREAMS


def _mark_superseded(tx: Transaction, command: WriteStream | SupersedeRecords, stream: str, from_n: int) -> None:
    values = {"size": 0, "records": 1, "n": from_n, "body": b""}
    _append_chunk(tx, command, stream, StreamRecordKind.RETRIED, values, None)


def _append_chunk(
    tx: Transaction,
    command: WriteStream | SupersedeRecords,
    stream: str,
    kind: StreamRecordKind,
    values: Mapping[str, object],
    limits: StreamLimits | None,
) -> None:
    """Append a chunk, and delete the oldest ones above the limits."""
    run, writer = command.target, command.part if isinstance(command, WriteStream) else command
    last = tx.first("find_last_stream_chunk", (run, stream))
    seq, records, upto = (1, 0, 0) if last is None else last
    seq, upto = seq + records, upto + int(str(values["size"]))
    place = {"run": run, "stream": stream, "seq": seq, "kind": kind, "at": tx.now, "upto": upto}
    by = {name: getattr(writer, name) for name in ("source", "ident", "name", "generation", "attempt")}
    tx.change("insert_stream_chunk", {**place, **by, **values})
    if limits is not None and (seq > limits.records or upto > limits.bytes):
        tail = seq + int(str(values["records"])) - limits.records
        first = tx.value("find_first_stored_chunk", (run, stream, tail, upto - limits.bytes), int)
        tx.change("delete_stream_chunks", (run, stream, seq if first is None else first))
