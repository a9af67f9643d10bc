"""The streams of one loaded run: groups the records of its steps, and sends those of its body.

Invariants: the records of an attempt are submitted before its outcome, and in their order; each is acknowledged once, when it is
committed or never will be. Used in the loop's thread.
"""

import asyncio
from typing import TYPE_CHECKING, Final

from mainspring.domain.errors import ArgumentError, MainspringError
from mainspring.domain.runs.journal import History
from mainspring.domain.runs.stream import CHUNK_BYTES, CHUNK_RECORDS, StreamPart, pack_records
from mainspring.engine.attempts.attempt_reports import AckCallback, StreamReport
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.body.child_runs import STEP_RUN
from mainspring.store.commands.results import CommandDone, Refused
from mainspring.store.commands.streams import SupersedeRecords, WriteStream

if TYPE_CHECKING:
    from mainspring.engine.driver.loaded_run import LoadedRun

FLUSH_AFTER_S: Final = 0.05


class _PendingRecords:
    """The records of one attempt in one stream that are not submitted."""

    __slots__ = ("acks", "n", "records", "size", "spec")

    def __init__(self, spec: AttemptSpec, n: int) -> None:
        self.spec = spec
        self.n = n
        self.records: list[bytes] = []
        self.acks: list[AckCallback] = []
        self.size = 0


class RunStreams:
    """Sends records. A step that another worker runs writes to the stream of the run that called it."""

    def __init__(self, loaded: "LoadedRun", history: History | None) -> None:
        self._loaded = loaded
        run = loaded.run
        self._is_of_parent = run.kind == STEP_RUN and run.parent is not None
        self._target = run.parent if self._is_of_parent and run.parent is not None else run.id
        self._stored = {} if history is None else dict(history.body_records)
        self._writers = set() if history is None else set(history.stream_writers)
        """The steps that have written to a stream, also in earlier attempts."""
        self._pending: dict[tuple[str, str], _PendingRecords] = {}
        """By the identity of the step, and the stream."""
        self._timer: asyncio.TimerHandle | None = None

    # -- the body ------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Send the records of the replay that are not stored; mark those that a new generation makes again."""
        streams, run = self._loaded.body.streams, self._loaded.run
        retained, streams.retained = streams.retained or (), None
        if run.generation and any(stored > streams.counts.get(name, 0) + 1 for name, stored in self._stored.items()):
            self._supersede("", "", 0, tuple(streams.counts.items()))
        for name, number, data in retained:
            if number >= self._stored.get(name, 1):
                self.take_of_body(name, number, data)

    def take_of_body(self, stream: str, number: int, data: bytes) -> None:
        """Send a record of the body. Each is a chunk of its own, so that a repeated one is recognized by its number."""
        try:
            body = self._pack([data])
        except (
            MainspringError
        ) as error:  # the codec fails: the run stops for a person, because code could catch an error here
            self._loaded.host.loop.call_soon(self._loaded.fail, error)
            return
        part = StreamPart(
            source=self._loaded.run.id,
            ident="",
            name="",
            generation=self._loaded.run.generation,
            attempt=0,
            n=number,
            records=1,
            size=len(data),
            body=body,
        )
        self._submit(stream, part, [])

    # -- steps ---------------------------------------------------------------------------------------------------------

    def begin_attempt(self, ident: str, name: str, attempt: int) -> None:
        """Mark what earlier attempts of a step have written: this one makes it again."""
        if ident in self._writers or (self._is_of_parent and attempt > 1):
            self._supersede(self._ident_of(ident), name, attempt, ())

    def take(self, spec: AttemptSpec, report: StreamReport) -> None:
        """Accept a record of a running attempt."""
        self._writers.add(spec.ident)
        key = spec.ident, report.stream
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = _PendingRecords(spec, report.n)
        pending.records.append(report.data)
        pending.acks.append(report.ack)
        pending.size += len(report.data)
        if pending.size >= CHUNK_BYTES or len(pending.records) >= CHUNK_RECORDS:
            self._send(key)
        elif self._timer is None:
            self._timer = self._loaded.host.loop.call_later(FLUSH_AFTER_S, self._flush_all)

    def flush(self, ident: str) -> None:
        """Submit the records of a step."""
        for key in [key for key in self._pending if key[0] == ident]:
            self._send(key)

    def close(self) -> None:
        """Drop what is not submitted: the run is unloaded."""
        if self._timer is not None:
            self._timer.cancel()
        for pending in self._pending.values():
            _acknowledge(pending.acks, RuntimeError("this attempt no longer counts"))
        self._pending.clear()

    def _flush_all(self) -> None:
        self._timer = None
        for key in list(self._pending):
            self._send(key)

    def _send(self, key: tuple[str, str]) -> None:
        pending = self._pending.pop(key)
        spec = pending.spec
        try:
            body = self._pack(pending.records)
        except MainspringError as error:  # the codec fails: the step gets the error
            _acknowledge(pending.acks, error)
            return
        part = StreamPart(
            source=spec.run_id,
            ident=self._ident_of(spec.ident),
            name=spec.name,
            generation=spec.generation,
            attempt=spec.attempt,
            n=pending.n,
            records=len(pending.records),
            size=pending.size,
            body=body,
        )
        self._submit(key[1], part, pending.acks)

    # -- both ----------------------------------------------------------------------------------------------------------

    def _ident_of(self, ident: str) -> str:
        """Return the identity of a step in the run whose stream it is."""
        return (self._loaded.run.parent_ident or ident) if self._is_of_parent else ident

    def _pack(self, records: list[bytes]) -> bytes:
        return self._loaded.host.seal_inline(pack_records(records)) or b""

    def _submit(self, stream: str, part: StreamPart, acks: list[AckCallback]) -> None:
        host = self._loaded.host

        def written(result: CommandDone | Refused | BaseException) -> None:
            error: BaseException | None = None
            if isinstance(result, Refused) and result.code == "too_many_streams":
                error = ArgumentError(result.text or result.code, hint="Write to fewer streams.")
                if not acks:
                    self._loaded.fail(error)
            elif not self._loaded.accepts(result) and not isinstance(result, CommandDone):
                error = RuntimeError("the records were not saved: another worker has the run")
            _acknowledge(acks, result if isinstance(result, BaseException) else error)

        host.store.submit(WriteStream(self._target, self._loaded.claim, stream, part, host.stream_limits), written)

    def _supersede(self, ident: str, name: str, attempt: int, counts: tuple[tuple[str, int], ...]) -> None:
        run, claim = self._loaded.run, self._loaded.claim
        writer = run.id, ident, name, run.generation, attempt
        self._loaded.host.store.submit(SupersedeRecords(self._target, claim, *writer, counts), self._loaded.accepts)


def _acknowledge(acks: list[AckCallback], error: BaseException | None) -> None:
    for ack in acks:
        ack(error)
