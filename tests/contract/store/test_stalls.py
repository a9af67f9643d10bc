"""Attempts that give no sign of life, on record: read by monitors and people, and gone with the sign, the end, the claim, the session."""

import pytest

from mainspring.alerting.inputs.facts import FactsReader
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS, evaluate_all
from mainspring.domain.processes.stall import Stall
from mainspring.store.commands.journal import ClearStalledAttempt, RecordStalledAttempt
from mainspring.store.commands.results import CLAIM_LOST, DONE
from mainspring.store.commands.runs import ReleaseRun
from mainspring.store.commands.sessions import CloseSession, DeclareSessionDead
from tests.contract.store.process import fail, finish, halt, suspend

MINUTE = 60_000
STACK = ("/srv/shop.py:7 charge", "/usr/lib/python3.13/socket.py:719 readinto")


def stalled(run, ident="charge#1", silent_ms=MINUTE, attempt=1):
    return RecordStalledAttempt(run.id, run.claim, ident, ident.partition("#")[0], attempt, silent_ms, STACK)


@pytest.fixture
def read_findings(store, clock):
    """What monitors find of steps, and of what runs."""

    def evaluate(reader=None):
        facts = FactsReader((reader or store).reader, at_once=None).read(clock.now())
        found = evaluate_all(facts, DEFAULT_TUNINGS, clock.now()).findings
        return [finding for finding in found if finding.subject.kind is IncidentKind.STALLED]

    return evaluate


def test_stall_is_read_by_monitors_and_by_people(store, clock, read_findings):
    """Since when, at which attempt, where; and it is an incident of the step at once."""
    run = store.begin()
    assert read_findings() == []
    clock.forward(5 * MINUTE)
    assert store.twice(stalled(run)) == DONE
    known = Stall(run.id, "charge#1", "charge", 1, clock.now() - MINUTE, STACK)
    assert store.read("run_history", run.id).stalls == [known]
    (finding,) = read_findings()
    assert (finding.subject.automation, finding.subject.fingerprint) == ("a", "charge")
    assert finding.since_at == clock.now() - MINUTE
    assert store.read("run_history", store.begin().id).stalls == []


def test_report_ends_the_stall_and_another_attempt_takes_its_place(store, read_findings):
    """What is undone late touches no other attempt."""
    run = store.begin()
    store.do(stalled(run), stalled(run, "other#1"))
    assert store.twice(ClearStalledAttempt(run.id, run.claim, "charge#1", 1)) == DONE
    assert [incident.subject.fingerprint for incident in read_findings()] == ["other"]
    store.do(stalled(run, attempt=2), ClearStalledAttempt(run.id, run.claim, "charge#1", 1))
    assert {stall.attempt for stall in store.read("run_history", run.id).stalls} == {1, 2}


@pytest.mark.parametrize("end", [finish, fail, halt, suspend, lambda run: ReleaseRun(run.id, run.claim, 0)])
def test_stall_counts_only_while_its_owner_has_the_run(store, second, read_findings, end):
    """Nothing is wrong from the commit on in which the run goes, no matter who continues with it."""
    run = store.begin()
    store.do(stalled(run))
    store.do(end(run))
    assert read_findings() == []
    assert store.read("run_history", run.id).stalls == []
    second.claim()
    assert read_findings() == []
    assert store.do(stalled(run)) == CLAIM_LOST


def test_stall_goes_with_a_worker_that_died(store, second, read_findings):
    """In the commit that declares it dead; anyone who continues the run puts its own on record."""
    run = store.begin()
    store.do(stalled(run))
    assert len(read_findings(second)) == 1
    second.do(DeclareSessionDead(store.session))
    assert read_findings(second) == []
    again = second.claim_one()
    assert again.id == run.id
    assert second.read("run_history", run.id).stalls == []
    second.do(stalled(again))
    assert len(read_findings(second)) == 1


def test_stall_goes_with_a_session_that_ends(store, second, read_findings):
    """No row is left of it."""
    store.do(stalled(store.begin()))
    store.do(CloseSession())
    assert read_findings(second) == []
    assert second.reader.read_text("select count(*) from stalled_attempts", ()) == [(0,)]
