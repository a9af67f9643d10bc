"""Messages between the engine and a child."""

import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import transient
from mainspring.engine.attempts.processes import child_protocol
from mainspring.engine.attempts.processes.child_protocol import FrameError, FrameReader

MESSAGES = [
    child_protocol.StartMessage(),
    child_protocol.LogMessage("info", "é\\x00", {"n": 1}),
    child_protocol.ProgressMessage(1, None),
    child_protocol.CheckpointMessage(3, msgspec.Raw(b'{"a":[1,null]}')),
    child_protocol.EndMessage(ok=True, output=msgspec.Raw(b"null"), duration_us=1, memory=2, is_spent=False),
    child_protocol.EndMessage(
        ok=False,
        failure=Failure(type="T", code="c", message="m", data={"x": [1]}),
        verdict=transient("timeout"),
        duration_us=1,
        memory=2,
        is_spent=True,
    ),
]


@given(st.lists(st.integers(1, 50), max_size=60))
def test_frames_survive_any_cut_of_the_stream(cuts):
    """However a stream is cut, the same messages come out, each once."""
    stream = b"".join(map(child_protocol.encode_frame, MESSAGES))
    reader = FrameReader(child_protocol.MessageFromChild)
    got = []
    for cut in [*cuts, len(stream)]:
        got += reader.feed(stream[:cut])
        stream = stream[cut:]
    assert [msgspec.json.encode(message) for message in got] == [msgspec.json.encode(message) for message in MESSAGES]


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">I", 11) + b"x" * 11,
        struct.pack(">I", 2) + b"{}",
        struct.pack(">I", 16) + b'{"type":"hello"}',
        struct.pack(">I", 1) + b"\xff",
        struct.pack(">I", 2**31),
    ],
    ids=["no JSON", "no type", "not for this side", "no text", "too long"],
)
def test_reader_refuses_what_is_no_message(data):
    """Anything but a message of the expected kinds ends the channel."""
    with pytest.raises(FrameError):
        FrameReader(child_protocol.MessageFromChild).feed(data)


def test_frame_refuses_what_is_too_large(monkeypatch):
    """A message beyond the limit is refused by its sender."""
    monkeypatch.setattr(child_protocol, "MAX_FRAME_BYTES", 100)
    with pytest.raises(FrameError, match="larger"):
        child_protocol.encode_frame(child_protocol.LogMessage("info", "x" * 100, {}))
