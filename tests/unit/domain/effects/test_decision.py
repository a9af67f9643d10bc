"""The decision on a call of a key: a table of cases, and what holds for all of them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mainspring.domain.effects.decision import EffectDecision, decide, settled_instant
from mainspring.domain.effects.effect import DECIDED_BY_PARTS, EffectCall, EffectHolder, EffectRecord, Recovery
from mainspring.domain.states import EFFECT_MOVES, EffectMove, EffectState

NOW = 1_000_000
HOUR = 3_600_000
ME, OTHER = 1, 2
D, R, S = EffectDecision, Recovery, EffectState
OWN = EffectHolder("r/s (attempt 1)", "r/s#1", "a", "r", "s", "k0", 1)
PROGRAM = EffectHolder("job.py (pid 7)", "7#1")
PERFORMING = {D.BEGIN, D.REPEAT, D.CHECK}


def row(state: EffectState = S.DONE, holder: EffectHolder = OWN, **changes: Any) -> EffectRecord:
    settled_at = None if state is S.PENDING else NOW - HOUR
    values: dict[str, Any] = {
        "key": "k", "id": "e1", "state": state, "intent": 1, "started_at": NOW - HOUR, "settled_at": settled_at, "within_ms": None,
        "recovery": R.PERSON, "identity_hash": "same", "identity": b"1", "result": None, "refused": None, "note": None,
        "decided_by": None, "owner": holder.owner, "call_id": holder.call_id, "automation": holder.automation, "session": OTHER,
        "run": holder.run, "ident": holder.ident, "step_key": holder.step_key, "attempt": holder.attempt,
    }  # fmt: skip
    return EffectRecord(**(values | changes))


def call(holder: EffectHolder = PROGRAM, **changes: Any) -> EffectCall:
    values: dict[str, Any] = {"key": "k", "holder": holder, "identity_hash": "same", "identity": b"1"}
    return EffectCall(**(values | changes))


def decision(
    effect: EffectRecord | None, request: EffectCall, *, live: bool = False, hold: bool = False, session: int = ME
) -> EffectDecision:
    return decide(effect, request, session=session, now=NOW, is_holder_live=live, is_on_hold=hold)


LATER = replace(OWN, owner="r/s (attempt 2)", call_id="r/s#2", attempt=2)
NEXT_GENERATION = replace(OWN, call_id="r/s#9", step_key="k1")
CASES: dict[str, tuple[EffectRecord | None, EffectCall, dict[str, Any], EffectDecision]] = {
    "new": (None, call(), {}, D.BEGIN),
    "new, restored": (None, call(), {"hold": True}, D.DOUBT),
    "new, restored, keyed": (None, call(recovery=R.KEYED), {"hold": True}, D.DOUBT),
    "new part, restored": (None, call(recovery=R.KEYED, is_part=True), {"hold": True}, D.BEGIN),
    "new part, restored, check": (None, call(recovery=R.CHECK, is_part=True), {"hold": True}, D.CHECK),
    "new, restored, check": (None, call(recovery=R.CHECK), {"hold": True}, D.CHECK),
    "done": (row(), call(), {}, D.SKIP),
    "done, restored": (row(), call(), {"hold": True}, D.SKIP),
    "done, other identity": (row(), call(identity_hash="other"), {}, D.CONFLICT),
    "done, in the window": (row(), call(within_ms=HOUR + 1), {}, D.SKIP),
    "done, in the window, other identity": (row(), call(within_ms=HOUR + 1, identity_hash="other"), {}, D.SUPPRESS),
    "done, in the window, must match": (
        row(), call(within_ms=HOUR + 1, identity_hash="other", must_match=True), {}, D.CONFLICT,
    ),
    "done, window over": (row(), call(within_ms=HOUR), {}, D.BEGIN),
    "done, window over, other identity": (row(), call(within_ms=HOUR, identity_hash="x", must_match=True), {}, D.BEGIN),
    "done, window over, restored": (row(), call(within_ms=HOUR), {"hold": True}, D.DOUBT),
    "done, window over, restored, check": (row(), call(within_ms=HOUR, recovery=R.CHECK), {"hold": True}, D.CHECK),
    "done, window over, retry of the step": (row(), call(LATER, within_ms=HOUR), {}, D.SKIP),
    "done, window over, next generation": (row(), call(NEXT_GENERATION, within_ms=HOUR), {}, D.SKIP),
    "done, window over, the same attempt": (row(), call(OWN, within_ms=HOUR), {}, D.BEGIN),
    "done in the future": (row(settled_at=NOW + HOUR), call(within_ms=1), {}, D.SKIP),
    "held by another session": (row(S.PENDING), call(), {"live": True}, D.WAIT),
    "held, restored": (row(S.PENDING), call(), {"live": True, "hold": True}, D.WAIT),
    "held, other identity": (row(S.PENDING), call(identity_hash="other"), {"live": True}, D.WAIT),
    "held, window over": (row(S.PENDING), call(within_ms=1), {"live": True}, D.WAIT),
    "held by this very call": (row(S.PENDING, session=ME), call(OWN), {"live": True}, D.CONTINUE),
    "held by a call of that name elsewhere": (row(S.PENDING), call(OWN), {"live": True}, D.WAIT),
    "held by this attempt": (row(S.PENDING, session=ME), call(replace(OWN, call_id="r/s#5")), {"live": True}, D.NESTED),
    "held by another attempt of this session": (
        row(S.PENDING, session=ME), call(replace(OWN, run="r2", call_id="r2/s#1")), {"live": True}, D.WAIT,
    ),
    "held by another call of this program": (
        row(S.PENDING, PROGRAM, session=ME), call(replace(PROGRAM, call_id="7#2")), {"live": True}, D.WAIT,
    ),
    "held by an earlier attempt": (row(S.PENDING, session=ME), call(LATER), {"live": True}, D.DOUBT),
    "held by an earlier attempt, check": (row(S.PENDING), call(LATER, recovery=R.CHECK), {"live": True}, D.CHECK),
    "held by an earlier generation": (row(S.PENDING, recovery=R.KEYED), call(NEXT_GENERATION, recovery=R.KEYED),
                                      {"live": True}, D.REPEAT),
    "held by a later attempt": (row(S.PENDING, LATER), call(OWN), {"live": True}, D.WAIT),
    "holder dead": (row(S.PENDING), call(), {}, D.DOUBT),
    "holder dead, check": (row(S.PENDING), call(recovery=R.CHECK), {}, D.CHECK),
    "holder dead, keyed": (row(S.PENDING, recovery=R.KEYED), call(recovery=R.KEYED), {}, D.REPEAT),
    "holder dead, keyed only now": (row(S.PENDING), call(recovery=R.KEYED), {}, D.DOUBT),
    "unknown": (row(S.UNKNOWN, recovery=R.KEYED), call(), {}, D.DOUBT),
    "unknown, keyed": (row(S.UNKNOWN, recovery=R.KEYED), call(recovery=R.KEYED), {}, D.REPEAT),
    "unknown, keyed only now": (row(S.UNKNOWN, recovery=R.CHECK), call(recovery=R.KEYED), {}, D.DOUBT),
    "unknown, check": (row(S.UNKNOWN, recovery=R.KEYED), call(recovery=R.CHECK), {}, D.CHECK),
    "unknown, other identity": (row(S.UNKNOWN), call(identity_hash="other", recovery=R.CHECK), {}, D.CONFLICT),
    "unknown, in the window, other identity": (
        row(S.UNKNOWN), call(within_ms=HOUR + 1, identity_hash="other", recovery=R.CHECK), {}, D.DOUBT,
    ),
    "unknown, in the window, other identity, keyed": (
        row(S.UNKNOWN, recovery=R.KEYED), call(within_ms=HOUR + 1, identity_hash="other", recovery=R.KEYED), {}, D.DOUBT,
    ),
    "unknown, in the window, must match": (
        row(S.UNKNOWN), call(within_ms=HOUR + 1, identity_hash="other", recovery=R.CHECK, must_match=True), {}, D.CONFLICT,
    ),
    "unknown, window over": (row(S.UNKNOWN, within_ms=1), call(within_ms=HOUR), {}, D.BEGIN),
    "unknown, window of the call over": (row(S.UNKNOWN, within_ms=HOUR + 1), call(within_ms=1), {}, D.DOUBT),
    "unknown, without a window": (row(S.UNKNOWN), call(within_ms=1), {}, D.DOUBT),
    "unknown, window over, restored": (row(S.UNKNOWN, within_ms=1), call(within_ms=HOUR), {"hold": True}, D.DOUBT),
    "unknown, window over, retry of the step": (
        row(S.UNKNOWN, recovery=R.KEYED), call(LATER, within_ms=HOUR, recovery=R.KEYED), {}, D.REPEAT,
    ),
    "permitted by a person": (row(S.UNKNOWN, decided_by="ann"), call(), {}, D.REPEAT),
    "permitted by a person, other identity": (row(S.UNKNOWN, decided_by="ann"), call(identity_hash="x"), {}, D.CONFLICT),
    "permitted by a person, in the window, other identity": (
        row(S.UNKNOWN, decided_by="ann"), call(identity_hash="x", within_ms=2 * HOUR), {}, D.BEGIN,
    ),
    "parts on record": (row(S.UNKNOWN, decided_by=DECIDED_BY_PARTS), call(), {}, D.REPEAT),
    "parts on record, in the window, other identity": (
        row(S.UNKNOWN, decided_by=DECIDED_BY_PARTS), call(identity_hash="x", within_ms=2 * HOUR), {}, D.DOUBT,
    ),
    "in doubt": (row(S.IN_DOUBT), call(), {}, D.DOUBT),
    "in doubt, keyed": (row(S.IN_DOUBT, recovery=R.KEYED), call(recovery=R.KEYED), {}, D.DOUBT),
    "disputed, check": (row(S.IN_DOUBT, disputed=1), call(recovery=R.CHECK), {}, D.DOUBT),
    "disputed, window over": (row(S.IN_DOUBT, disputed=1, within_ms=1), call(within_ms=HOUR), {}, D.BEGIN),
    "in doubt, check": (row(S.IN_DOUBT), call(recovery=R.CHECK), {}, D.CHECK),
    "in doubt, window over": (row(S.IN_DOUBT, within_ms=1), call(within_ms=HOUR), {}, D.BEGIN),
    "in doubt, without a window": (row(S.IN_DOUBT), call(within_ms=HOUR), {}, D.DOUBT),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_decision_on(case: tuple[EffectRecord | None, EffectCall, dict[str, Any], EffectDecision]) -> None:
    """Each case of the table has its decision."""
    effect, request, options, expected = case
    assert decision(effect, request, **options) is expected


def test_each_decision_has_a_case() -> None:
    """No decision is left without an example."""
    assert {expected for *_, expected in CASES.values()} == set(EffectDecision)


def test_each_state_of_an_effect_is_reached_and_left() -> None:
    """Of the table of moves: each state follows from a move, and from each one a new effect may begin."""
    assert {target for _, target in EFFECT_MOVES.values()} == set(EffectState)
    assert EFFECT_MOVES[EffectMove.BEGIN][0] == set(EffectState)


HOLDERS = [OWN, LATER, NEXT_GENERATION, PROGRAM, replace(PROGRAM, call_id="7#2"), replace(OWN, run="r2", owner="r2")]
SPANS = st.one_of(st.none(), st.integers(1, 2 * HOUR))
INSTANTS = st.integers(NOW - 2 * HOUR, NOW + 2 * HOUR)


@st.composite
def rows(draw: st.DrawFn, *states: EffectState) -> EffectRecord:
    state = draw(st.sampled_from(states or tuple(EffectState)))
    return row(
        state,
        draw(st.sampled_from(HOLDERS)),
        settled_at=None if state is S.PENDING else draw(INSTANTS),
        started_at=draw(INSTANTS),
        within_ms=draw(SPANS),
        recovery=draw(st.sampled_from(Recovery)),
        session=draw(st.sampled_from([ME, OTHER])),
    )


CALLS = st.builds(
    call,
    st.sampled_from(HOLDERS),
    identity_hash=st.sampled_from(["same", "other"]),
    within_ms=SPANS,
    recovery=st.sampled_from(Recovery),
    must_match=st.booleans(),
)
BOOLEANS = st.booleans()


def is_window_over(effect: EffectRecord, request: EffectCall) -> bool:
    if request.within_ms is None or effect.within_ms is None:
        return False
    return settled_instant(effect, NOW) + max(request.within_ms, effect.within_ms) <= NOW


@settings(max_examples=500)
@given(rows(S.PENDING, S.UNKNOWN, S.IN_DOUBT), CALLS, BOOLEANS, BOOLEANS)
def test_effect_of_unknown_outcome_is_never_repeated_blindly(
    effect: EffectRecord, request: EffectCall, live: bool, hold: bool
) -> None:
    """Within its window it is performed only after the target was asked, or by a promise of both calls under the same key."""
    found = decision(effect, request, live=live, hold=hold)
    if found in PERFORMING and not is_window_over(effect, request):
        assert found is D.CHECK or (found is D.REPEAT and effect.recovery is request.recovery is R.KEYED)
        assert effect.identity_hash == request.identity_hash
    if found is D.REPEAT:
        assert effect.state is not S.IN_DOUBT


@given(rows(S.DONE), CALLS, BOOLEANS, BOOLEANS)
def test_effect_without_window_is_performed_at_most_once(
    effect: EffectRecord, request: EffectCall, live: bool, hold: bool
) -> None:
    """Once it is done, each call without `within` is skipped, or is an error if it means something else."""
    found = decision(effect, replace(request, within_ms=None), live=live, hold=hold)
    assert found is (D.SKIP if effect.identity_hash == request.identity_hash else D.CONFLICT)


@given(rows(S.DONE), CALLS, st.integers(0, 3 * HOUR), BOOLEANS)
def test_window_ends_in_time_whatever_was_skipped_meanwhile(
    effect: EffectRecord, request: EffectCall, after_ms: int, live: bool
) -> None:
    """A skip stores the instant of the outcome as it found it, so the window ends when it would have ended without the skip."""
    later = NOW + after_ms
    request = replace(request, holder=PROGRAM)
    skipped = replace(effect, settled_at=settled_instant(effect, NOW), skips=effect.skips + 1, skipped_at=NOW)
    found = [
        decide(seen, request, session=ME, now=later, is_holder_live=live, is_on_hold=False)
        for seen in (effect, skipped)
    ]
    if effect.settled_at is not None and effect.settled_at <= NOW:
        assert found[0] is found[1]
    elif request.within_ms is not None and after_ms >= request.within_ms:
        assert found[1] is D.BEGIN


@given(rows(S.PENDING), CALLS, BOOLEANS)
def test_live_holder_is_always_waited_for(effect: EffectRecord, request: EffectCall, hold: bool) -> None:
    """However long it works, and whatever the caller promises: only an earlier attempt of the caller's own step has ended."""
    holder = request.holder
    is_same_step = effect.run is not None and (effect.run, effect.ident) == (holder.run, holder.ident)
    found = decision(effect, request, live=True, hold=hold)
    if not is_same_step or (effect.step_key, effect.attempt) == (holder.step_key, holder.attempt):
        assert found in (D.WAIT, D.NESTED, D.CONTINUE)
    if found is D.CONTINUE:
        assert (effect.session, effect.call_id) == (ME, holder.call_id)


@given(rows(S.DONE, S.UNKNOWN, S.IN_DOUBT), CALLS)
def test_clock_that_was_put_back_starts_a_window_at_most_once_again(effect: EffectRecord, request: EffectCall) -> None:
    """An outcome in the future counts as one of now: it is not repeated at once, and its window is over after its length."""
    effect = replace(effect, settled_at=NOW + HOUR)
    request = replace(request, within_ms=request.within_ms or 1, holder=PROGRAM)
    assert decision(effect, request) is not D.BEGIN
    assert settled_instant(effect, NOW) == NOW


@given(st.one_of(st.none(), rows()), CALLS, BOOLEANS)
def test_nothing_new_begins_in_a_restored_store(effect: EffectRecord | None, request: EffectCall, live: bool) -> None:
    """What is not on record may have happened in the lost interval: no call begins a new effect."""
    assert decision(effect, request, live=live, hold=True) is not D.BEGIN
