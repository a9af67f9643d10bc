"""What the engine says of runs and attempts: their ends with cause, duration and values; their beginnings where someone listens."""

import logging

import msgspec
import pytest

from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.fingerprint import fingerprint_of
from mainspring.domain.states import FailureReason, RunState
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.attempts.attempt_reports import EndReport
from mainspring.engine.attempts.logs.log_processor import LogProcessor
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.commands.runs import ClaimedRun
from mainspring.testing import FakeClock
from mainspring.testing.virtual_loop import VirtualLoop
from tests.acceptance.sealing_codec import Keystream
from tests.unit.engine.attempts.logs.test_log_processor import SPEC, Keeper

OOPS = Failure(type="a.b.Oops", code="oops", message="row 17 is bad")
CALL = msgspec.structs.replace(SPEC, input=b'{"account":"main","api_key":"hush"}')


def run_of(clock, *, fresh=True):
    known = {
        "kind": "task",
        "version": 1,
        "generation": 0,
        "codec": "json",
        "queue": "default",
        "priority": 0,
        "crashes": 0,
    }
    absent = dict.fromkeys(
        ("deadline_at", "tag", "run_key", "parent", "parent_ident", "schedule", "slot_at", "title"), None
    )
    at = clock.now() - 1_500
    return ClaimedRun(
        id="r",
        automation="a",
        claim=1,
        fresh=fresh,
        rank=0,
        started_at=at,
        created_at=at,
        input=CALL.input,
        **known,
        **absent,
    )


@pytest.fixture
def processor_with():
    loop = VirtualLoop(FakeClock())

    def made(**more):
        keeper = Keeper()
        return LogProcessor(loop, keeper, FakeClock(), worker="here", **more), keeper.lines

    yield made
    loop.close()


@pytest.fixture
def listening(caplog):
    caplog.set_level(logging.DEBUG, "mainspring.step")
    caplog.set_level(logging.DEBUG, "mainspring.run")
    return caplog


def test_failed_attempt_reports_cause_and_input(processor_with, caplog):
    """In the kept line and in the process's own; a secret's name is enough to hide it."""
    processor, writes = processor_with()
    processor.end(CALL, EndReport(OOPS, 12_000, stopped=False))
    (line,) = writes
    assert (line["code"], line["fingerprint"]) == ("oops", fingerprint_of(OOPS).id)
    assert line["input"] == '{"account":"main","api_key":"***"}'
    (record,) = caplog.records
    assert (record.fingerprint, record.input, record.duration_ms) == (line["fingerprint"], line["input"], 12)


@pytest.mark.parametrize("more", [{"values": False}, {"sealing": Sealing(Keystream())}])
def test_values_are_omitted(processor_with, more, listening):
    """Where the setting says so, and where values are sealed; the fingerprint is then that of the sealed failure."""
    processor, writes = processor_with(**more)
    processor.life.attempt_started(CALL)
    processor.end(CALL, EndReport(OOPS, 1, stopped=False))
    processor.end(CALL, EndReport(None, 1, stopped=False, output=b"[1]"))
    processor.life.run_started(run_of(FakeClock()))
    processor.life.run_ended(run_of(FakeClock()), RunState.SUCCEEDED, b"[1]")
    assert len(writes) == 5
    assert not any("input" in line or "output" in line for line in writes)
    stored = more.get("sealing", Sealing()).seal_failure(OOPS)
    assert writes[1]["fingerprint"] == fingerprint_of(stored).id


def test_starts_and_successes_are_logged_for_listeners(processor_with, listening):
    """At the level `debug`, with what went in and what came out."""
    processor, writes = processor_with()
    run = run_of(FakeClock())
    processor.life.run_started(run)
    processor.life.attempt_started(CALL)
    processor.end(CALL, EndReport(None, 3_000, stopped=False, output=b'{"rows":3}'))
    processor.life.run_ended(run, RunState.SUCCEEDED, b'{"rows":3}')
    assert [(line["text"], line["state"], line["level"]) for line in writes] == [
        ("run started", "running", "debug"),
        ("attempt 2 started", "started", "debug"),
        ("attempt 2 succeeded", "succeeded", "debug"),
        ("run succeeded", "succeeded", "debug"),
    ]
    assert [line.get("output") for line in writes] == [None, None, '{"rows":3}', '{"rows":3}']
    assert [line.get("duration_ms") for line in writes] == [None, None, 3, 1_500]
    assert len(listening.records) == 4


def test_nothing_is_logged_without_a_listener(processor_with):
    """Of what begins and goes well; and a run that continues does not begin."""
    processor, writes = processor_with()
    processor.life.run_started(run_of(FakeClock()))
    processor.end(CALL, EndReport(None, 1, stopped=False, output=b"1"))
    processor.life.run_ended(run_of(FakeClock()), RunState.SUCCEEDED, b"1")
    assert writes == []


def test_run_that_continues_does_not_start(processor_with, listening):
    """Another worker said it."""
    processor, writes = processor_with()
    processor.life.run_started(run_of(FakeClock(), fresh=False))
    assert writes == []


def test_run_that_did_not_succeed_is_reported(processor_with):
    """With its reason and the words of its failure, without secrets; one that was cancelled is no error."""
    KNOWN_SECRETS.add(["zq-correct-horse"])
    processor, writes = processor_with()
    run = run_of(FakeClock())
    failure = Failure(type="a.Oops", code="oops", message="with zq-correct-horse")
    processor.life.run_ended(run, RunState.FAILED, None, failure, FailureReason.PERMANENT_ERROR)
    processor.life.run_ended(run, RunState.NEEDS_ATTENTION, None, None, FailureReason.IN_DOUBT)
    processor.life.run_ended(run, RunState.CANCELLED)
    assert [(line["text"], line["level"]) for line in writes] == [
        ("run failed: permanent_error: Oops: with ***", "error"),
        ("run needs_attention: in_doubt", "error"),
        ("run cancelled", "info"),
    ]


def test_next_attempt_is_reported_with_its_time(processor_with):
    """In the state that the run is in until then."""
    processor, writes = processor_with()
    processor.life.attempt_follows(run_of(FakeClock()), "fetch", 3, 90_000)
    assert (writes[0]["text"], writes[0]["state"], writes[0]["step"]) == (
        "attempt 3 of fetch follows at 1970-01-01T00:01:30.000Z",
        "retrying",
        "fetch",
    )
