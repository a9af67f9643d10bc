"""While a codec does not answer, commands with sealed values wait in order and the codec is asked once in each pause."""

from types import SimpleNamespace

import pytest

from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import CodecUnavailableError, SealedError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.processes.process_finding import ProcessFindingKind
from mainspring.domain.runs.journal import Outcome, OutcomeKind
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.domain.states import FailureReason, OutcomeState
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.driver.waits import RunWaits
from mainspring.engine.worker.codec_outage import CodecOutage
from mainspring.store.commands.inbox import ReturnFact
from mainspring.store.commands.results import DONE
from mainspring.store.commands.runs import AnnotateRun, CancelChild, HaltRun, ParentLink, ReleaseRun, StartRun
from mainspring.store.commands.sessions import RecordHeartbeat, RecordProcessFindings


class Service:
    """A codec that raises `fault` while there is one."""

    id = "kms"

    def __init__(self):
        self.fault = None
        self.calls = 0

    def encode(self, data):
        self.calls += 1
        if self.fault is not None:
            raise self.fault
        return data[::-1]

    decode = encode


class Loop:
    """Timers that go off when the test says so."""

    def __init__(self):
        self.pauses = []

    def call_later(self, pause, call):
        self.pauses.append(pause)
        self.call = call

    def go_off(self):
        self.call()


class Store:
    """Records what it is given."""

    session = 1

    def __init__(self):
        self.commands = []
        self.waiting = []
        """The commands with what is called with their answers."""

    def submit(self, command, on_done):
        self.commands.append(command)
        self.waiting.append((command, on_done))


class Bench:
    def __init__(self):
        self.service, self.loop, self.real = Service(), Loop(), Store()
        self.ends = 0
        self.outage = CodecOutage(self.loop, self.real, Sealing(self.service), SystemClock(), self.ended)
        self.sealing, self.store = self.outage.sealing, self.outage.store

    def ended(self):
        self.ends += 1

    def annotate(self, run, value):
        """Submit a command with a sealed value, as a driver does; return its answers."""
        answers = []
        self.store.submit(AnnotateRun(run, 1, self.sealing.seal(value)), answers.append)
        return answers

    def answer(self, kind, answer):
        """Answer the commands of a kind."""
        for command, on_done in self.real.waiting:
            if isinstance(command, kind):
                on_done(answer)

    @property
    def committed(self):
        return [command for command in self.real.commands if not isinstance(command, RecordProcessFindings)]


@pytest.fixture
def bench():
    return Bench()


def test_while_the_codec_answers_nothing_waits(bench):
    """Each command goes to the store as it is."""
    bench.annotate("r_1", b"1")
    assert [command.tags for command in bench.committed] == [b"\0kms\x001"]
    assert not bench.outage.is_open


def test_commands_of_a_run_keep_their_order_and_others_pass(bench):
    """What follows a waiting command of its run waits too, also if it holds no value."""
    bench.service.fault = TimeoutError()
    bench.annotate("r_1", b"12")
    bench.store.submit(ReleaseRun("r_1", 1, 5), print)
    bench.store.submit(ReleaseRun("r_2", 1, 5), print)
    bench.store.submit(RecordHeartbeat(), print)
    assert [getattr(command, "run", None) for command in bench.committed] == ["r_2", None]
    bench.service.fault = None
    bench.loop.go_off()
    first, second = bench.committed[2:]
    assert (first.tags, second.rank, bench.ends) == (b"\0kms\x0021", 5, 1)
    bench.store.submit(ReleaseRun("r_1", 1, 6), print)
    assert bench.committed[-1].rank == 6


def test_the_codec_is_called_once_in_each_pause_and_pauses_grow(bench):
    """Each call of a service that does not answer may take long; a thousand runs may wait for it."""
    bench.service.fault = ConnectionError("refused")
    for number in range(1_000):
        bench.annotate(f"r_{number}", b"1")
    with pytest.raises(CodecUnavailableError):
        bench.sealing.open(b"\0kms\x001")
    assert bench.service.calls == 1
    for _ in range(8):
        bench.loop.go_off()
    assert bench.service.calls == 9
    assert bench.loop.pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    notes = [command for command in bench.real.commands if isinstance(command, RecordProcessFindings)]
    assert [[found.name for found in note.findings] for note in notes] == [["kms"]]
    bench.service.fault = None
    bench.loop.go_off()
    assert len(bench.committed) == 1_000
    assert bench.real.commands[-1] == RecordProcessFindings(kinds=(ProcessFindingKind.CODEC,))


def test_values_in_texts_failures_and_starts_wait_as_well(bench):
    """Nothing unsealed reaches the store, wherever it stands in a command."""
    bench.service.fault = TimeoutError()
    sealing = bench.sealing
    failure = sealing.seal_failure(Failure(type="E", code="e", message="secret words"))
    bench.store.submit(HaltRun("r_1", 1, FailureReason.BODY_ERROR, 0, failure), print)
    start = StartRun(
        id="r_2",
        automation="a",
        kind="task",
        version=1,
        input=sealing.seal(b"in"),
        codec="kms",
        trigger="t",
        title=sealing.seal_text("title"),
    )
    bench.store.submit(start, print)
    assert bench.committed == []
    bench.service.fault = None
    bench.loop.go_off()
    halt, start = bench.committed
    plain = Sealing(bench.service)
    assert plain.open_failure(halt.failure).message == "secret words"
    assert (plain.open(start.input), plain.open_text(start.title)) == (b"in", "title")
    assert "secret words" not in halt.failure.message


def test_start_of_a_child_keeps_its_place_among_the_commands_of_its_parent(bench):
    """A parent that gives its child up while the start waits: the child is found, and stops."""
    bench.service.fault = TimeoutError()
    start = StartRun(
        id="r_2",
        automation="a",
        kind="task",
        version=1,
        input=bench.sealing.seal(b"in"),
        codec="kms",
        trigger="child of r_1",
        parent=ParentLink("r_1", "a#1", 1),
    )
    bench.store.submit(start, print)
    bench.store.submit(CancelChild("r_1", 1, "a#1"), print)
    assert bench.committed == []
    bench.service.fault = None
    bench.loop.go_off()
    assert [type(command) for command in bench.committed] == [StartRun, CancelChild]


def test_run_is_halted_without_its_words_when_the_codec_fails_for_good(bench):
    """A codec that was out of reach answers again, but with a wrong key: no run stays claimed and forgotten."""
    bench.service.fault = TimeoutError()

    def halt(error):
        failure = bench.sealing.seal_failure(Failure(type="E", code="e", message="secret words"))
        bench.store.submit(HaltRun("r_1", 1, FailureReason.BODY_ERROR, 0, failure), print)

    bench.store.submit(AnnotateRun("r_1", 1, bench.sealing.seal(b"1")), halt)
    bench.service.fault = ValueError("wrong key")
    bench.loop.go_off()
    (command,) = bench.committed
    assert (type(command), command.failure.sealed) == (HaltRun, None)
    assert command.failure.message.startswith("(its words were lost: codec 'kms' could not seal a value")


def test_signal_that_waited_to_be_put_back_can_be_read_by_the_next_wait(bench):
    """The body gave its wait up, and the codec went away before the signal was sealed for the inbox."""
    host = SimpleNamespace(store=bench.store, seal=bench.sealing.seal, read_inboxes=list)
    signal = Outcome(1, "more#1", "more", OutcomeKind.SIGNAL, OutcomeState.SUCCEEDED, 1, 1, 0, 5, 5, 0, b"[5,3]", b"12")
    driver = SimpleNamespace(
        run=SimpleNamespace(id="r_1"),
        claim=1,
        host=host,
        body=SimpleNamespace(undelivered=[signal], drift=None, done=False),
        journal=SimpleNamespace(saving=0),
        halt=None,
        is_unloaded=False,
        accepts=lambda answer: answer is DONE,
        advance=list,
    )
    waits = RunWaits(driver, None)
    bench.service.fault = TimeoutError()
    waits.return_undelivered_facts()
    bench.service.fault = None
    bench.loop.go_off()
    (command,) = bench.committed
    assert command.payload == b"\0kms\x0021"
    bench.answer(ReturnFact, DONE)
    (fact,) = waits._facts.values()
    assert (fact.seq, RowUnsealer(bench.sealing).fact(fact).payload, driver.journal.saving) == (3, b"12", 0)


def test_an_error_that_no_waiting_helps_is_the_answer_of_its_command(bench):
    """A person must see it; the outage is over, for the codec answers."""
    bench.service.fault = TimeoutError()
    answers = bench.annotate("r_1", b"1")
    bench.service.fault = ValueError("wrong key")
    bench.loop.go_off()
    (answer,) = answers
    assert (type(answer), bench.committed, bench.outage.is_open) == (SealedError, [], False)


def test_value_that_still_cannot_be_opened_keeps_the_outage(bench):
    """A service that encrypts and does not decrypt: one incident that lasts, and pauses that continue growing."""
    bench.service.fault = TimeoutError()
    with pytest.raises(CodecUnavailableError):
        bench.sealing.open(b"\0kms\x001")
    tries = []

    def load():
        tries.append(1)
        bench.outage.load_later("r_1", load)
        bench.outage.begin(CodecUnavailableError("codec 'kms' could not open a value"))

    bench.outage.load_later("r_1", load)
    bench.service.fault = None
    bench.loop.go_off()
    bench.loop.go_off()
    assert (len(tries), bench.outage.is_open, bench.ends) == (2, True, 0)
    assert bench.loop.pauses == [0.5, 1, 2]
    assert sum(isinstance(command, RecordProcessFindings) for command in bench.real.commands) == 1
