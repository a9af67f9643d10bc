"""Failed runs that nobody decided on although their error is over, on every store."""

import pytest

from mainspring.domain.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.states import RunState
from mainspring.store.commands.automations import RetireAutomation
from mainspring.store.commands.incidents import Acknowledge, ErrorGroup, Found, Observe, Resolve, Told
from mainspring.store.commands.runs import Reopen
from mainspring.store.reads.incidents import untold_faults
from mainspring.store.reads.standing import standing, standing_runs, undecided_failures
from tests.contract.store.process import audited, fail, halt
from tests.counted_reads import counted as counted_reads

FAILED, HALTED = IncidentKind.PERMANENT_ERROR, IncidentKind.NEEDS_ATTENTION


@pytest.fixture
def counted(store):
    """Return how many there are, of these automations, as text."""
    return lambda since_at=0, names=None: str(undecided_failures(store.reader, since_at, names))


def fall(store, number=1, *, automation="a", fingerprint="f1", kind=FAILED, end=fail):
    """Let runs end by one error, and a watcher tell of it; return their ids."""
    runs = [store.begin(automation=automation) for _ in range(number)]
    for run in runs:
        store.do(end(run, "s1"))
    faults = untold_faults(store.reader)
    told = tuple(Told(one.seq, one.run, one.at) for one in faults)
    group = ErrorGroup(automation, fingerprint, "E", "e", "p", "m", told)
    subject = Subject(automation, kind, fingerprint)
    finding = Finding(subject=subject, severity=Severity.PAGE, text="it broke", since_at=1)
    found = Found(id=f"i_{automation}_{fingerprint}_{kind}", finding=finding, faults=tuple(one.seq for one in faults))
    store.do(Observe(looked_at=store.clock.now(), groups=(group,), found=(found,)))
    return [run.id for run in runs]


def end(store, *, automation="a", fingerprint="f1", kind=FAILED):
    """Let a watcher find that it is over."""
    store.clock.forward(1)
    store.do(Observe(looked_at=store.clock.now(), well=(Subject(automation, kind, fingerprint),)))


def test_run_is_undecided_from_the_end_of_its_error_until_somebody_continues_it(store, counted):
    """While the incident is there that tells of it; a run that goes on stands still no more."""
    first, second = fall(store, 2)
    assert counted() == "0"
    end(store)
    assert counted() == "2"
    store.do(audited(Reopen(first)))
    store.claim_one()
    assert counted() == "1"
    fall(store)
    assert counted() == "0"
    end(store)
    assert counted() == "2"
    assert store.state(second) is RunState.FAILED


@pytest.mark.parametrize("act", [Resolve, Acknowledge])
def test_person_who_said_that_it_is_over_has_decided(store, counted, act):
    """One who only looked after it before it ended by itself has not: nobody said what becomes of the run."""
    fall(store)
    store.do(act("i_a_f1_permanent_error", "ana"))
    end(store)
    assert counted() == ("0" if act is Resolve else "1")


def test_only_failed_runs_of_what_is_still_there_and_seen_are_counted(store, counted):
    """Not those that need a person, which are a problem; not of what was retired; not of what somebody does not see; not old ones."""
    store.announce("a", "b")
    fall(store)
    fall(store, fingerprint="f2", kind=HALTED, end=halt)
    fall(store, automation="b")
    for automation, fingerprint, kind in (("a", "f1", FAILED), ("a", "f2", HALTED), ("b", "f1", FAILED)):
        end(store, automation=automation, fingerprint=fingerprint, kind=kind)
    assert [counted(0, names) for names in (None, ["a"], ["b", "c"], [])] == ["2", "1", "1", "0"]
    assert counted(store.clock.now() + 1) == "0"
    store.do(RetireAutomation("b"))
    assert counted() == "1"


def test_run_is_counted_once_however_often_it_failed(store, counted):
    """By the error that it failed by last."""
    (run,) = fall(store)
    end(store)
    store.do(audited(Reopen(run)))
    (again,) = store.claim().runs
    store.do(fail(again, "s1"))
    faults = untold_faults(store.reader)
    told = tuple(Told(one.seq, one.run, one.at) for one in faults)
    found = Found(
        id="i_2",
        finding=Finding(subject=Subject("a", FAILED, "f2"), severity=Severity.PAGE, text="it broke", since_at=1),
        faults=tuple(one.seq for one in faults),
    )
    groups = (ErrorGroup("a", "f2", "E", "e", "p", "m", told),)
    store.do(Observe(looked_at=store.clock.now(), groups=groups, found=(found,)))
    assert counted() == "0"
    end(store, fingerprint="f2")
    assert counted() == "1"


def test_count_stops_where_it_has_looked_at_enough(store, counted):
    """At the newest failures of each error: what it says is no more than that."""
    fall(store, 21)
    end(store)
    assert counted() == "20+"


def test_failures_of_before_do_not_make_a_count_uncertain(store, counted):
    """However often it failed by that error before the span that is asked for: of that span all are counted."""
    fall(store, 21)
    store.clock.forward(1_000)
    since_at = store.clock.now()
    runs = fall(store, 2)
    end(store)
    assert counted(since_at) == "2"
    cause = ("a", "f1")
    assert [str(standing(store.reader, cause, cap, since_at=since_at)) for cap in (1, 2, 3, 50)] == [
        "1+",
        "2+",
        "2",
        "2",
    ]
    asked = counted_reads(store.reader)
    found = standing_runs(store.reader, [cause], since_at=since_at, limit=5)
    assert {row.id for _, row in found} == set(runs)
    assert len(asked) == 2, "what is too old is not looked through to its end"
