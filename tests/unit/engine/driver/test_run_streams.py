"""Records of a loaded run: no writer gets the acknowledgement of a record that is not committed."""

from types import SimpleNamespace
from typing import Any

import pytest

from mainspring.domain.errors import ArgumentError, SealedError
from mainspring.domain.runs.stream import CHUNK_RECORDS, DEFAULT_LIMITS
from mainspring.engine.attempts.attempt_reports import StreamReport
from mainspring.engine.driver.run_streams import RunStreams
from mainspring.store.commands.results import CLAIM_LOST, DONE, Refused


class Loaded:
    """A loaded run whose commands are answered by the test."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, Any]] = []
        self.calls: list[Any] = []
        self.failed: list[Exception] = []
        self.is_unloaded = False
        self.claim = 1
        self.run = SimpleNamespace(id="r_1", kind="workflow", parent=None, parent_ident=None, generation=0)
        loop = SimpleNamespace(
            call_later=lambda _delay, call: SimpleNamespace(cancel=lambda: None, call=call),
            call_soon=lambda call, *args: self.calls.append(lambda: call(*args)),
        )
        store = SimpleNamespace(submit=lambda command, answered: self.sent.append((command, answered)))
        self.host = SimpleNamespace(loop=loop, store=store, seal_inline=bytes, stream_limits=DEFAULT_LIMITS)

    def accepts(self, result: object) -> bool:
        if isinstance(result, Refused):
            self.is_unloaded = True
        return not self.is_unloaded and result == DONE

    def fail(self, error: Exception) -> None:
        self.failed.append(error)


SPEC = SimpleNamespace(run_id="r_1", ident="s#1", name="s", generation=0, attempt=1)


def write(streams: RunStreams, acks: list[Any], count: int = 1) -> None:
    for number in range(1, count + 1):
        streams.take(SPEC, StreamReport("tokens", number, b"1", acks.append))  # type: ignore[arg-type]


@pytest.mark.parametrize("is_unloaded", [False, True])
def test_record_of_a_lost_run_is_never_acknowledged(is_unloaded):
    """Also if the run was unloaded before the answer."""
    loaded, acks = Loaded(), []
    streams = RunStreams(loaded, None)  # type: ignore[arg-type]
    write(streams, acks)
    streams.flush("s#1")
    loaded.is_unloaded = is_unloaded
    loaded.sent[0][1](CLAIM_LOST)
    assert [type(error) for error in acks] == [RuntimeError]


def test_committed_record_is_acknowledged_although_the_run_is_unloaded():
    """It is in the stream."""
    loaded, acks = Loaded(), []
    streams = RunStreams(loaded, None)  # type: ignore[arg-type]
    write(streams, acks)
    streams.flush("s#1")
    loaded.is_unloaded = True
    loaded.sent[0][1](DONE)
    assert acks == [None]


def test_unload_acknowledges_no_record_that_was_held_back():
    """Its writer gets an error."""
    loaded, acks = Loaded(), []
    streams = RunStreams(loaded, None)  # type: ignore[arg-type]
    write(streams, acks)
    streams.close()
    assert [type(error) for error in acks] == [RuntimeError]
    assert loaded.sent == []


def test_too_many_streams_is_an_error_of_the_writer():
    """It says what to do; the run continues."""
    loaded, acks = Loaded(), []
    streams = RunStreams(loaded, None)  # type: ignore[arg-type]
    write(streams, acks)
    streams.flush("s#1")
    loaded.sent[0][1](Refused("too_many_streams", "run r_1 has 100 streams already"))
    assert [type(error) for error in acks] == [ArgumentError]
    assert "Write to fewer streams." in str(acks[0])
    assert not loaded.failed


def test_many_tiny_records_are_several_chunks():
    """A page of records has a limit, and a chunk is read whole."""
    loaded, acks = Loaded(), []
    streams = RunStreams(loaded, None)  # type: ignore[arg-type]
    write(streams, acks, count=2 * CHUNK_RECORDS + 1)
    streams.flush("s#1")
    assert [(command.part.n, command.part.records) for command, _ in loaded.sent] == [
        (1, CHUNK_RECORDS),
        (CHUNK_RECORDS + 1, CHUNK_RECORDS),
        (2 * CHUNK_RECORDS + 1, 1),
    ]


def test_codec_that_fails_stops_the_run_and_raises_nothing_in_its_body():
    """A body that catches the error would take another path than its replay."""
    loaded = Loaded()

    def fail(data: bytes | None) -> bytes:
        raise SealedError("the key is gone")

    loaded.host.seal_inline = fail
    RunStreams(loaded, None).take_of_body("status", 1, b"1")  # type: ignore[arg-type]
    assert not loaded.failed
    loaded.calls[0]()
    assert [type(error) for error in loaded.failed] == [SealedError]
