"""A clock that is set while processes live: what is a duration moves with it, once, no matter who notices; what is an instant stays."""

import pytest

from mainspring.alerting.inputs.facts import FactsReader
from mainspring.domain.effects.target_limits import TargetLimits
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.states import AttemptState, IncidentState, RunState
from mainspring.domain.time.clock_step import RunClockSteps
from mainspring.insight.runs.clock_steps import report_clock
from mainspring.insight.status.project_status import evaluate_status, read_unresolved
from mainspring.store import failpoints
from mainspring.store.commands.automations import MakeSlot, PauseAutomation
from mainspring.store.commands.incidents import ResolveIncident
from mainspring.store.commands.journal import SaveAttempt
from mainspring.store.commands.results import Refused
from mainspring.store.commands.runs import SlotLink
from mainspring.store.commands.sessions import DeclareSessionDead, RecordHeartbeat
from mainspring.store.commands.targets import EnterTarget, LeaveTarget
from mainspring.store.read.status.status import sessions
from mainspring.store.write import clock_steps
from tests.contract.store.clock import SettableClock
from tests.contract.store.process import ask, event, finish, outcome, suspend, wait_for
from tests.contract.store.test_watch import Site

HOUR = 3_600_000
MINUTE = 60_000


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def site(store):
    return Site(store)


def steps(process):
    """Return the recorded steps, oldest first, as (by, moved, whether all is moved)."""
    rows = process.reader.read("list_clock_steps", (10,))
    return [(by_ms, moved, ended_at is not None) for _, _, by_ms, _, moved, ended_at in reversed(rows)]


def test_timer_is_due_when_its_time_has_passed_although_the_clock_was_put_back(store, clock):
    """A wait of ten seconds is over after ten seconds, and not at the old time."""
    store.do(RecordHeartbeat())
    run = store.begin()
    store.do(suspend(run, due_at=clock.at + 10_000))
    clock.forward(4_000)
    clock.put(-2 * HOUR)
    store.do(RecordHeartbeat())
    assert store.run(run.id).due_at == clock.at + 6_000
    clock.forward(5_999)
    assert store.ids() == []
    clock.forward(1)
    assert store.ids() == [run.id]
    assert steps(store) == [(-2 * HOUR, 1, True)]


def test_limits_of_a_target_count_the_time_that_passes(store, clock):
    """Whatever is done to the clock before its end."""
    limits, rate = TargetLimits(break_after=1), TargetLimits(1, MINUTE)
    store.do(EnterTarget("h", limits, "a", 0, MINUTE))
    store.do(LeaveTarget("h", limits, "a", is_ok=False))
    for request in ("a", "b"):
        store.do(EnterTarget("rated", rate, request, 0, MINUTE, f"run/{request}"))
    clock.forward(10_000)
    clock.put(-2 * HOUR)
    store.do(RecordHeartbeat())
    assert store.do(EnterTarget("h", limits, "b", 0, MINUTE)).retry_after_ms == 20_000
    assert store.do(EnterTarget("rated", rate, "b2", 0, MINUTE, "run/b")).retry_after_ms == 50_000
    assert store.do(EnterTarget("rated", rate, "c", 0, MINUTE)).retry_after_ms == 110_000


def test_timer_is_not_due_early_although_the_clock_was_set_forward(store, clock):
    """Already the claim that notices the step finds it not due."""
    store.do(RecordHeartbeat())
    run = store.begin()
    store.do(suspend(run, due_at=clock.at + 10_000))
    clock.forward(4_000)
    clock.put(2 * HOUR)
    assert store.ids() == []
    clock.forward(6_000)
    assert store.ids() == [run.id]


def test_clock_that_is_set_forward_and_back_moves_nothing_in_the_end(store, clock):
    """A wait moves forward with the clock, and back with it."""
    store.do(RecordHeartbeat())
    run = store.begin()
    due_at = clock.at + HOUR
    store.do(suspend(run, due_at=due_at))
    clock.forward(MINUTE)
    clock.put(2 * HOUR)
    store.do(RecordHeartbeat())
    assert store.run(run.id).due_at == due_at + 2 * HOUR
    clock.put(-2 * HOUR)
    store.do(RecordHeartbeat())
    assert store.run(run.id).due_at == due_at


def test_start_that_waits_for_an_instant_stays_when_the_clock_is_put_back(store, clock):
    """`at=` and the slots of schedules go by the wall clock."""
    store.do(RecordHeartbeat())
    at = clock.at + HOUR
    started = store.start(due_at=at, deadline_at=at + HOUR)
    clock.put(-2 * HOUR)
    store.do(RecordHeartbeat())
    view = store.run(started.run)
    assert (view.due_at, view.deadline_at) == (at, at + HOUR)


def test_deadline_moves_with_a_clock_that_is_put_back(store, clock):
    """A deadline is a span from the start of its run."""
    store.do(RecordHeartbeat())
    started = store.start(deadline_after_ms=HOUR)
    deadline_at = store.run(started.run).deadline_at
    clock.put(-2 * HOUR)
    store.do(RecordHeartbeat())
    assert store.run(started.run).deadline_at == deadline_at - 2 * HOUR


def test_retry_and_waits_of_a_claimed_run_move_with_the_clock(store, clock):
    """What its worker has in memory moves there; what is in its rows moves here, and the run notes up to which outcome."""
    store.do(RecordHeartbeat())
    run = store.begin()
    store.do(outcome(run, 1, at=clock.at))
    values = {
        "ident": "s2",
        "name": "s2",
        "generation": 0,
        "attempt": 1,
        "request_number": 2,
        "started_at": clock.at,
        "automation": run.automation,
    }
    store.do(
        SaveAttempt(
            run=run.id, claim=run.claim, state=AttemptState.FAILED, ended_at=clock.at, next_at=clock.at + MINUTE, **values
        )
    )  # fmt: skip
    store.do(wait_for(run, until_at=clock.at + HOUR), ask(run))
    due_at = clock.at + MINUTE
    clock.put(-2 * HOUR)
    store.do(RecordHeartbeat())
    (attempt,) = store.history(run.id).attempts
    assert attempt.next_at == due_at - 2 * HOUR
    untils = {row[1]: row[4] for row in store.reader.read("list_waits", (run.id,))}
    assert untils == {"e1": clock.at + HOUR, "q1": None}
    store.do(suspend(run, due_at=clock.at, rank=1, state=RunState.RETRYING))
    again = store.claim_one()
    assert RunClockSteps(again.clock_steps).moved(1) == -2 * HOUR
    assert RunClockSteps(again.clock_steps).moved(2) == 0


def test_step_that_two_processes_notice_is_recorded_once(store, second, clock):
    """The second one finds the row of the first, and moves nothing again."""
    store.do(RecordHeartbeat())
    second.do(RecordHeartbeat())
    run = store.begin()
    store.do(suspend(run, due_at=clock.at + HOUR))
    due_at = clock.at + HOUR
    clock.put(-2 * HOUR)
    store.do(RecordHeartbeat())
    clock.forward(1_000)
    second.do(RecordHeartbeat())
    assert [by_ms for by_ms, _, _ in steps(store)] == [-2 * HOUR]
    assert store.run(run.id).due_at == due_at - 2 * HOUR


def test_process_that_slept_through_two_steps_records_neither_again(store, second, clock):
    """What it measures is the sum of what others recorded."""
    store.do(RecordHeartbeat())
    second.do(RecordHeartbeat())
    for by_ms in (-2 * HOUR, HOUR):
        clock.put(by_ms)
        store.do(RecordHeartbeat())
        clock.forward(MINUTE)
    second.do(RecordHeartbeat())
    assert [by_ms for by_ms, _, _ in steps(store)] == [-2 * HOUR, HOUR]


def test_step_of_an_aborted_transaction_is_noticed_again(store, clock, monkeypatch):
    """It is part of the transaction that notices it: nothing is lost or moved twice when that one fails."""
    store.do(RecordHeartbeat())
    run = store.begin()
    store.do(suspend(run, due_at=clock.at + HOUR))
    due_at = clock.at + HOUR
    clock.put(-2 * HOUR)

    def broken(_point):
        raise RuntimeError("boom")

    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "hit", broken)
        with pytest.raises(RuntimeError):
            store.do(RecordHeartbeat())
    assert steps(store) == []
    store.do(RecordHeartbeat())
    store.do(RecordHeartbeat())
    assert store.run(run.id).due_at == due_at - 2 * HOUR


def test_many_runs_move_piece_by_piece_and_another_process_continues_with_it(store, second, clock, monkeypatch):
    """No commit moves more than a piece; what is suspended meanwhile by the new clock stays as it is."""
    monkeypatch.setattr(clock_steps, "MOST_SHIFTED", 2)
    store.do(RecordHeartbeat())
    second.do(RecordHeartbeat())
    runs = [store.begin() for _ in range(5)]
    for run in runs:
        store.do(suspend(run, due_at=clock.at + HOUR))
    other = store.begin()
    due_at = clock.at + HOUR
    clock.forward(MINUTE)
    clock.put(-2 * HOUR)
    store.do(RecordHeartbeat())
    assert [store.run(run.id).due_at for run in runs] == [due_at - 2 * HOUR] * 2 + [due_at] * 3
    store.do(suspend(other, due_at=clock.at + HOUR))
    late = clock.at + HOUR
    for process in (second, second, second, store, second):
        process.do(RecordHeartbeat())
    assert [store.run(run.id).due_at for run in runs] == [due_at - 2 * HOUR] * 5
    assert store.run(other.id).due_at == late
    assert [is_whole for _, _, is_whole in steps(store)] == [True]


def test_clock_step_without_a_process_is_found_by_the_next_one(store, new_process, clock):
    """The newest sign of life lies ahead: the clock went back by so much at least, and what was written ahead moves."""
    run = store.begin()
    store.do(suspend(run, due_at=clock.at + HOUR))
    store.do(RecordHeartbeat())
    clock.forward(MINUTE)
    store.do(RecordHeartbeat())
    clock.put(-2 * HOUR)
    later = new_process().open()
    later.announce("a", "b")
    assert steps(later) == [(-2 * HOUR, 1, True)]
    assert later.run(run.id).due_at == clock.at + HOUR - MINUTE
    new_process().open()
    assert len(steps(later)) == 1


def test_lease_that_lies_ahead_counts_from_now(store, second, clock):
    """A process that died before the clock was put back is declared dead within its lease, not at the old time."""
    store.do(RecordHeartbeat())
    second.do(RecordHeartbeat())
    clock.put(-2 * HOUR)
    store.do(RecordHeartbeat())
    clock.forward(10_001)
    store.do(RecordHeartbeat())
    assert store.do(DeclareSessionDead(second.session, silent_ms=10_000)).number == 0


def test_clock_that_is_put_back_ends_no_session_on_record(store, second, clock):
    """Who lives has no instant at which it ended."""
    store.do(RecordHeartbeat())
    second.do(RecordHeartbeat())
    clock.put(-2 * HOUR)
    store.do(RecordHeartbeat())
    assert [session.ended_at for session in sessions(store.reader)] == [None, None]


def test_lease_does_not_end_by_a_clock_that_is_set_forward(store, second, clock):
    """A process that was heard of a second ago still was; and one that stays silent is declared dead in its time."""
    store.do(RecordHeartbeat())
    second.do(RecordHeartbeat())
    clock.forward(1_000)
    clock.put(2 * HOUR)
    assert isinstance(store.do(DeclareSessionDead(second.session, silent_ms=10_000)), Refused)
    clock.forward(8_000)
    assert isinstance(store.do(DeclareSessionDead(second.session, silent_ms=10_000)), Refused)
    clock.forward(1_001)
    assert store.do(DeclareSessionDead(second.session, silent_ms=10_000)).number == 0


def test_clock_that_drifts_is_no_step(store, clock):
    """A tenth of a second in each second is slewing."""
    for _ in range(20):
        clock.forward(2_000)
        clock.put(-200)
        store.do(RecordHeartbeat())
    assert steps(store) == []


def test_silence_is_noticed_in_its_time_although_the_clock_was_put_back(site, clock):
    """The last success lies ahead: it counts as long ago as it is, also once the clock has caught up with it."""
    site.announce("a", silence="2h")
    site.evaluate()
    site.succeed()
    site.evaluate(30 * MINUTE)
    clock.put(-3 * HOUR)
    site.evaluate(89 * MINUTE)
    assert IncidentKind.SILENCE not in open_kinds(site)
    site.evaluate(2 * MINUTE)
    assert IncidentKind.SILENCE in open_kinds(site)
    for _ in range(8):
        site.evaluate(30 * MINUTE)
        assert IncidentKind.SILENCE in open_kinds(site)
    site.succeed()
    site.evaluate(1_000)
    assert IncidentKind.SILENCE not in open_kinds(site)


def open_kinds(site):
    return {kind for _, kind, state in site.open_subjects() if state is IncidentState.OPEN}


def test_pause_and_start_that_were_requested_while_the_clock_was_ahead_are_listed(store, clock):
    """They go by the wall clock; `status` says what waits for it, by the command that shows it."""
    store.do(RecordHeartbeat())
    store.start(due_at=clock.at + HOUR)
    store.do(PauseAutomation("a", clock.at + HOUR, "ann", None))
    clock.put(-2 * HOUR)
    store.do(RecordHeartbeat())
    report = report_clock(store.reader, clock.at, "UTC")
    assert [note.split(" at ")[0] for note in report.notes] == ["The clock was put back by 2h"]
    assert [text.split(" requested")[0] for text in report.waiting] == ["1 start", "1 pause"]
    clock.forward(2 * HOUR)
    assert report_clock(store.reader, clock.at, "UTC").waiting == []
    clock.forward(24 * HOUR)
    assert report_clock(store.reader, clock.at, "UTC").notes == []


def regressions(site, unresolved=True):
    """Return the incidents of a clock that was put back."""
    found = site.store.read("incidents", unresolved=unresolved)
    return [incident for incident in found if incident.subject.kind is IncidentKind.CLOCK_REGRESSION]


def test_clock_that_is_put_back_is_one_incident_until_it_has_passed_the_old_instant(site, clock):
    """It names from when to when, and what waits. `status` does not repeat that."""
    site.evaluate()
    site.store.start(due_at=clock.at + HOUR)
    clock.forward(MINUTE)
    clock.put(-2 * HOUR)
    site.evaluate()
    (incident,) = regressions(site)
    assert incident.text == (
        "the clock was put back by 2h, from 2027-01-15 08:01:00 UTC to 2027-01-15 06:01:00 UTC; 1 start waits for the wall clock"
    )
    assert "mainspring runs list --state queued" in incident.hint
    assert (incident.facts["by_ms"], incident.facts["starts"]) == (2 * HOUR, 1)
    verdict = evaluate_status(
        site.store.reader, clock.at, read_unresolved(site.store.reader), store="s", environment="production"
    )
    assert sum("the clock was put back" in problem for problem in verdict.problems) == 1
    assert not any("requested while" in problem for problem in verdict.problems)
    site.evaluate(HOUR)
    assert len(regressions(site)) == 1
    site.evaluate(HOUR - 1_000)
    assert len(regressions(site)) == 1
    site.evaluate(1_000)
    assert regressions(site) == []
    assert site.notices().count((NotificationEvent.OPENED, "ops")) == 1


def test_silence_after_a_clock_was_put_back_is_part_of_its_incident(site, clock):
    """Slots that have run do not run again, so there is no success for a while."""
    site.announce("a", every="30m")
    for _ in range(6):
        site.evaluate(HOUR)
        site.succeed()
    site.evaluate()
    site.store.deliver_all()
    clock.put(-2 * HOUR)
    for _ in range(8):
        site.evaluate(10 * MINUTE)
    late = (IncidentKind.SILENCE, IncidentKind.LATE_START)
    silent = [incident for incident in site.store.read("incidents") if incident.subject.kind in late]
    (clock_incident,) = regressions(site)
    assert silent
    assert {incident.parent for incident in silent} == {clock_incident.id}


def test_clock_that_is_set_forward_makes_nothing_silent_late_or_slow(site, clock):
    """What was jumped over counts neither as silence nor as the length of a run. What does not come afterwards is reported in its time."""
    site.announce("a", every="1h")
    site.evaluate()
    site.succeed()
    running = site.store.begin(automation="a")
    site.evaluate(MINUTE)
    clock.put(6 * HOUR)
    late = {IncidentKind.SILENCE, IncidentKind.LATE_START}
    site.evaluate(1_000)
    assert not open_kinds(site) & late
    facts = FactsReader(site.store.reader).read(clock.at)
    assert {automation.name: automation.running_since_at for automation in facts.automations}[
        "a"
    ] == clock.at - MINUTE - 1_000
    site.store.do(finish(running))
    ends = {
        automation.name: automation.ends for automation in FactsReader(site.store.reader).read(clock.at).automations
    }
    assert [end.duration_ms for end in ends["a"]] == [MINUTE + 1_000, 0]
    for _ in range(12):
        site.evaluate(10 * MINUTE)
    assert open_kinds(site) & late


def test_run_during_which_the_clock_was_put_back_took_an_unknown_time(site, clock):
    """Not none at all."""
    site.evaluate()
    running = site.store.begin(automation="b")
    clock.forward(MINUTE)
    clock.put(-HOUR)
    site.store.do(finish(running))
    ends = {
        automation.name: automation.ends for automation in FactsReader(site.store.reader).read(clock.at).automations
    }
    assert [end.duration_ms for end in ends["b"]] == [None]


def test_clock_that_is_set_right_again_ends_the_incident(site, clock):
    """Forward to where it was."""
    site.evaluate()
    clock.put(-2 * HOUR)
    site.evaluate()
    assert len(regressions(site)) == 1
    clock.put(2 * HOUR)
    site.evaluate()
    assert regressions(site) == []


def test_clock_that_is_put_back_by_a_few_minutes_is_a_note_only(site, clock):
    """Up to five minutes, and forward by any span."""
    site.evaluate()
    for by_ms in (-5 * MINUTE, 3 * HOUR):
        clock.put(by_ms)
        site.evaluate(1_000)
        assert regressions(site) == []
    assert len(report_clock(site.store.reader, clock.at, "UTC").notes) == 2


def test_person_resolves_the_incident_of_a_clock_that_was_put_back(site, clock):
    """For good: what waits is decided. The next step is another one."""
    site.evaluate()
    site.store.start(due_at=clock.at + HOUR)
    clock.put(-2 * HOUR)
    site.evaluate()
    (incident,) = regressions(site)
    site.store.do(ResolveIncident(incident.id, "ann", "the clock is right now"))
    site.evaluate(MINUTE)
    assert regressions(site) == []
    assert report_clock(site.store.reader, clock.at, "UTC").waiting == []
    clock.put(-HOUR)
    site.evaluate(MINUTE)
    (again,) = regressions(site)
    assert (again.id, again.opened, again.facts["by_ms"]) == (incident.id, 2, HOUR)


def test_slots_that_have_run_are_counted_while_they_lie_ahead(site, clock):
    """They do not run again."""
    site.announce("a", every="1h")
    site.evaluate()
    for _ in range(3):
        slot_at = clock.at + HOUR - (clock.at + HOUR) % HOUR
        site.evaluate(slot_at - clock.at)
        start = site.store.starting(slot=SlotLink("a", slot_at))
        site.store.do(MakeSlot("a", slot_at, slot_at + HOUR, "run", start))
    clock.put(-2 * HOUR - MINUTE)
    site.evaluate()
    (incident,) = regressions(site)
    assert incident.text.endswith("; 3 slots between these times already have their runs and do not run again")


def test_event_after_the_step_reaches_runs_that_were_created_before_it(store, clock):
    """Its instant lies before theirs. It reaches a wait that is open, and one that opens later; what came before the run does not."""
    store.do(RecordHeartbeat())
    store.do(event(id="old"))
    clock.forward(HOUR)
    waiting, later = store.begin(), store.begin()
    store.do(wait_for(waiting, until_at=clock.at + HOUR))
    clock.put(-2 * HOUR)
    store.do(RecordHeartbeat())
    clock.forward(MINUTE)
    assert store.do(event(id="new")).number == 1
    store.do(wait_for(later, until_at=clock.at + HOUR))
    for run in (waiting, later):
        (fact,) = store.history(run.id).facts
        assert fact.source == "new"
