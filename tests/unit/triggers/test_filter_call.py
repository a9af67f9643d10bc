"""What a filter answers: yes, no, or why there is neither; whatever it raises is an answer."""

import threading

import pytest

import mainspring as ms
from mainspring.domain.states import DeliveryState
from mainspring.triggers.decisions import MAX_NOTE
from mainspring.triggers.filter_call import call_filter

EVENT = {
    "id": "d_1",
    "name": "e",
    "key": "k",
    "at": "2026-01-02T03:04:05Z",
    "data": {"n": 1},
    "headers": {},
    "trigger": "a/event",
}


class Unspeakable(BaseException):
    """Cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no")


class Undecided:
    """Neither true nor false."""

    def __bool__(self) -> bool:
        raise ValueError("several values")


def raising(error: BaseException):
    def fn(event):
        raise error

    return fn


async def later(event):
    return event.n == 1


@pytest.mark.parametrize(
    ("fn", "state", "message"),
    [
        (lambda event: event.n == 1, None, "its filter accepted it"),
        (later, None, "its filter accepted it"),
        (lambda event: event.n == 2, DeliveryState.FILTERED, "its filter rejected it"),
        (None, DeliveryState.FAILED, "its filter is no longer in the code"),
        (raising(KeyError("n")), DeliveryState.FAILED, "its filter raised KeyError: 'n'"),
        (raising(ms.Permanent("not this one")), DeliveryState.FAILED, "its filter raised: not this one"),
        (raising(SystemExit(3)), DeliveryState.FAILED, "its filter raised SystemExit: 3"),
        (raising(Unspeakable()), DeliveryState.FAILED, "its filter raised Unspeakable: its text cannot be read"),
        (lambda event: Undecided(), DeliveryState.FAILED, "its filter raised ValueError: several values"),
    ],
    ids=["yes", "async", "no", "gone", "error", "ours", "exit", "unspeakable", "undecided"],
)
def test_answer_of_a_filter(fn, state, message):
    """Each has its sentence."""
    assert call_filter(fn, EVENT) == (state, message)


def test_error_of_a_filter_is_cut():
    """A note is for people."""
    _, reason = call_filter(raising(ValueError("x" * 10_000)), EVENT)
    assert len(reason) <= MAX_NOTE


def test_interrupt_of_a_person_passes():
    """Anyone who tries an event and interrupts it wants no answer any more; in a worker's thread it comes from the filter."""
    interrupt = raising(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        call_filter(interrupt, EVENT)
    found = []
    thread = threading.Thread(target=lambda: found.append(call_filter(interrupt, EVENT)))
    thread.start()
    thread.join()
    assert found == [(DeliveryState.FAILED, "its filter raised KeyboardInterrupt: ")]
