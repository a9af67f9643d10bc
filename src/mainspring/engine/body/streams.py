"""The streams of a body: counts its records, so that a replay writes none again.

Invariant: a record has the same number in each replay. While a replay runs, its records are retained: those that are not stored yet are
sent at its end.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mainspring.domain.errors import ArgumentError
from mainspring.domain.runs.stream import MAX_RECORD_BYTES, MAX_STREAMS, check_stream_name
from mainspring.domain.values.codec import encode
from mainspring.domain.values.stored_file import refuse_files

if TYPE_CHECKING:
    from mainspring.engine.body.body import Body

MOST_RECORDS: Final = 1_000
MOST_BYTES: Final = 1024 * 1024
"""Of one body between two outcomes: it cannot wait for the store."""
_MOST_RETAINED: Final = 10 * MOST_BYTES
"""Bytes of the records of a replay that may not be stored yet. A process commits in order, so only the last ones can be."""
_RECORD_BYTES: Final = 200
"""Counted for each of them beside its JSON."""

RecordCallback = Callable[[str, int, bytes], None]


class BodyStreams:
    """The streams of one body. `counts` = how many records it has written to each; `on_record` receives stream, number and JSON."""

    def __init__(self, body: "Body") -> None:
        self._body = body
        self.counts: dict[str, int] = {}
        self.on_record: RecordCallback | None = None
        self.retained: deque[tuple[str, int, bytes]] | None = deque()
        """The records of the replay; None = it is over."""
        self._records = self._bytes = self._retained_bytes = 0

    def open(self, name: str) -> "BodyStream":
        """Return a stream of this name. Raises ArgumentError."""
        check_stream_name(name)
        if name not in self.counts:
            if len(self.counts) >= MAX_STREAMS:
                raise ArgumentError(
                    f"run.stream({name!r}): the run has {MAX_STREAMS} streams already",
                    hint="Write to fewer streams, and let each record name what it is about.",
                )
            self.counts[name] = 0
        return BodyStream(self, name)

    def write(self, name: str, value: object) -> None:
        """Write a record."""
        self._body.refuse_if_read_only()
        self._body.refuse_if_stopped()
        value_name = f"record of stream {name!r}"
        data = refuse_files(encode(value, value_name=value_name, limit=MAX_RECORD_BYTES), value_name)
        self._records, self._bytes = self._records + 1, self._bytes + len(data)
        if self._records > MOST_RECORDS or self._bytes > MOST_BYTES:
            raise ArgumentError(
                f"run.stream({name!r}).write(...): the body has written {self._records:,} records of {self._bytes:,} bytes since its last "
                f"outcome (at most {MOST_RECORDS:,} and {MOST_BYTES:,})",
                hint="Write many records in a step: await run.step(...), with ms.stream(...) in its function.",
            )
        number = self.counts[name] = self.counts[name] + 1
        if self.retained is not None:
            self._retain((name, number, data))
        elif self.on_record is not None:
            self.on_record(name, number, data)

    def _retain(self, record: tuple[str, int, bytes]) -> None:
        assert self.retained is not None
        self.retained.append(record)
        self._retained_bytes += len(record[2]) + _RECORD_BYTES
        while self._retained_bytes > _MOST_RETAINED:
            self._retained_bytes -= len(self.retained.popleft()[2]) + _RECORD_BYTES

    def outcome_delivered(self, *, is_inherited: bool) -> None:
        """Note that the body gets an outcome. What a fork has inherited is not written again."""
        self._records = self._bytes = 0
        if is_inherited and self.retained is not None:
            self.retained.clear()
            self._retained_bytes = 0


class BodyStream:
    """A stream of the run, `run.stream(name)` in a workflow body. A replay writes no record again."""

    def __init__(self, streams: BodyStreams, name: str) -> None:
        self._streams = streams
        self.name = name

    def write(self, value: object) -> None:
        """Add a record to the stream. `value` = a JSON value, data class and so on, of at most 256 KiB.

        It is sent at once and committed before the next outcome of the run.

        Raises:
            ValueRefusedError: the value cannot be saved; the error names the path inside it.
            ArgumentError: the body wrote more than 1,000 records, or 1 MiB, since its last outcome.
        """
        self._streams.write(self.name, value)
