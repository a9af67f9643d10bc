"""Runs with undone steps, or steps that may be undone: what is said of them, and what is asked before they continue."""

import pytest

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.store.read.runs.run_views import run_view
from tests.contract.store.process import BOOM, fail, finish, halt, outcome

TRIP = Definition(kind=DefinitionKind.WORKFLOW, name="trip", options={"on_cancel": "undo"})
UNDO = {"kind": OutcomeKind.UNDO}


def do(stage, *commands):
    """Submit them one after the other."""
    for command in commands:
        stage.do(command)


def view(stage, run):
    return run_view(stage.store.reader, run)


def rolled_back(stage):
    """A run of book, mail and pay with book undone."""
    run = stage.begin(TRIP)
    do(stage, outcome(run, 1, "look"), outcome(run, 2, "book", undo="m:f"), outcome(run, 3, "mail"))
    do(stage, outcome(run, 4, "undo:book", **UNDO, requested_after=3), fail(run, reason=FailureReason.ROLLED_BACK))
    return run.id


def stopped(stage):
    """A run that booked, and needs a person."""
    run = stage.begin(TRIP)
    do(stage, outcome(run, 1, "book", undo="m:f"), halt(run))
    return run.id


@pytest.fixture(autouse=True)
def announced(stage):
    """The store knows the automation and its options."""
    stage.announce(TRIP)


@pytest.mark.parametrize("options", [[], ["--from-step", "mail"], ["--again", "mail"]])
def test_retry_lists_steps_that_run_again_and_confirms(cli, stage, options):
    """What was undone, and what stands on it; without a yes nothing is done."""
    run = rolled_back(stage)
    result = cli("runs", "retry", run, *options)
    assert result.code == 2
    assert "  book (was undone)\n  mail (follows an undone step)\n" in result.err
    assert "Run 2 steps again" in result.err
    assert "look" not in result.err
    assert view(stage, run).state is RunState.FAILED
    assert cli("runs", "retry", run, *options, "-y").code == 0
    assert (view(stage, run).state, view(stage, run).generation) == (RunState.QUEUED, 1)


def test_retry_of_an_ordinary_run_needs_no_confirmation(cli, stage):
    """What is done stays done."""
    run = stage.begin(TRIP)
    do(stage, outcome(run, 1, "book"), fail(run))
    assert cli("runs", "retry", run.id).code == 0


@pytest.mark.parametrize("command", [("failed", "retry"), ("runs", "retry")])
def test_several_runs_need_confirmation_if_one_was_undone(cli, stage, command):
    """Named runs need no yes else; the question counts those."""
    other = stage.begin(TRIP)
    do(stage, fail(other))
    runs = (rolled_back(stage), other.id)
    result = cli(*command, *runs)
    assert result.code == 2
    assert "Continue 2 runs, 1 of them from the first undone step" in result.err
    assert cli(*command, *runs, "-y").code == 0


def test_cancel_has_an_undo_option(cli, stage):
    """--undo also of a failed run, --keep of one whose automation would undo."""
    failed, stopped_run = stage.begin(TRIP), stopped(stage)
    do(stage, outcome(failed, 1, "book", undo="m:f"), fail(failed))
    assert cli("runs", "cancel", failed.id).code == 8
    assert cli("runs", "cancel", failed.id, "--undo").code == 0
    assert (view(stage, failed.id).state, view(stage, failed.id).undoing) == (RunState.QUEUED, True)
    assert cli("runs", "cancel", "--state", "needs_attention", "--keep", "-y").code == 0
    assert view(stage, stopped_run).state is RunState.CANCELLED


def test_explain_reports_a_running_undo(cli, stage):
    """Queued, halted by a failed undo, and over."""
    run = stopped(stage)
    assert f"mainspring runs cancel {run} --undo" in cli("explain", run).out
    cli("runs", "cancel", run)
    answer = cli("explain", run).out
    assert "its steps are undone" in answer
    assert f"mainspring runs cancel {run} --keep" in answer
    again = stage.claim()
    failed = {"state": OutcomeState.FAILED, "output": None, "failure": BOOM}
    do(stage, outcome(again, 2, "undo:book", **UNDO, **failed), halt(again, "undo:book", FailureReason.UNDO_FAILED))
    answer = cli("explain", run).out
    for line in (f"runs retry {run}", f"runs give-result {run} null", f"runs cancel {run} --keep"):
        assert line in answer
    assert "--from-step undo" not in answer
    cli("runs", "give-result", run, "null")
    again = stage.claim()
    do(stage, outcome(again, 3, "undo:book", **UNDO), finish(again, RunState.CANCELLED, rank=3))
    assert "Undone steps: book." in cli("explain", run).out


def test_explain_lists_undone_steps_and_the_effect_of_a_retry(cli, stage):
    """A failed run that was rolled back."""
    run = rolled_back(stage)
    answer = cli("explain", run).out
    assert "Undone steps: book." in answer
    assert "run it again, under new keys, from the first undone step: book" in answer
    assert "--undo" not in answer


def test_steps_are_listed_with_the_keys_that_they_were_given(cli, stage):
    """By show, watch and explain, and in what was undone; a command names the one step that it means."""
    run = stage.begin(TRIP)
    named = {"name": "book", "undo": "m:f"}
    do(stage, outcome(run, 1, "book[a]", **named), outcome(run, 2, "book[b]", **named), outcome(run, 3, "look"))
    do(stage, outcome(run, 4, "undo:book[b]", **UNDO, requested_after=3), fail(run, reason=FailureReason.ROLLED_BACK))
    details, watched = cli("runs", "show", run.id).out, cli("runs", "watch", run.id).out
    assert "✓ book[a]" in details
    assert "✓ book[b]" in details
    assert "  book[a] succeeded" in watched
    assert "  look succeeded" in watched
    explained = cli("explain", run.id).out
    assert "Undone steps: book[b]." in explained
    assert f"mainspring runs retry {run.id} --from-step 'book[a]'" in explained
    assert "book[b] (was undone)" in cli("runs", "retry", run.id, "--from-step", "book[b]").err
