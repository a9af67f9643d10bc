"""Replays of journals for tests: what a worker does not stop for, on histories written by hand."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import mainspring as ms
from mainspring.domain.failures.classifier import classify
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import History, Outcome, OutcomeKind
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.driver.journal_replay import JournalReplay, ReplayOutcome, replay_journal
from mainspring.engine.driver.replay import SavedRun
from tests.unit.engine.driver.test_replay import BOOM, CHARGED, FAILED, RUN, saved_step


async def charge(amount: int) -> int:
    raise AssertionError("a replay starts no step")


def replay(
    body: Callable[..., Any], *outcomes: Outcome, state: RunState = RunState.WAITING, **more: Any
) -> JournalReplay:
    """Return the replay of a run with these outcomes on a workflow with this body."""
    options = more.pop("options", {})
    children = more.pop("children", [])
    with Registry() as registry:
        ms.workflow(name="work", **options)(body)
    values: dict[str, Any] = {"reason": None, "result": None, "failure": None, "run": RUN, **more}
    history = History(list(outcomes), [], {}, [], [], children=children)
    saved = SavedRun(state=state, history=history, **values)
    return replay_journal(saved, registry, lambda error: Failure.of(error, classify(error)))


async def charge_and_wait(run: ms.Run, number: int) -> str:
    await run.step(charge, number)
    await run.receive("go")
    return "done"


async def only_wait(run: ms.Run, number: int) -> None:
    await run.receive("go")


async def handle_failure(run: ms.Run, number: int) -> int:
    try:
        return await run.step(charge, number + 1)
    except ms.StepFailed:
        await run.receive("go")
        return -1


def test_requests_have_the_lines_of_their_calls() -> None:
    """Those of the history, and the one at which the run waits."""
    result = replay(charge_and_wait, CHARGED)
    assert (result.differences, result.end) == ([], "waits for signal 'go' (go#1), timer 'timer' (go#1!within)")
    step, signal, *_ = result.requests
    line = charge_and_wait.__code__.co_firstlineno + 1
    assert (step.ident, step.input) == ("charge#1", '{"amount":7}')
    assert step.place.endswith(f"test_journal_replay.py:{line} in charge_and_wait")
    assert signal.place.endswith(f":{line + 1} in charge_and_wait")


def test_input_of_a_failed_step_is_compared() -> None:
    """A worker does not stop for it: the step is tried again after a retry."""
    (difference,) = replay(handle_failure, FAILED).differences
    assert (difference.outcome, difference.step) == (ReplayOutcome.CHANGED_INPUT, "charge#1")
    assert difference.changes == [{"path": "$.amount", "was": "7", "now": "8"}]


def test_removed_step_is_missing_unless_it_is_declared() -> None:
    """In an unfinished run the text names what the code waits for; `gone=` declares the removal."""
    (difference,) = replay(only_wait, CHARGED).differences
    assert (difference.outcome, difference.step) == (ReplayOutcome.MISSING_STEP, "charge#1")
    assert "it waits for signal 'go'" in difference.text
    assert replay(only_wait, CHARGED, options={"gone": ["charge"]}).differences == []


def test_child_under_way_that_is_not_requested_is_missing() -> None:
    """It has no outcome yet."""
    (difference,) = replay(charge_and_wait, CHARGED, children=["ship#1"]).differences
    assert (difference.outcome, difference.step) == (ReplayOutcome.MISSING_STEP, "ship#1")
    assert "has started and not ended" in difference.text


@pytest.mark.parametrize(("folder", "number", "is_same"), [("/srv/2", 7, True), ("/srv/2", 8, False)])
def test_spread_step_may_be_in_the_folder_of_another_release(folder: str, number: int, is_same: bool) -> None:
    """Its function is named with its file; the arguments are compared."""

    async def spread(run: ms.Run, number: int) -> None:
        await run.options(queue="other").step(charge, number)

    call = {"function": f"mainspring_file_x@{folder}/x.py:charge", "call": {"amount": number}, "timeout_s": None}
    data = msgspec.json.encode({**call, "isolate": None, "delivery": "at_least_once"})
    outcome = Outcome(
        *(1, "charge#1", "charge", OutcomeKind.CHILD, OutcomeState.SUCCEEDED, 1, 1, 0, 1_000, 1_000, 1, data, b"7")
    )
    differences = replay(spread, outcome).differences
    assert [difference.outcome for difference in differences] == ([] if is_same else [ReplayOutcome.CHANGED_INPUT])


def test_error_of_the_code_has_its_line_and_explains_missing_steps() -> None:
    """The error is first: the code does not reach the saved step."""

    async def fail(run: ms.Run, number: int) -> int:
        return {"a": 1}["b"]

    result = replay(fail, CHARGED, state=RunState.SUCCEEDED, result=b"7")
    assert [difference.outcome for difference in result.differences] == [
        ReplayOutcome.DIFFERENT_RESULT,
        ReplayOutcome.MISSING_STEP,
    ]
    assert f":{fail.__code__.co_firstlineno + 1} in " in result.differences[0].place


def test_restart_with_another_input_is_found() -> None:
    """The input of the next run is compared, if that run is still there."""

    async def restart(run: ms.Run, number: int) -> None:
        run.restart(number + 1)

    ended: dict[str, Any] = {"state": RunState.SUCCEEDED, "has_restarted": True}
    assert replay(restart, **ended).differences == []
    assert replay(restart, **ended, restart_input=b'{"number":8}').differences == []
    (difference,) = replay(restart, **ended, restart_input=b'{"number":9}').differences
    assert (difference.outcome, difference.text) == (
        ReplayOutcome.DIFFERENT_RESULT,
        "the code restarts with another input",
    )


def test_run_that_stopped_for_its_code_stops_again() -> None:
    """Unchanged code is the same, also if it continued after its cancel."""

    async def unstoppable(run: ms.Run, number: int) -> None:
        while True:
            try:
                await run.step(charge, number)
            except BaseException:
                continue

    cancel = Outcome(2, "cancel#2", "cancel", OutcomeKind.CANCEL, OutcomeState.SUCCEEDED, 0, 0, 0, 1_000, 1_000, 0)
    end = Outcome(
        *(3, "cleanup_timeout#3", "cleanup_timeout", OutcomeKind.CLEANUP_TIMEOUT, OutcomeState.SUCCEEDED, 0, 0, 0),
        *(1_000, 1_000, 0),
    )
    saved: dict[str, Any] = {"state": RunState.NEEDS_ATTENTION, "reason": FailureReason.BODY_ERROR, "failure": BOOM}
    charged = [saved_step(1, "charge#1", b'{"amount":7}', b"7")]
    result = replay(unstoppable, *charged, cancel, end, **saved)
    assert (result.differences, result.end) == ([], "stops: body_error")


def test_run_that_cannot_be_built_has_a_reason() -> None:
    """An automation that is not there, and an input that today's type cannot read."""
    missing = msgspec.structs.replace(RUN, automation="other")
    assert replay(charge_and_wait, run=missing).differences[0].outcome is ReplayOutcome.NOT_REPLAYED
    unfit = msgspec.structs.replace(RUN, input=b'{"number":"seven"}')
    assert replay(charge_and_wait, run=unfit).differences[0].outcome is ReplayOutcome.UNREADABLE_VALUE
