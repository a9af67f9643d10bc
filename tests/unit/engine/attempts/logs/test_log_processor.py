"""Lines of attempts: what is held back for a secret comes out in time, and an end lets all of it out."""

import msgspec
import pytest

from mainspring.domain.failures.failure import Failure
from mainspring.domain.values.function_signature import read_signature
from mainspring.engine.attempts.attempt_reports import EndReport, LogReport
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.logs.log_processor import LogProcessor
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.testing import FakeClock
from mainspring.testing.virtual_loop import VirtualLoop


class Keeper:
    """Keeps what it is given."""

    def __init__(self):
        self.texts = []
        self.lines = []
        self.delivered = 0

    def add(self, run, ident, attempt, at, data):
        self.lines.append(msgspec.json.decode(data))
        self.texts.append(self.lines[-1]["text"])

    def flush(self, run):
        self.delivered += 1

    def close(self):
        pass


def nothing():
    pass


SPEC = AttemptSpec(
    run_id="r", ident="s#1", name="s", key="k", attempt=2, fn=nothing, signature=read_signature(nothing), automation="a"
)


@pytest.fixture
def keeper():
    return Keeper()


@pytest.fixture
def loop():
    made = VirtualLoop(FakeClock())
    yield made
    made.close()


@pytest.fixture
def processor(loop, keeper):
    KNOWN_SECRETS.add(["zq-correct-horse"])
    return LogProcessor(loop, keeper, FakeClock(), environment="test", worker="here")


def printed(text):
    return LogReport("info", text, stream="stdout")


def wait(loop, seconds):
    loop.call_later(seconds, loop.stop)
    loop.run_forever()


def test_line_that_could_continue_is_let_out_after_a_second(processor, keeper, loop):
    """A letter that a secret begins with does not keep a line for ever; what is surely the beginning of one does."""
    processor.take(SPEC, printed("ends in z"))
    assert keeper.texts == []
    wait(loop, 1.1)
    assert keeper.texts == ["ends in z"]
    processor.take(SPEC, printed("it is zq-corr"))
    wait(loop, 5)
    assert keeper.texts == ["ends in z"]
    processor.take(SPEC, printed("ect-horse, you see"))
    wait(loop, 1.1)
    assert keeper.texts == ["ends in z", "it is ***, you see"]


def test_end_lets_out_what_is_held_and_reports_the_failure(processor, keeper):
    """The last line, then how it ended; and its lines are handed over."""
    processor.take(SPEC, printed("ends in z"))
    failure = Failure(type="a.b.Oops", code="oops", message="with zq-correct-horse")
    processor.end(SPEC, EndReport(failure, 12_345, stopped=False))
    assert keeper.texts == ["ends in z", "attempt 2 failed: Oops: with ***"]
    last = keeper.lines[-1]
    assert (last["state"], last["code"], last["duration_ms"], last["level"]) == ("failed", "oops", 12, "error")
    assert (last["environment"], last["worker"], last["step"]) == ("test", "here", "s")
    assert keeper.delivered == 1


def test_attempt_that_was_stopped_is_no_error(processor, keeper):
    """That we ended it is worth a warning."""
    failure = Failure(type="CancelledError", code="cancelled", message="the worker stops")
    processor.end(SPEC, EndReport(failure, 1, stopped=True))
    assert (keeper.lines[0]["level"], keeper.texts) == (
        "warning",
        ["attempt 2 was stopped: the worker stops"],
    )
