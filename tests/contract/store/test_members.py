"""Members of an incident, on every store: the failed runs that belong to it, what settles each, and that none is lost."""

import pytest

from mainspring.alerting.notices import read_incident_items
from mainspring.domain.incidents.incident import DECISION_FACT, Finding, IncidentKind, Severity, Subject
from mainspring.domain.incidents.incident_members import HealthRule, Settlement
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.rendering import FailedItems, render_headline
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import FailureReason, IncidentState, OutcomeState, RunState
from mainspring.domain.values.sealing import Sealing
from mainspring.store.commands.automations import ApplyRetention, AuditedCommand, RetireAutomation
from mainspring.store.commands.incidents import (
    AcknowledgeIncident,
    ErrorGroup,
    EvaluatedFinding,
    GroupedFailure,
    RecordEvaluation,
    ResolveIncident,
)
from mainspring.store.commands.runs import DiscardRun, ParentLink, ReopenRun
from mainspring.store.read.incidents import items_of, last_failures, members, members_of, ungrouped_failures
from mainspring.store.read.runs.unresolved_runs import count_unresolved, undecided_failures, unresolved_runs
from tests.acceptance.sealing_codec import codec
from tests.contract.store.process import BOOM, audited, complete, fail, finish, halt, outcome
from tests.counted_reads import counted as counted_reads

FAILED, HALTED = IncidentKind.PERMANENT_ERROR, IncidentKind.NEEDS_ATTENTION
WHOLE = {"healthy": HealthRule.AUTOMATION, "item": ""}


@pytest.fixture
def counted(store):
    """Return how many failed runs are undecided, of these automations, as text."""
    return lambda names=None: str(undecided_failures(store.reader, names))


def record_incident(store, *, automation="a", fingerprint="f1", kind=FAILED):
    """Let a watcher tell of all failures that no one was reported."""
    faults = ungrouped_failures(store.reader)
    reported = tuple(GroupedFailure(fault.seq, fault.run, fault.at) for fault in faults)
    group = ErrorGroup(automation, fingerprint, "E", "e", "p", "m", reported)
    finding = Finding(
        subject=Subject(automation, kind, fingerprint), severity=Severity.PAGE, text="it broke", since_at=1
    )
    id = f"i_{automation}_{fingerprint}_{kind}"
    found = EvaluatedFinding(id=id, finding=finding, faults=tuple(fault.seq for fault in faults))
    store.do(RecordEvaluation(started_at=store.clock.now(), groups=(group,), found=(found,)))
    return id


def fall(store, *items, automation="a", end=fail, **options):
    """Let a run for each item end by an error; return their ids."""
    runs = [store.begin(automation=automation, item=item, **options) for item in items]
    for run in runs:
        store.do(end(run, "s1"))
    return [run.id for run in runs]


def child_of(store, link):
    """Start a child of another automation and claim it."""
    store.announce("a", "b")
    return store.begin(automation="b", parent=link)


def well(store, *, automation="a", fingerprint="f1", kind=FAILED):
    """Let a watcher find that nothing is wrong any more."""
    store.clock.forward(1)
    store.do(RecordEvaluation(started_at=store.clock.now(), healthy=(Subject(automation, kind, fingerprint),)))


def settled(store, run):
    """Return what settled the last failure of a run; None = it is open."""
    return last_failures(store.reader, [run])[0].settled


def state_of(store, id):
    return store.read("incident", id).state


def test_failed_item_is_settled_by_a_later_success_of_that_item_only(store, counted):
    """Thirteen of fifteen files fail on; another file's success changes nothing, that of the same file settles it."""
    (run,) = fall(store, "in/13.csv")
    id = record_incident(store)
    store.do(finish(store.begin(item="in/15.csv")))
    well(store)
    assert (settled(store, run), state_of(store, id), counted()) == (None, IncidentState.OPEN, "1")
    store.do(finish(store.begin(item="in/13.csv")))
    assert (settled(store, run), counted()) == (Settlement.ITEM_SUCCEEDED, "0")
    well(store)
    assert state_of(store, id) is IncidentState.RESOLVED


def test_fast_one_step_path_settles_too(store):
    """A run of one step is ended by one command; it settles what any success settles."""
    (run,) = fall(store, "x")
    again = store.begin(item="x")
    store.do(complete(again))
    assert settled(store, run) is Settlement.ITEM_SUCCEEDED


def test_many_successes_in_one_group_settle(store):
    """Where a server answers many ends by one statement."""
    runs = fall(store, "x", "y", "z")
    again = [store.begin(item=item) for item in ("x", "y", "other")]
    store.do(*[finish(run_again) for run_again in again])
    assert [settled(store, run) for run in runs] == [Settlement.ITEM_SUCCEEDED, Settlement.ITEM_SUCCEEDED, None]


def test_success_of_an_earlier_run_settles_nothing(store):
    """A run that began before the one that failed worked on what the item was then."""
    early = store.begin(item="x")
    (run,) = fall(store, "x")
    store.do(finish(early))
    assert settled(store, run) is None


def test_run_without_an_item_is_settled_by_its_own_success_only(store, counted):
    """Each such run is about itself."""
    (run,) = fall(store, None)
    record_incident(store)
    store.do(finish(store.begin()))
    assert settled(store, run) is None
    store.do(audited(ReopenRun(run)))
    assert (settled(store, run), counted()) == (
        None,
        "0",
    )  # it runs: there is nothing to decide, and nothing is settled yet
    store.do(finish(store.claim_one()))
    assert settled(store, run) is Settlement.SUCCEEDED


def test_next_success_settles_where_all_runs_are_about_the_same_thing(store):
    """A schedule's; a run of another rule says nothing of it."""
    first = store.begin(**WHOLE)
    store.do(fail(first, "s1"))
    store.do(finish(store.begin(item="manual")))
    assert settled(store, first.id) is None
    store.do(finish(store.begin(**WHOLE)))
    assert settled(store, first.id) is Settlement.AUTOMATION_SUCCEEDED


def test_run_that_was_decided_and_fails_again_is_one_member(store):
    """Someone took a discard back by a retry: one run failed, and it is open."""
    first, other = fall(store, "x", "y")
    id = record_incident(store)
    store.do(audited(DiscardRun(first)))
    store.do(audited(ReopenRun(first)))
    store.do(fail(store.claim_one(), "s1"))
    record_incident(store)
    found = members(store.reader, [id])[id]
    assert (found.failed, found.open) == (2, 2)
    assert [(member.run, member.settled) for member in members_of(store.reader, id)] == [(first, None), (other, None)]
    store.do(audited(DiscardRun(first)), audited(DiscardRun(other)))
    well(store)
    assert store.read("incident", id).facts[DECISION_FACT] == "2 discarded"


def test_run_that_fails_again_is_one_member(store, counted):
    """By its last failure; the one before is settled by that."""
    (run,) = fall(store, "x")
    id = record_incident(store)
    store.do(audited(ReopenRun(run)))
    store.do(fail(store.claim_one(), "s1"))
    record_incident(store)
    found = members(store.reader, [id])[id]
    assert (found.failed, found.open, found.fixed, found.newest) == (1, 1, 0, run)
    assert [member.run for member in members_of(store.reader, id)] == [run]
    assert counted() == "1"


def test_members_of_one_cause_are_counted(store):
    """Three runs failed, one is fixed, one is discarded, one is open: the incident is one and stays."""
    first, second, third = fall(store, "x", "y", "z")
    id = record_incident(store)
    store.do(finish(store.begin(item="x")))
    store.do(audited(DiscardRun(second, "cli:ana")))
    found = members(store.reader, [id])[id]
    assert (found.failed, found.open, found.fixed, found.newest) == (3, 1, 1, third)
    listed = members_of(store.reader, id)
    assert [(member.run, member.item, member.settled, member.by) for member in listed] == [
        (third, "z", None, None),
        (second, "y", Settlement.DISCARDED, "cli:ana"),
        (first, "x", Settlement.ITEM_SUCCEEDED, listed[2].by),
    ]
    well(store)
    assert state_of(store, id) is IncidentState.OPEN


def test_items_of_failed_runs_are_read_together(store):
    """A run that is about nothing but itself, or its automation as a whole, has none."""
    first, second = fall(store, "x", "y")
    whole = store.begin(**WHOLE)
    store.do(fail(whole, "s1"))
    single = store.begin()
    store.do(fail(single, "s1"))
    assert items_of(store.reader, [first, second, whole.id, single.id]) == {first: "x", second: "y"}


def message_items(store, id, redact=str):
    """Return the items that a message about an incident names."""
    return read_incident_items(store.reader, store.read("incident", id), redact)


def test_message_names_what_is_open_and_at_the_end_what_failed(store):
    """The title of a run goes before its item; a run that is about nothing but itself is counted."""
    fall(store, "f1.csv")
    fall(store, "f2.csv", title="Book f2.csv")
    fall(store, None)
    id = record_incident(store)
    assert message_items(store, id) == FailedItems(("Book f2.csv", "f1.csv"), 1)
    store.do(finish(store.begin(item="f2.csv")))
    assert message_items(store, id) == FailedItems(("f1.csv",), 1)
    store.do(ResolveIncident(id, "ana", None))
    assert message_items(store, id) == FailedItems(("Book f2.csv", "f1.csv"), 1)


def test_message_counts_failed_runs_beyond_those_that_it_reads(store):
    """However many failed."""
    fall(store, *(f"f{number}.csv" for number in range(60)))
    assert message_items(store, record_incident(store)) == FailedItems(("f59.csv", "f58.csv", "f57.csv"), 57)


def test_message_names_no_sealed_title_and_no_secret(store):
    """In place of a sealed title it names the item; a secret is hidden before a long item is cut."""
    sealed = Sealing(codec).seal_text("Book the accounts of Ann Other")
    fall(store, "/hunter2/f1.csv", title=sealed)
    assert message_items(store, record_incident(store), lambda text: text.replace("hunter2", "***")).names == (
        "/***/f1.csv",
    )


def test_incident_without_failed_runs_names_no_item(store):
    """As one of silence."""
    finding = Finding(subject=Subject("a", IncidentKind.SILENCE), severity=Severity.PAGE, text="no success", since_at=1)
    store.do(RecordEvaluation(started_at=store.clock.now(), found=(EvaluatedFinding(id="i_1", finding=finding),)))
    assert message_items(store, "i_1") == FailedItems()


def test_failed_run_is_discarded_once(store, counted):
    """It stays failed, and asks for nothing any more; one that was settled already is refused."""
    (run,) = fall(store, "x")
    record_incident(store)
    store.do(audited(DiscardRun(run, "cli:ana")))
    assert (store.state(run), settled(store, run), counted()) == (RunState.FAILED, Settlement.DISCARDED, "0")
    refused = store.do(DiscardRun(run, "cli:ana"))
    assert (refused.code, "settled already" in refused.text) == ("wrong_state", True)
    store.do(audited(ReopenRun(run)))
    store.do(fail(store.claim_one(), "s1"))
    assert (settled(store, run), counted()) == (None, "1")


def test_person_who_resolves_an_incident_settles_its_members_of_that_moment(store, counted):
    """A later failure opens it again, with itself as the only member."""
    old = fall(store, "x", "y")
    id = record_incident(store)
    store.do(ResolveIncident(id, "ana"))
    assert [settled(store, run) for run in old] == [Settlement.RESOLVED] * 2
    assert (state_of(store, id), counted()) == (IncidentState.RESOLVED, "0")
    (new,) = fall(store, "z")
    record_incident(store)
    assert (state_of(store, id), [member.run for member in members_of(store.reader, id)]) == (IncidentState.OPEN, [new])
    found = members(store.reader, [id])[id]
    assert (found.failed, found.open) == (1, 1)


def decided(store, id):
    """What an incident that is over says of its failed runs, where they are not fixed."""
    return store.read("incident", id).facts.get(DECISION_FACT)


def test_resolved_incident_names_who_discarded_its_run(store):
    """With the reason; it does not look fixed."""
    (run,) = fall(store, "x")
    id = record_incident(store)
    store.do(
        AuditedCommand(
            "c-1", "cli:ana@box", "discard", f"run:{run}", DiscardRun(run, "cli:ana@box"), "sender withdrew it"
        )
    )
    well(store)
    assert decided(store, id) == "discarded by cli:ana@box: sender withdrew it"
    incident = store.read("incident", id)
    assert incident.summary == "it broke (discarded by cli:ana@box: sender withdrew it)"
    assert render_headline(NotificationEvent.RESOLVED, incident, "production") == (
        "[resolved] a: discarded by cli:ana@box: sender withdrew it (it broke)"
    )


def test_resolved_incident_of_several_counts_discarded_runs(store):
    """Beside those that are fixed."""
    *_, third = fall(store, "x", "y", "z")
    id = record_incident(store)
    store.do(finish(store.begin(item="x")), finish(store.begin(item="y")), audited(DiscardRun(third, "cli:ana")))
    well(store)
    assert decided(store, id) == "2 fixed, 1 discarded"


def test_incident_whose_runs_are_fixed_adds_nothing(store):
    """It is over by itself."""
    fall(store, "x")
    id = record_incident(store)
    store.do(finish(store.begin(item="x")))
    well(store)
    assert (state_of(store, id), decided(store, id)) == (IncidentState.RESOLVED, None)


def test_run_that_fails_again_with_another_error_leads_to_its_new_incident(store):
    """The old incident is over, but nothing is fixed."""
    (run,) = fall(store, "x")
    old = record_incident(store)
    store.do(audited(ReopenRun(run)))
    store.do(fail(store.claim_one(), "s1"))
    new = record_incident(store, fingerprint="f2")
    well(store)
    assert (state_of(store, old), state_of(store, new)) == (IncidentState.RESOLVED, IncidentState.OPEN)
    assert decided(store, old) == f"failed again with another error: see {new}"


def test_person_who_resolves_is_named_in_the_message(store):
    """With the note."""
    fall(store, "x")
    id = record_incident(store)
    store.do(ResolveIncident(id, "ana", "not ours"))
    headline = render_headline(NotificationEvent.RESOLVED, store.read("incident", id), "production")
    assert headline == "[resolved] a: resolved by ana: not ours (it broke)"


def test_acknowledging_decides_nothing(store, counted):
    """The run is undecided until it is settled."""
    fall(store, "x")
    store.do(AcknowledgeIncident(record_incident(store), "ana"))
    well(store)
    assert counted() == "1"


def test_resolved_storm_settles_its_parts(store, counted):
    """Many failures are decided together by one word."""
    fall(store, "x")
    id = record_incident(store)
    storm = Subject("", IncidentKind.STORM, "cause")
    finding = Finding(subject=storm, severity=Severity.PAGE, text="many", since_at=1)
    part = Finding(subject=Subject("a", FAILED, "f2"), severity=Severity.PAGE, text="it broke", since_at=1)
    (run,) = fall(store, "y")
    faults = ungrouped_failures(store.reader)
    group = ErrorGroup(
        "a", "f2", "E", "e", "p", "m", tuple(GroupedFailure(fault.seq, fault.run, fault.at) for fault in faults)
    )
    found = (
        EvaluatedFinding(id="i_storm", finding=finding),
        EvaluatedFinding(id="i_part", finding=part, faults=tuple(fault.seq for fault in faults), parent=storm),
    )
    store.do(RecordEvaluation(started_at=store.clock.now(), groups=(group,), found=found))
    store.do(ResolveIncident("i_storm", "ana"))
    assert (settled(store, run), state_of(store, "i_part")) == (Settlement.RESOLVED, IncidentState.RESOLVED)
    assert (state_of(store, id), counted()) == (IncidentState.OPEN, "1")


def test_run_that_needs_a_person_is_settled_when_one_continues_it(store):
    """Its incident is over then; resolving the incident alone lets no run continue, so it stays listed."""
    (run,) = fall(store, "x", end=halt)
    id = record_incident(store, kind=HALTED)
    store.do(ResolveIncident(id, "ana"))
    assert settled(store, run) is None
    store.do(audited(ReopenRun(run)))
    assert settled(store, run) is Settlement.CONTINUED


def test_child_whose_parent_handled_its_failure_is_no_member(store, counted):
    """The parent is reported; it decides."""
    parent = store.begin()
    child = child_of(store, ParentLink(parent.id, "child:b#1", parent.claim))
    store.do(fail(child, "s1"))
    assert (ungrouped_failures(store.reader), counted()) == ([], "0")


def test_child_that_a_person_continued_after_its_parent_ended_is_a_member(store, counted):
    """Its parent has been reported another failure, and hears of this one no more."""
    parent = store.begin()
    child = child_of(store, ParentLink(parent.id, "child:b#1", parent.claim))
    store.do(fail(child, "s1"))
    store.do(outcome(parent, 1, "child:b#1", kind=OutcomeKind.CHILD, state=OutcomeState.FAILED, failure=BOOM))
    store.do(fail(parent, "child:b#1", rank=1), audited(DiscardRun(parent.id)))
    assert counted() == "0"
    store.do(ReopenRun(child.id))
    store.do(fail(store.claim_one(), "s1"))
    assert (store.state(child.id), counted()) == (RunState.FAILED, "1")


def test_kept_child_that_fails_after_its_parent_ended_is_a_member(store, counted):
    """No one is left who could handle it."""
    parent = store.begin()
    child = child_of(store, ParentLink(parent.id, "child:b#1", parent.claim, "keep"))
    store.do(finish(parent))
    store.do(fail(child, "s1"))
    assert ([failure.run for failure in ungrouped_failures(store.reader)], counted()) == ([child.id], "1")


def test_kept_child_whose_failure_its_parent_never_accepted_is_a_member(store, counted):
    """It failed first, and its parent ended without looking."""
    parent = store.begin()
    child = child_of(store, ParentLink(parent.id, "child:b#1", parent.claim, "keep"))
    store.do(fail(child, "s1"))
    assert counted() == "0"
    store.do(finish(parent))
    assert ([failure.run for failure in ungrouped_failures(store.reader)], counted()) == ([child.id], "1")


def test_kept_child_is_a_member_when_its_parent_ends_among_others(store, counted):
    """As in a burst of ends, which one statement writes on a server."""
    parents = [store.begin() for _ in range(3)]
    child = child_of(store, ParentLink(parents[1].id, "child:b#1", parents[1].claim, "keep"))
    store.do(fail(child, "s1"))
    store.do(*map(finish, parents))
    assert ([fault.run for fault in ungrouped_failures(store.reader)], counted()) == ([child.id], "1")


@pytest.mark.parametrize("policy", ["keep", "cancel"])
def test_child_whose_failure_nothing_awaited_is_a_member(store, counted, policy):
    """Its parent was reported, and its code did not look: the run succeeds without it."""
    parent = store.begin()
    child, other = (child_of(store, ParentLink(parent.id, f"child:b#{n}", parent.claim, policy)) for n in (1, 2))
    store.do(fail(child, "s1"), fail(other, "s1"))
    for rank, ident in enumerate(("child:b#1", "child:b#2"), 1):
        store.do(outcome(parent, rank, ident, kind=OutcomeKind.CHILD, state=OutcomeState.FAILED, failure=BOOM))
    assert counted() == "0"
    store.do(finish(parent, rank=2, unhandled=("child:b#1",)))
    assert ([fault.run for fault in ungrouped_failures(store.reader)], counted()) == ([child.id], "1")


def test_undecided_failed_run_is_never_pruned(store):
    """However old it is; one that is settled goes."""
    undecided, decided = fall(store, "x", "y")
    record_incident(store)
    store.do(audited(DiscardRun(decided)))
    store.clock.forward(1_000)
    now = store.clock.now()
    store.do(ApplyRetention(now, now, now, now, now))
    assert [run for run in (undecided, decided) if run in {row.id for row in store.read("list_runs").runs}] == [
        undecided
    ]
    assert settled(store, undecided) is None


def test_undecided_runs_are_counted_of_what_is_there_and_seen(store, counted):
    """Not those that need a person, which are a problem of their own, nor of what someone does not see; but also of what was retired."""
    store.announce("a", "b")
    fall(store, "x")
    fall(store, "y", end=halt)
    fall(store, "x", automation="b")
    assert [counted(names) for names in (None, ["a"], ["b", "c"], [])] == ["2", "1", "1", "0"]
    store.do(RetireAutomation("b"))
    assert counted() == "2"


def test_only_open_members_are_stuck_by_an_error(store):
    """What is settled is neither counted nor listed nor looked through."""
    fall(store, *(f"old {n}" for n in range(21)))
    record_incident(store)
    for n in range(21):
        store.do(finish(store.begin(item=f"old {n}")))
    new = fall(store, "x", "y")
    record_incident(store)
    assert [str(count_unresolved(store.reader, ("a", "f1"), cap)) for cap in (1, 2, 3)] == ["1+", "2+", "2"]
    reads = counted_reads(store.reader)
    assert {row.id for _, row in unresolved_runs(store.reader, [("a", "f1")], limit=5)} == set(new)
    assert len(reads) == 1


def test_reason_of_a_failure_does_not_matter_to_what_settles_it(store):
    """Retries that are used up are a member like a permanent error."""
    run = store.begin(item="x")
    store.do(fail(run, "s1", FailureReason.RETRIES_EXHAUSTED))
    store.do(finish(store.begin(item="x")))
    assert settled(store, run.id) is Settlement.ITEM_SUCCEEDED
