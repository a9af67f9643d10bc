"""Faults that nobody was told of become findings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.incident import IncidentKind, Severity
from mainspring.domain.monitors.facts import Facts, Fault
from mainspring.domain.monitors.failures import kind_of
from mainspring.domain.states import FailureReason, RunState
from tests.unit.domain.monitors.looking import HOUR, T0, cadence, found, watched

KINDS = (IncidentKind.PERMANENT_ERROR, IncidentKind.RETRIES_EXHAUSTED, IncidentKind.NEEDS_ATTENTION)
reasons = st.sampled_from([reason.value for reason in FailureReason])
states = st.sampled_from([state.value for state in RunState])
faults = st.builds(
    Fault,
    run=st.text("rab123", min_size=1, max_size=4),
    automation=st.sampled_from("ab"),
    fingerprint=st.sampled_from(["", "f1", "f2"]),
    state=states,
    reason=reasons,
    at=st.integers(T0, T0 + 1000),
    text=st.just("403 AccessDenied"),
)


def fault(at: int = T0, **known: str) -> Fault:
    values = {"run": "r_1", "automation": "backup", "fingerprint": "f1", "state": "failed", "text": "403 AccessDenied"}
    return Fault(**values | {"reason": "permanent_error"} | known, at=at)


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
    """What a person gave up, or cancelled, is no news."""
    assert kind_of(fault(state=state, reason=reason)) is kind


def test_faults_of_one_cause_are_one_finding() -> None:
    """It stands for all of them, names the newest, and began with the first."""
    facts = Facts(
        automations=(watched(tier=Severity.PAGE),),
        faults=(fault(T0 + 2, run="r_2"), fault(T0), fault(T0 + 1, fingerprint="f2"), fault(T0, automation="other")),
    )
    mine, other, second = found(IncidentKind.PERMANENT_ERROR, facts, T0 + 5)
    assert (mine.number, mine.since_at, mine.severity, mine.subject.fingerprint) == (2, T0, Severity.PAGE, "f1")
    assert (mine.text, mine.hint) == ("failed: 403 AccessDenied", "mainspring runs show r_2")
    assert mine.cause == "fingerprint:f1"
    assert (other.subject.automation, other.severity) == ("other", Severity.NOTIFY)
    assert second.text == "failed: 403 AccessDenied"


def test_attention_says_whom_it_needs() -> None:
    """And leads to the sentences that explain it."""
    (finding,) = found(
        IncidentKind.NEEDS_ATTENTION, Facts(faults=(fault(state="needs_attention", reason="drift"),)), T0
    )
    assert (finding.text, finding.hint) == ("needs a person: 403 AccessDenied", "mainspring explain r_1")


@given(st.lists(faults, max_size=20))
def test_each_fault_is_told_exactly_once(known: list[Fault]) -> None:
    """Every fault of a kind is counted in one finding, whatever the order of the rows; paused or unknown, it happened."""
    facts, turned = Facts(faults=tuple(known)), Facts(faults=tuple(reversed(known)))
    told = [finding for kind in KINDS for finding in found(kind, facts, T0)]
    assert sum(finding.number for finding in told) == sum(kind_of(one) is not None for one in known)
    assert len({finding.subject for finding in told}) == len(told)
    assert {one.subject: one.number for one in told} == {
        one.subject: one.number for kind in KINDS for one in found(kind, turned, T0)
    }


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({"kind": "exec"}, "failed: "),
        ({"kind": "exec", "options": {"retry": {"attempts": 3}}}, "failed after all retries: "),
        ({"kind": "task", "options": {"retry": {"attempts": 1}}}, "failed: "),
        ({"kind": "task"}, "failed after all retries: "),
    ],
)
def test_what_is_tried_once_used_up_no_retries(known, says) -> None:
    """Retries are told of where there were some."""
    facts = Facts(automations=(watched(**known),), faults=(fault(reason="retries_exhausted"),))
    (finding,) = found(IncidentKind.RETRIES_EXHAUSTED, facts, T0)
    assert finding.text == f"{says}403 AccessDenied"


def test_run_that_needs_a_person_is_not_tried_again_by_its_schedule() -> None:
    """The next slot has a run of its own."""
    one = watched(cadences=(cadence(every="1h"),), succeeded_at=T0)
    both = (fault(), fault(state="needs_attention", reason="drift", run="r_2"))
    facts = Facts(automations=(one,), faults=both)
    (failed,) = found(IncidentKind.PERMANENT_ERROR, facts, T0 + 1)
    (stuck,) = found(IncidentKind.NEEDS_ATTENTION, facts, T0 + 1)
    assert (failed.facts["next_try_at"], stuck.facts["next_try_at"]) == (T0 + HOUR, None)
    assert failed.facts["last_good_at"] == stuck.facts["last_good_at"] == T0
