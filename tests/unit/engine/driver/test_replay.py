"""Verdicts of replays: histories written by hand, against workflows declared here."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import mainspring as ms
from mainspring.domain.failures.classifier import classify
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.runs.journal import History, Outcome, OutcomeKind
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.driver.replay import ReplayResult, ReplayVerdict, SavedRun, replay_run
from mainspring.store.commands.runs import ClaimedRun

RUN = ClaimedRun(
    *("r_1", "work", "workflow", 1, 1, False, 0, 0, 1_000, 1_000, None, "json", b'{"number":7}', "default", 0, None),
    *(None, None, None, None, None, 0, None),
)
BOOM = Failure(type="ValueError", code="boom", message="boom", kind=FailureKind.PERMANENT)
called: list[str] = []


async def charge(amount: int) -> int:
    called.append("charge")
    return amount


def saved_step(rank: int, ident: str, input: bytes, output: bytes | None, **more: Any) -> Outcome:
    state = OutcomeState.FAILED if "failure" in more else OutcomeState.SUCCEEDED
    name = ident.partition("#")[0]
    return Outcome(rank, ident, name, OutcomeKind.STEP, state, rank, 1, 0, 1_000, 1_000, 1, input, output, **more)


def stop(kind: OutcomeKind, rank: int) -> Outcome:
    return Outcome(rank, f"{kind}#{rank}", str(kind), kind, OutcomeState.SUCCEEDED, 0, 0, 0, 1_000, 1_000, 0)


CHARGED = saved_step(1, "charge#1", b'{"amount":7}', b"7")
FAILED = saved_step(1, "charge#1", b'{"amount":7}', None, failure=BOOM)


def replay(
    body: Callable[..., Any], *outcomes: Outcome, state: RunState = RunState.WAITING, **more: Any
) -> ReplayResult:
    """Return the verdict about a run with these outcomes on a workflow with this body."""
    called.clear()
    with Registry() as registry:
        ms.workflow(name="work")(body)
    values: dict[str, Any] = {"reason": None, "result": None, "failure": None, "run": RUN, **more}
    saved = SavedRun(state=state, history=History(list(outcomes), [], {}, [], []), **values)
    result = replay_run(saved, registry, lambda error: Failure.of(error, classify(error)))
    assert called == [], "a step was started"
    return result


async def charge_and_wait(run: ms.Run, number: int) -> str:
    await run.step(charge, number)
    await run.receive("go")
    return "done"


async def charge_and_end(run: ms.Run, number: int) -> int:
    return await run.step(charge, number)


async def charge_more(run: ms.Run, number: int) -> int:
    return await run.step(charge, number + 1)


async def charge_twice(run: ms.Run, number: int) -> int:
    return await run.step(charge, number) + await run.step(charge, 0)


async def fail_after_charge(run: ms.Run, number: int) -> int:
    await run.step(charge, number)
    raise KeyError("b")


async def handle_failure(run: ms.Run, number: int) -> int:
    try:
        return await run.step(charge, number)
    except ms.StepFailed:
        return -1


def test_replay_of_an_unfinished_run_stops_behind_its_history() -> None:
    """It uses all saved outcomes and waits; one that never started waits at its first step."""
    assert replay(charge_and_wait, CHARGED).verdict is ReplayVerdict.SAME
    assert replay(charge_and_wait, state=RunState.QUEUED).verdict is ReplayVerdict.SAME


def test_replay_finds_the_drift_that_a_worker_would_find() -> None:
    """With the step, the differences and the commands that the run would show."""
    result = replay(charge_more, CHARGED)
    assert (result.verdict, result.ident) == (ReplayVerdict.DRIFT, "charge#1")
    assert result.changes == [{"path": "$.amount", "was": "7", "now": "8"}]
    assert "--accept" in (result.hint or "")


def test_replay_compares_the_end_of_a_finished_run() -> None:
    """The same result is the same end; another result has its differences; a further step continues the run."""
    ended: dict[str, Any] = {"state": RunState.SUCCEEDED, "result": b"7"}
    assert replay(charge_and_end, CHARGED, **ended).verdict is ReplayVerdict.SAME
    other = replay(charge_and_end, CHARGED, state=RunState.SUCCEEDED, result=b"8")
    assert (other.verdict, other.changes) == (ReplayVerdict.OTHER_END, [{"path": "$", "was": "8", "now": "7"}])
    further = replay(charge_twice, CHARGED, **ended)
    assert (further.verdict, further.ident) == (ReplayVerdict.CONTINUES, "charge#2")
    failing = replay(fail_after_charge, CHARGED, **ended)
    assert failing.verdict is ReplayVerdict.OTHER_END
    assert "the stored run succeeded, and the code failed: KeyError: 'b'" in failing.text


def test_replay_compares_the_end_of_a_failed_run() -> None:
    """Type, code and message of the failure count; code that handles the failure now ends otherwise."""
    ended: dict[str, Any] = {"state": RunState.FAILED, "reason": FailureReason.PERMANENT_ERROR, "failure": BOOM}
    assert replay(charge_and_end, FAILED, **ended).verdict is ReplayVerdict.SAME
    assert replay(handle_failure, FAILED, **ended).verdict is ReplayVerdict.OTHER_END
    moved = msgspec.structs.replace(BOOM, frames=["elsewhere.py:1 charge"])
    assert replay(charge_and_end, FAILED, **{**ended, "failure": moved}).verdict is ReplayVerdict.SAME


@pytest.mark.parametrize(
    ("state", "reason"),
    [(RunState.CANCELLED, None), (RunState.FAILED, FailureReason.DISCARDED), (RunState.SUCCEEDED, None)],
)
def test_replay_expects_no_end_of_a_run_that_others_ended(state: RunState, reason: FailureReason | None) -> None:
    """Its code did not end it: cancelled before it read the cancel, discarded, declared done without a result."""
    assert replay(charge_and_wait, CHARGED, state=state, reason=reason).verdict is ReplayVerdict.SAME


def test_replay_repeats_a_cancel() -> None:
    """A cancel that the run received is one of its outcomes."""
    cancelled: dict[str, Any] = {"state": RunState.CANCELLED}
    assert replay(charge_and_wait, CHARGED, stop(OutcomeKind.CANCEL, 2), **cancelled).verdict is ReplayVerdict.SAME


def test_replay_reports_an_error_of_the_code_in_an_unfinished_run() -> None:
    """A saved failure of a step is no error of the code."""
    result = replay(fail_after_charge, CHARGED)
    assert result.verdict is ReplayVerdict.OTHER_END
    assert "the run is waiting, and the code fails: KeyError" in result.text
    assert replay(charge_and_end, FAILED, state=RunState.RUNNING).verdict is ReplayVerdict.SAME


def test_replay_reports_a_run_that_the_code_cannot_load() -> None:
    """An input that does not fit, and an automation that is missing, would halt the run."""
    unfit = msgspec.structs.replace(RUN, input=b'{"number":"seven"}')
    assert replay(charge_and_end, run=unfit).verdict is ReplayVerdict.HALTS
    missing = msgspec.structs.replace(RUN, automation="other")
    assert replay(charge_and_end, run=missing).verdict is ReplayVerdict.HALTS


def test_replay_compares_restarts() -> None:
    """A run that restarted must restart; that is no result."""

    async def restart(run: ms.Run, number: int) -> None:
        run.restart(number + 1)

    ended: dict[str, Any] = {"state": RunState.SUCCEEDED, "has_restarted": True}
    assert replay(restart, **ended).verdict is ReplayVerdict.SAME
    assert replay(charge_and_end, CHARGED, **ended).verdict is ReplayVerdict.OTHER_END


def test_saved_run_takes_the_current_name_of_its_automation() -> None:
    """A name in was= is that of the automation now."""
    saved = SavedRun(RUN, RunState.WAITING, None, None, None, History([], [], {}, [], []))
    assert saved.rename({"work": "job"}).run.automation == "job"
    assert saved.rename({"other": "job"}) is saved
