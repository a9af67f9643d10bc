"""Faults that no one was notified of become findings, and incidents with open members stay findings."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.incidents.incident import MEMBERS_FACT, Incident, IncidentKind, Severity, Subject
from mainspring.domain.incidents.incident_members import HealthRule, Settlement
from mainspring.domain.monitors.inputs import MonitorInputs, NewFailure, OpenFailure
from mainspring.domain.monitors.outcomes.failed_runs import assign_subjects, incident_kind
from mainspring.domain.states import FailureReason, IncidentState, RunState
from tests.unit.domain.monitors.monitor_inputs import HOUR, T0, cadence, evaluate, found, watched

KINDS = (IncidentKind.PERMANENT_ERROR, IncidentKind.RETRIES_EXHAUSTED, IncidentKind.NEEDS_ATTENTION)
reasons = st.sampled_from([reason.value for reason in FailureReason])
states = st.sampled_from([state.value for state in RunState])
faults = st.builds(
    NewFailure,
    run=st.text("rab123", min_size=1, max_size=4),
    automation=st.sampled_from("ab"),
    fingerprint=st.sampled_from(["", "f1", "f2"]),
    state=states,
    reason=reasons,
    at=st.integers(T0, T0 + 1000),
    text=st.just("403 AccessDenied"),
)


def fault(at: int = T0, **known: Any) -> NewFailure:
    values: dict[str, Any] = {
        "run": "r_1",
        "automation": "backup",
        "fingerprint": "f1",
        "state": "failed",
        "text": "403 AccessDenied",
    }
    return NewFailure(**values | {"reason": "permanent_error"} | known, at=at)


@pytest.mark.parametrize(
    ("state", "reason", "kind"),
    [
        ("failed", "permanent_error", IncidentKind.PERMANENT_ERROR),
        ("failed", "deadline", IncidentKind.PERMANENT_ERROR),
        ("failed", "retries_exhausted", IncidentKind.RETRIES_EXHAUSTED),
        ("failed", "discarded", None),
        ("needs_attention", "drift", IncidentKind.NEEDS_ATTENTION),
        ("cancelled", "", None),
        ("succeeded", "", None),
    ],
)
def test_fault_is_of_one_kind(state: str, reason: str, kind: IncidentKind | None) -> None:
    """What a person abandoned, or cancelled, is no news."""
    assert incident_kind(fault(state=state, reason=reason)) is kind


def test_faults_of_one_cause_are_one_finding() -> None:
    """It stands for all of them, names the newest, and began with the first."""
    facts = MonitorInputs(
        automations=(watched(tier=Severity.PAGE),),
        faults=(fault(T0 + 2, run="r_2"), fault(T0), fault(T0 + 1, fingerprint="f2"), fault(T0, automation="other")),
    )
    first, other, second = found(IncidentKind.PERMANENT_ERROR, facts, T0 + 5)
    assert (first.number, first.since_at, first.severity, first.subject.fingerprint) == (2, T0, Severity.PAGE, "f1")
    assert (first.text, first.hint) == ("failed: 403 AccessDenied", "mainspring runs show r_2")
    assert first.cause == "fingerprint:f1"
    assert (other.subject.automation, other.severity) == ("other", Severity.NOTIFY)
    assert second.text == "failed: 403 AccessDenied"


def test_attention_names_the_needed_person() -> None:
    """And leads to the sentences that explain it."""
    (finding,) = found(
        IncidentKind.NEEDS_ATTENTION, MonitorInputs(faults=(fault(state="needs_attention", reason="drift"),)), T0
    )
    assert (finding.text, finding.hint) == ("needs a person: 403 AccessDenied", "mainspring explain r_1")


@given(st.lists(faults, max_size=20))
def test_each_fault_is_reported_exactly_once(known: list[NewFailure]) -> None:
    """Every fault of a kind is counted in one finding, whatever the order of the rows; paused or unknown, it happened."""
    facts, reversed_facts = MonitorInputs(faults=tuple(known)), MonitorInputs(faults=tuple(reversed(known)))
    findings = [finding for kind in KINDS for finding in found(kind, facts, T0)]
    assert sum(finding.number for finding in findings) == sum(incident_kind(failure) is not None for failure in known)
    assert len({finding.subject for finding in findings}) == len(findings)
    assert {finding.subject: finding.number for finding in findings} == {
        finding.subject: finding.number for kind in KINDS for finding in found(kind, reversed_facts, T0)
    }


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        ({"kind": "exec"}, "failed: "),
        ({"kind": "exec", "options": {"retry": {"attempts": 3}}}, "failed after all retries: "),
        ({"kind": "task", "options": {"retry": {"attempts": 1}}}, "failed: "),
        ({"kind": "task"}, "failed after all retries: "),
    ],
)
def test_run_without_retries_does_not_report_used_retries(known, sentence) -> None:
    """Retries are reported where there were some."""
    facts = MonitorInputs(automations=(watched(**known),), faults=(fault(reason="retries_exhausted"),))
    (finding,) = found(IncidentKind.RETRIES_EXHAUSTED, facts, T0)
    assert finding.text == f"{sentence}403 AccessDenied"


def test_run_that_needs_a_person_is_not_tried_again_by_its_schedule() -> None:
    """The next slot has a run of its own."""
    automation = watched(cadences=(cadence(every="1h"),), succeeded_at=T0)
    both = (fault(), fault(state="needs_attention", reason="drift", run="r_2"))
    facts = MonitorInputs(automations=(automation,), faults=both)
    (failed,) = found(IncidentKind.PERMANENT_ERROR, facts, T0 + 1)
    (stuck,) = found(IncidentKind.NEEDS_ATTENTION, facts, T0 + 1)
    assert (failed.facts["next_try_at"], stuck.facts["next_try_at"]) == (T0 + HOUR, None)
    assert failed.facts["last_good_at"] == stuck.facts["last_good_at"] == T0


def failing(subject: Subject, **members: Any) -> OpenFailure:
    """An incident that is open since an hour."""
    incident = Incident(
        id="i_1",
        subject=subject,
        state=IncidentState.OPEN,
        severity=Severity.NOTIFY,
        text="failed: 403 AccessDenied",
        hint="mainspring runs show r_1",
        facts={"runs": ["r_1"], "first_at": T0 - HOUR},
        since_at=T0 - HOUR,
        opened_at=T0 - HOUR,
        changed_at=T0 - HOUR,
        seen_at=T0 - HOUR,
    )
    return OpenFailure(incident=incident, **members)


def test_incident_with_an_open_member_is_found_again() -> None:
    """With what became of its runs, and the newest open one as the next to look at; with none it is healthy."""
    subject = Subject("backup", IncidentKind.PERMANENT_ERROR, "f1")
    facts = MonitorInputs(
        automations=(watched(),), failing=(failing(subject, failed=3, open=2, fixed=1, newest="r_3"),)
    )
    (finding,) = found(IncidentKind.PERMANENT_ERROR, facts, T0)
    assert (finding.subject, finding.since_at, finding.text) == (subject, T0 - HOUR, "failed: 403 AccessDenied")
    assert (finding.hint, finding.facts["runs"]) == ("mainspring runs show r_3", ["r_1", "r_3"])
    assert finding.facts[MEMBERS_FACT] == "3 runs failed, 1 fixed, 2 open"
    settled = MonitorInputs(automations=(watched(),), failing=(failing(subject, failed=3, open=0, fixed=1),))
    (evaluation,) = evaluate(IncidentKind.PERMANENT_ERROR, settled, T0)
    assert (evaluation.finding, evaluation.figures[MEMBERS_FACT]) == (None, "3 runs failed, 1 fixed, 2 discarded")


def test_new_failures_are_counted_with_the_members_there_are() -> None:
    """The incident began with the first of all."""
    subject = Subject("backup", IncidentKind.PERMANENT_ERROR, "f1")
    before = failing(subject, failed=1, open=1, fixed=0, newest="r_1")
    facts = MonitorInputs(
        automations=(watched(),), faults=(fault(run="r_2"),), failing=(before,), open=frozenset({subject})
    )
    (finding,) = found(IncidentKind.PERMANENT_ERROR, facts, T0)
    assert (finding.facts[MEMBERS_FACT], finding.facts["first_at"]) == ("2 runs failed, 2 open", T0 - HOUR)


def test_failures_of_one_item_are_one_incident_with_any_message() -> None:
    """Other errors, other reasons: the subject is that of the first, or of the incident that is open."""
    same = {"healthy": HealthRule.AUTOMATION}
    faults = [
        fault(T0, fingerprint="f1", **same),
        fault(T0 + 1, fingerprint="f2", reason="retries_exhausted", **same),
        fault(T0 + 2, fingerprint="f3", state="needs_attention", **same),
        fault(T0 + 3, automation="other", fingerprint="f1"),
    ]
    first = Subject("backup", IncidentKind.PERMANENT_ERROR)
    other_faults = [
        Subject("backup", IncidentKind.NEEDS_ATTENTION, "f3"),
        Subject("other", IncidentKind.PERMANENT_ERROR, "f1"),
    ]
    assert assign_subjects(faults, ()) == [first, first, *other_faults]
    exhausted = Subject("backup", IncidentKind.RETRIES_EXHAUSTED)
    assert assign_subjects(faults, {exhausted}) == [exhausted, exhausted, *other_faults]


def test_failures_that_are_settled_before_the_first_evaluation_are_not_counted_as_open() -> None:
    """Two failed and succeeded, one failed: one is open, and it is the one to look at. Where all are settled no one is reported."""
    fixed = [fault(at=T0 + n, run=f"r_{n}", settled=Settlement.ITEM_SUCCEEDED) for n in (1, 2)]
    open_, given_up = fault(at=T0, run="r_0"), fault(at=T0 + 3, run="r_3", settled=Settlement.DISCARDED)
    (finding,) = found(
        IncidentKind.PERMANENT_ERROR, MonitorInputs(automations=(watched(),), faults=(*fixed, open_, given_up)), T0
    )
    assert finding.facts[MEMBERS_FACT] == "4 runs failed, 2 fixed, 1 discarded, 1 open"
    assert finding.hint == "mainspring runs show r_0"
    settled = MonitorInputs(automations=(watched(),), faults=(*fixed, given_up))
    assert evaluate(IncidentKind.PERMANENT_ERROR, settled, T0) == []


def test_run_that_failed_twice_before_the_first_evaluation_is_counted_once() -> None:
    """By its later failure."""
    twice = (fault(at=T0, settled=Settlement.FAILED_AGAIN), fault(at=T0 + 1))
    (finding,) = found(IncidentKind.PERMANENT_ERROR, MonitorInputs(automations=(watched(),), faults=twice), T0)
    assert MEMBERS_FACT not in finding.facts
    other = (fault(at=T0, settled=Settlement.FAILED_AGAIN), fault(at=T0 + 1, fingerprint="f2"))
    (finding,) = found(IncidentKind.PERMANENT_ERROR, MonitorInputs(automations=(watched(),), faults=other), T0)
    assert finding.subject.fingerprint == "f2"


def test_settled_failure_that_comes_to_open_ones_changes_no_words() -> None:
    """The incident stands as it did, for its open member."""
    subject = Subject("backup", IncidentKind.PERMANENT_ERROR, "f1")
    before = failing(subject, failed=1, open=1, fixed=0, newest="r_1")
    new = fault(run="r_2", settled=Settlement.SUCCEEDED)
    facts = MonitorInputs(automations=(watched(),), faults=(new,), failing=(before,), open=frozenset({subject}))
    (finding,) = found(IncidentKind.PERMANENT_ERROR, facts, T0)
    assert (finding.text, finding.hint) == ("failed: 403 AccessDenied", "mainspring runs show r_1")
