"""Failures as data: bounded, printable, and never raising."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.errors import Permanent, Transient
from mainspring.domain.failures.classifier import FailureKind, classify
from mainspring.domain.failures.failure import Failure, short_type_name
from mainspring.domain.failures.saved_error import StepFailed


def failure_of(exc: BaseException) -> Failure:
    return Failure.of(exc, classify(exc))


def raised(depth: int) -> BaseException:
    def fall(left: int) -> None:
        secret = "hunter2"  # noqa: F841 - a local that must not be saved
        if left:
            fall(left - 1)
        raise RuntimeError("down")

    with pytest.raises(RuntimeError) as caught:
        fall(depth)
    return caught.value


class _Raises(Exception):
    def __str__(self):
        raise SystemExit(3)

    __repr__ = __str__


class _NotText(Exception):
    def __str__(self):
        return 7  # noqa: PLE0307 - the point


class _HostileAttributes(Exception):
    def __getattribute__(self, name):
        raise KeyboardInterrupt(name)


class _OddText(str):
    __slots__ = ()

    def __getitem__(self, key):
        raise RuntimeError

    def __len__(self):
        raise RuntimeError


class _ReturnsOddText(Exception):
    def __str__(self):
        return _OddText("odd")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_Raises, "SystemExit"),
        (_NotText, "TypeError"),
        (_HostileAttributes, "_HostileAttributes"),
        (_ReturnsOddText, "odd"),
        (lambda: Exception("\ud800"), "\\ud800"),
        (lambda: Exception("\x00\x1b[31m"), "\\x00\\x1b[31m"),
        (lambda: Exception("x" * 5_000_000), "characters]"),
        (lambda: Exception("€" * 5_000_000), "characters]"),
        (TimeoutError, "TimeoutError"),
    ],
)
def test_failure_of_survives_hostile_messages(make, message):
    """Raising, wrong, hostile and huge texts end as a bounded, printable message that can be saved."""
    # Made here: pytest itself would stumble over one as a parameter.
    failure = Failure.of(make(), classify(ValueError()))
    assert message in failure.message
    assert len(failure.message.encode()) <= 8192
    assert msgspec.json.decode(msgspec.json.encode(failure), type=Failure) == failure


@pytest.mark.parametrize("error", [Permanent("no"), ValueError("no")])
def test_error_is_named_as_it_is_raised(error):
    """Without the module in which it happens to stand."""
    assert short_type_name(failure_of(error).type) == type(error).__name__


@given(st.text(st.characters(), max_size=300))
def test_failure_message_is_always_saved(text):
    """Any text at all can be encoded, and comes back equal."""
    failure = failure_of(Exception(text))
    assert msgspec.json.decode(msgspec.json.encode(failure), type=Failure) == failure


def test_failure_keeps_verdict_hint_and_data():
    """What our own errors state is kept, the message without the hint."""
    failure = failure_of(Permanent("declined", hint="Pay.", data={"a": [1]}))
    assert (failure.message, failure.hint, failure.data) == ("declined", "Pay.", {"a": [1]})
    assert (failure.type, failure.code, failure.kind) == (
        "mainspring.Permanent",
        "permanent",
        "permanent",
    )
    assert failure_of(Transient("x", retry_after=0.0001)).retry_after_ms == 1
    assert failure_of(ConnectionRefusedError()).not_sent


@pytest.mark.parametrize("data", [{"a": object()}, "x" * 100_000])
def test_failure_reports_that_changed_data_was_refused(data):
    """Data that was changed after it was checked cannot break the failure."""
    exc = Permanent("x", data={})
    exc.data = data
    assert "refused" in failure_of(exc).data


def test_failure_frames_are_the_innermost_thirty_without_locals():
    """Deep stacks are cut, each frame is a place, and no local value is kept."""
    failure = failure_of(raised(100))
    assert len(failure.frames) == 30
    assert failure.frames[-1].endswith("fall")
    assert f"{__file__}:" in failure.frames[-1]
    assert b"hunter2" not in msgspec.json.encode(failure)


def test_failure_causes_are_bounded_and_cycles_end():
    """At most five levels, explicit causes before implicit ones, and `from None` is obeyed."""
    first, second = RuntimeError("one"), ValueError("two")
    first.__cause__, second.__context__ = second, first
    names, failure = [], failure_of(first)
    while failure is not None:
        names.append(failure.message)
        failure = failure.cause
    assert names == ["one", "two", "one", "two", "one", "two"]
    first.__cause__, first.__context__ = None, second
    first.__suppress_context__ = True
    assert failure_of(first).cause is None


def test_failure_of_a_step_has_that_steps_failure_as_cause():
    """What a body lets through shows why the step failed, its chain still bounded."""
    failure = None
    for n in range(9):
        failure = Failure(type="X", code="no", message=str(n), cause=failure)
    outer, depth = failure_of(StepFailed("charge", failure)), 0
    assert (outer.message, outer.code, outer.kind) == ("charge: 8", "no", FailureKind.PERMANENT)
    while outer.cause is not None:
        outer, depth = outer.cause, depth + 1
    assert depth == 5


def test_failure_of_a_group_lists_its_first_parts():
    """A group names five of its leaves and counts the rest; endless nesting ends."""
    parts = [ValueError(f"bad {n}") for n in range(8)]
    text = failure_of(ExceptionGroup("many", [ExceptionGroup("inner", parts)])).message
    assert "- ValueError: bad 4" in text
    assert "- and 3 more" in text
    nested: BaseException = ValueError("deep")
    for _ in range(500):
        nested = ExceptionGroup("g", [nested])
    assert "deep" in failure_of(nested).message


def test_failure_keeps_notes():
    """Notes added to an exception are lines of its message."""
    exc = ValueError("bad")
    exc.add_note("row 7")
    assert failure_of(exc).message == "bad\nrow 7"
