"""Lines are handed over in parts, seldom, within bounds, and without anyone waiting for them."""

import pytest

from mainspring.domain.runs.log_chunk import CHUNK_BYTES, MAX_RUN_BYTES
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.engine.attempts.logs.log_writer import LogWriter
from mainspring.store.commands.results import DONE
from mainspring.testing import FakeClock
from mainspring.testing.virtual_loop import VirtualLoop


class Broken:
    """A codec that cannot reach its key."""

    id = "broken"

    def encode(self, data):
        raise OSError("no key")

    decode = encode


@pytest.fixture
def new():
    """Makes keepers, and closes their loops."""
    made = []

    def make(*args, **options):
        made.append(StoredLines(*args, **options))
        return made[-1]

    yield make
    for capture in made:
        capture.loop.close()


class StoredLines:
    """A keeper on a store that answers when it is asked to."""

    def __init__(self, sealing=PLAIN_SEALING, **options):
        self.loop = VirtualLoop(FakeClock())
        self.sent = []
        self.answers = []
        self.keeper = LogWriter(self.loop, self, sealing, **options)

    def submit(self, command, on_done):
        self.sent.append(command)
        self.answers.append(on_done)

    def answer(self, result=DONE):
        self.answers.pop(0)(result)

    def add(self, text="x", run="r", ident="s#1", attempt=1, at=1):
        self.keeper.add(run, ident, attempt, at, text.encode())

    def parts(self):
        return [(part.ident, part.attempt, part.lines, part.skipped) for command in self.sent for part in command.parts]

    def wait(self, seconds):
        self.loop.call_later(seconds, self.loop.stop)
        self.loop.run_forever()


def test_lines_wait_for_the_second_and_go_together(new):
    """What came within a second of several runs is one command a run, one part an attempt."""
    stored = new()
    stored.add("a")
    stored.add("b", attempt=2)
    stored.add("c", attempt=2)
    stored.add("d", run="other")
    assert stored.sent == []
    stored.wait(1.1)
    assert [command.run for command in stored.sent] == ["r", "other"]
    assert stored.parts() == [("s#1", 1, 1, 0), ("s#1", 2, 2, 0), ("s#1", 1, 1, 0)]


def test_end_of_an_attempt_hands_over_at_once_and_many_bytes_do(new):
    """No one waits for a second at an end, nor do 64 KiB."""
    stored = new()
    stored.add()
    stored.keeper.flush("r")
    assert len(stored.sent) == 1
    stored.answer()
    stored.add("x" * CHUNK_BYTES)
    assert len(stored.sent) == 2


def test_one_command_of_a_run_is_on_its_way(new):
    """What comes meanwhile goes when the answer is there, if it is due by then."""
    stored = new()
    stored.add()
    stored.keeper.flush("r")
    stored.add()
    stored.keeper.flush("r")
    assert len(stored.sent) == 1
    stored.answer()
    assert len(stored.sent) == 2


def test_while_the_store_is_unreachable_lines_are_kept_within_bounds_and_the_loss_is_reported(new):
    """The oldest go; the part that comes next says how many."""
    stored = new()
    stored.add("first")
    stored.keeper.flush("r")
    for _ in range(MAX_RUN_BYTES // 1024 + 50):
        stored.add("x" * 1024)
    stored.answer()
    assert sum(lines for *_, lines, _ in stored.parts()[1:]) == MAX_RUN_BYTES // 1024
    assert stored.parts()[1][3] == 50


def test_run_that_is_gone_and_a_codec_that_fails_lose_lines_without_an_error(new, caplog):
    """A log is never a reason to fail; that lines were lost is said once."""
    stored = new(Sealing(Broken()))
    for _ in range(3):
        stored.add()
        stored.keeper.flush("r")
    assert stored.sent == []
    assert len([record for record in caplog.records if "lines of log are lost" in record.message]) == 1


def test_keeper_that_is_off_takes_nothing(new):
    """With no lines to keep there is nothing to hand over."""
    stored = new(most_lines=0)
    stored.add()
    stored.keeper.close()
    assert stored.sent == []


def test_close_hands_everything_over(new):
    """What is there at the end of the process goes, though an answer is missing."""
    stored = new()
    stored.add("a")
    stored.keeper.flush("r")
    stored.add("b")
    stored.keeper.close()
    assert len(stored.sent) == 2
