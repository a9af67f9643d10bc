"""Spans of commands: which there are, below what, and what is never in them."""

import pytest

from mainspring.alerting.traces.span_maker import SpanMaker
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.runs.trace_span import link_to_run, run_span_id, step_span_id, trace_id_of, work_span_id
from mainspring.domain.states import AttemptState, FailureReason, OutcomeState, RunState
from mainspring.engine.body.child_runs import choose_child_id
from mainspring.store.commands.journal import SaveAttempt, SaveOutcome
from mainspring.store.commands.results import CLAIM_LOST, DONE
from mainspring.store.commands.run_control import EnterPause
from mainspring.store.commands.runs import (
    ClaimedRun,
    ClaimedRuns,
    ClaimRuns,
    CompleteRun,
    FinishRun,
    HaltRun,
    ReleaseRun,
    SuspendRun,
)

RUN = "r_01m8btbp2nhxwrj3zswacng3h5"
NOW = 1_700_000_005_000
STARTED_AT = NOW - 5_000
MS = 1_000_000
CANARY = "canary"
FAILED = Failure(type="ValueError", code="bug", message=f"it was {CANARY}", hint=CANARY, data=CANARY)


def claimed(**more):
    parts = {"parent": None, "parent_ident": None, "kind": "workflow", "run_key": CANARY, "title": CANARY} | more
    return ClaimedRun(
        id=RUN, automation="order", version=3, claim=2, fresh=True, rank=0, generation=0, started_at=STARTED_AT,
        created_at=STARTED_AT - 9, deadline_at=None, codec="json", input=CANARY.encode(), queue="default", priority=0,
        tag=CANARY, schedule=None, slot_at=None, crashes=0, **parts,
    )  # fmt: skip


def outcome(kind=OutcomeKind.STEP, state=OutcomeState.SUCCEEDED, **more):
    parts = {
        "attempt": 1,
        "started_at": NOW - 100,
        "at": NOW,
        "duration_us": 2_500,
        "failure": None,
        "first_at": None,
    } | more
    return SaveOutcome(
        run=RUN, claim=2, rank=1, ident="charge:key=canary", name="charge", kind=kind, state=state, request_number=1,
        generation=1, automation="order", input=CANARY.encode(), output=CANARY.encode(), **parts,
    )  # fmt: skip


@pytest.fixture
def maker():
    made = SpanMaker()
    assert not list(made.spans(ClaimRuns("1:1", 5), ClaimedRuns((claimed(),), None), NOW - 1_000))
    return made


def of(maker, command, result=DONE):
    found = list(maker.spans(command, result, NOW))
    assert all(CANARY not in repr(span) for span in found)
    assert all(span.trace_id == trace_id_of(RUN) for span in found)
    return found


def test_step_is_below_its_run(maker):
    """It is as long as was measured, and its id is that of run, ident and generation."""
    (span,) = of(maker, outcome())
    assert span.parent_id == run_span_id(RUN)
    assert span.span_id == step_span_id(RUN, "charge:key=canary", 1)
    assert (span.start_ns, span.end_ns) == ((NOW - 100) * MS, (NOW - 100) * MS + 2_500_000)
    assert (span.name, span.is_error, span.attributes["mainspring.attempt"]) == ("charge", False, 1)


def test_step_of_several_attempts_spans_them(maker):
    """It begins with the first; each attempt, the last one too, is a span below it."""
    tried = SaveAttempt(
        run=RUN, claim=2, ident="charge:key=canary", name="charge", generation=1, attempt=1, state=AttemptState.FAILED,
        request_number=1, started_at=NOW - 900, automation="order", ended_at=NOW - 800, failure=FAILED, input=CANARY.encode(),
    )  # fmt: skip
    (first,) = of(maker, tried)
    step, second = of(maker, outcome(attempt=2, first_at=NOW - 900))
    assert first.parent_id == second.parent_id == step.span_id
    assert len({first.span_id, second.span_id, step.span_id}) == 3
    assert step.start_ns == first.start_ns
    assert (first.is_error, first.error, second.is_error) == (True, "bug", False)
    assert first.attributes["error.type"] == "ValueError"
    assert len(first.attributes["mainspring.error.fingerprint"]) == 12


def test_started_attempt_is_no_span(maker):
    """What has not ended is reported by its end."""
    mark = SaveAttempt(
        run=RUN, claim=2, ident="charge", name="charge", generation=1, attempt=1, state=AttemptState.STARTED, request_number=1,
        started_at=NOW, automation="order",
    )  # fmt: skip
    assert of(maker, mark) == []


@pytest.mark.parametrize("kind", [OutcomeKind.TIMER, OutcomeKind.EVENT, OutcomeKind.SIGNAL, OutcomeKind.ANSWER])
def test_wait_links_to_what_continued_with_it(maker, kind):
    """The stretch of work under the claim that took it in, which learns when it ends."""
    (wait,) = of(maker, outcome(kind, duration_us=0))
    (work,) = of(maker, SuspendRun(RUN, 2, RunState.WAITING, None, 0, 1))
    assert [(link.trace_id, link.span_id) for link in wait.links] == [(work.trace_id, work.span_id)]
    assert work.span_id == work_span_id(RUN, 2)
    assert (work.start_ns, work.end_ns) == ((NOW - 1_000) * MS, NOW * MS)


def test_child_and_parent_link_to_each_other():
    """Each is a trace of its own."""
    maker = SpanMaker()
    parent = claimed(kind="workflow")
    list(maker.spans(ClaimRuns("1:1", 5), ClaimedRuns((parent,), None), NOW))
    (child_span,) = maker.spans(outcome(OutcomeKind.CHILD), DONE, NOW)
    assert child_span.links == (link_to_run(choose_child_id(parent, "charge:key=canary")),)
    list(maker.spans(ClaimRuns("1:2", 5), ClaimedRuns((claimed(parent="r_2", parent_ident=CANARY),), None), NOW))
    *_, child = of(maker, FinishRun(RUN, 2, RunState.SUCCEEDED, 1))
    assert child.links == (link_to_run("r_2"),)
    assert child.trace_id != link_to_run("r_2").trace_id


def test_failed_run_reports_code_and_fingerprint(maker):
    """The whole run, from its own start, with no parent; never what the error said."""
    work, whole = of(
        maker, FinishRun(RUN, 2, RunState.FAILED, 1, failure=FAILED, reason=FailureReason.RETRIES_EXHAUSTED)
    )
    assert (whole.span_id, whole.parent_id, work.parent_id) == (run_span_id(RUN), None, whole.span_id)
    assert (whole.start_ns, whole.end_ns) == (STARTED_AT * MS, NOW * MS)
    assert (whole.name, whole.is_error, whole.error) == ("order", True, "bug")
    assert whole.attributes["mainspring.reason"] == "retries_exhausted"


def test_fast_path_task_is_a_run_and_a_step(maker):
    """One command ends both."""
    done = CompleteRun(RUN, 2, "order", "order", "order", NOW - 3, NOW, 1_000, CANARY.encode(), CANARY.encode())
    step, whole = of(maker, done)
    assert (step.parent_id, whole.parent_id) == (whole.span_id, None)
    assert of(maker, done)[1:] == [], "the run is not known any more"


def test_run_that_needs_a_person_is_no_whole_run(maker):
    """Its stretch of work is reported as what went wrong."""
    (work,) = of(maker, HaltRun(RUN, 2, FailureReason.IN_DOUBT, 1, failure=FAILED))
    assert (work.name, work.is_error, work.error) == ("work", True, "in_doubt")


def test_pause_ends_the_stretch_of_work(maker):
    """The next one begins when the run is resumed."""
    (work,) = of(maker, EnterPause(RUN, 2, 1))
    assert (work.name, work.attributes["mainspring.state"], work.is_error) == ("work", "paused", False)
    assert of(maker, EnterPause(RUN, 2, 1)) == []


@pytest.mark.parametrize(
    "command", [ReleaseRun(RUN, 2, 1), FinishRun(RUN, 2, RunState.SUCCEEDED, 1), outcome(), outcome(OutcomeKind.CANCEL)]
)
def test_refused_outcome_makes_no_span(maker, command):
    """Another process owns the run: it tells."""
    assert of(maker, command, CLAIM_LOST) == []
    assert of(maker, command, RuntimeError("guilty")) == []
    assert of(maker, FinishRun(RUN, 2, RunState.SUCCEEDED, 1)) == []
