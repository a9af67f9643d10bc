"""Calls of an effect that another holder has in doubt, on every store: the run that makes one is listed with the holder."""

from typing import Any

from mainspring.domain.effects.effect import CallOutcome
from mainspring.domain.failures.failure import Failure
from mainspring.domain.states import EffectState, FailureReason, RunState
from mainspring.store.commands.effects import ConfirmEffect
from mainspring.store.commands.results import DONE, Refused
from mainspring.store.commands.runs import ClaimedRun, GiveResult
from mainspring.store.read import effects
from mainspring.store.read.runs.run_views import run_history
from mainspring.store.views import BlockedCall
from tests.contract.store.process import halt, outcome
from tests.contract.store.test_effects import HOUR, KEY, begin, lost, refusal, state, step

BLOCKED = Failure("EffectInDoubtError", "effect_in_doubt", "?")


def stop(store: Any, run: ClaimedRun, ident: str = "s") -> None:
    """Stop a run at a step that is in doubt."""
    doubt = outcome(run, 1, ident, state="in_doubt", output=None, failure=BLOCKED)
    store.do(doubt, halt(run, ident, FailureReason.IN_DOUBT, rank=1))


def blocked(store: Any, **options: Any) -> tuple[ClaimedRun, ClaimedRun]:
    """Stop a run for a doubt of its own, and another run at its call of the same key."""
    holder, other = store.begin(), store.begin()
    lost(store, holder=step(holder.id), **options)
    stop(store, holder)
    answer = store.do(begin(step(other.id, ident="t"), **options))
    assert answer == Refused(
        "in_doubt", f"effect '{KEY}' of {holder.id}/s (attempt 1) may or may not have happened: TimeoutError"
    )
    stop(store, other, "t")
    return holder, other


def again(run: ClaimedRun, ident: str = "t") -> GiveResult:
    return GiveResult(run.id, ident, f"again {run.id}", again=True)


def test_blocked_call_is_listed_with_its_holder(store: Any) -> None:
    """The run that stopped for a doubt of its own has none."""
    holder, other = blocked(store)
    call = BlockedCall("t", KEY, f"{holder.id}/s (attempt 1)", "a", holder.id, RunState.NEEDS_ATTENTION, None)
    assert run_history(store.reader, other.id).blocked_calls == [call]
    assert run_history(store.reader, holder.id).blocked_calls == []
    (recorded,) = effects.list_calls_of_run(store.reader, other.id)
    assert (recorded.outcome, recorded.note) == (CallOutcome.BLOCKED, f"the effect of {call.owner} is in doubt")


def test_doubt_of_a_program_blocks_too(store: Any) -> None:
    """Then no run can be named."""
    lost(store)
    run = store.begin()
    assert refusal(store, begin(step(run.id))) == "in_doubt"
    stop(store, run)
    (call,) = run_history(store.reader, run.id).blocked_calls
    assert (call.owner, call.automation, call.run, call.run_state) == ("job.py of ann@box (pid 7)", None, None, None)


def test_blocked_step_does_not_run_again_before_the_doubt_is_settled(store: Any) -> None:
    """It would stop at once; the holder's decision frees it."""
    holder, other = blocked(store)
    answer = store.do(again(other))
    assert answer == Refused(
        "effect_in_doubt",
        f"step 't' of run {other.id} waits for a decision: effect '{KEY}' of {holder.id}/s (attempt 1) may or may not have happened",
    )
    assert store.state(other.id) == RunState.NEEDS_ATTENTION
    assert store.do(again(holder, "s")) == DONE
    assert store.do(again(other)) == DONE


def test_confirmed_effect_frees_the_blocked_step(store: Any) -> None:
    """A decision on the key alone is one too."""
    _, other = blocked(store)
    assert store.do(ConfirmEffect(KEY, None, "ann", None)) == DONE
    assert run_history(store.reader, other.id).blocked_calls == []
    assert store.do(again(other)) == DONE


def test_blocked_step_runs_again_after_the_window_of_the_doubt(store: Any, clock: Any) -> None:
    """A call would perform a new effect then."""
    _, other = blocked(store, within_ms=HOUR)
    (call,) = run_history(store.reader, other.id).blocked_calls
    assert call.window_ends_at == clock.now() + HOUR
    assert refusal(store, again(other)) == "effect_in_doubt"
    clock.forward(HOUR)
    assert store.do(again(other)) == DONE


def test_result_of_a_blocked_step_settles_nothing_of_its_holder(store: Any) -> None:
    """A result for one run says nothing about the effect of another."""
    _, other = blocked(store)
    assert store.do(GiveResult(other.id, "t", "give", output=b"1")) == DONE
    assert effects.count_effects_in_doubt(store.reader) == 0  # the run of the holder asks for the decision
    assert state(store) == EffectState.IN_DOUBT


def test_doubt_that_the_step_went_past_does_not_block_it(store: Any) -> None:
    """Its code caught the error, and stopped for an effect of its own."""
    lost(store)
    run = store.begin()
    assert refusal(store, begin(step(run.id))) == "in_doubt"
    lost(store, key="own", holder=step(run.id, call="2"))
    stop(store, run)
    assert run_history(store.reader, run.id).blocked_calls == []
    assert store.do(again(run, "s")) == DONE
