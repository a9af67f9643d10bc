"""The ledger of effects on every store: one row for a key, an intent before each effect, and an outcome that counts for its intent only."""

import threading
from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from mainspring.domain.effects.effect import (
    DECIDED_BY_PARTS,
    CallOutcome,
    EffectCall,
    EffectHolder,
    EffectRecord,
    Recovery,
)
from mainspring.domain.errors import FencedError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.states import EffectState, RunState
from mainspring.store.commands.automations import SetMeta
from mainspring.store.commands.effects import (
    BeginEffect,
    ConfirmEffect,
    DisputeEffect,
    EffectConflict,
    EffectFound,
    EffectGranted,
    ForgetEffect,
    ListEarlierEffects,
    SettleEffect,
)
from mainspring.store.commands.results import DONE, Refused
from mainspring.store.commands.runs import ClaimedRun, GiveResult
from mainspring.store.commands.sessions import CloseSession, DeclareSessionDead, RecordHeartbeat
from mainspring.store.committer import Committer
from mainspring.store.read import effects
from mainspring.store.restore_hold import HOLD_KEY
from tests.contract.store.clock import SettableClock
from tests.contract.store.overlap import overlap
from tests.contract.store.process import Process, audited, finish, halt, outcome
from tests.contract.store.test_retention import prune

S, C, R = EffectState, CallOutcome, Recovery
HOUR = 3_600_000
KEY = "invoice:7"


def program(call: str = "1", name: str = "job.py of ann@box (pid 7)") -> EffectHolder:
    """A call by code outside of runs."""
    return EffectHolder(name, f"7#{call}")


def step(run: str = "r", attempt: int = 1, call: str = "1", step_key: str = "k0", ident: str = "s") -> EffectHolder:
    """A call by an attempt of a step."""
    owner = f"{run}/{ident} (attempt {attempt})"
    return EffectHolder(owner, f"{owner}#{call}", "a", run, ident, step_key, attempt)


def begin(
    holder: EffectHolder | None = None, *, key: str = KEY, identity: bytes = b"[7]", **options: Any
) -> BeginEffect:
    request = EffectCall(key, holder or program(Process.name("call")), identity.decode(), identity, **options)
    return BeginEffect(request, Process.name("e"))


def settle(
    granted: EffectGranted, result: CallOutcome = C.DONE, data: bytes | None = None, *, key: str = KEY, **options: Any
) -> SettleEffect:
    return SettleEffect(key, granted.id, granted.intent, result, data, **options)


def granted_to(process: Any, command: BeginEffect) -> EffectGranted:
    answer = process.do(command)
    assert isinstance(answer, EffectGranted), answer
    return answer


def row(process: Any, key: str = KEY) -> EffectRecord:
    found = effects.read_effect(process.reader, key)
    assert found is not None
    return found


def state(process: Any, key: str = KEY) -> EffectState | None:
    found = effects.read_effect(process.reader, key)
    return None if found is None else found.state


def calls(process: Any, run: str = "r") -> list[tuple[str, CallOutcome]]:
    return [(call.id, call.outcome) for call in effects.list_calls_of_run(process.reader, run)]


def refusal(process: Any, command: Any) -> str:
    answer = process.do(command)
    assert isinstance(answer, Refused), answer
    return answer.code


def done(process: Any, command: BeginEffect | None = None, result: bytes | None = b"1") -> EffectGranted:
    """Perform an effect."""
    command = command or begin()
    granted = granted_to(process, command)
    assert process.do(settle(granted, key=command.key, data=result)) == DONE
    return granted


def lost(process: Any, **options: Any) -> EffectGranted:
    """Begin an effect whose outcome stays unknown."""
    command = begin(**options)
    granted = granted_to(process, command)
    assert process.do(settle(granted, C.UNKNOWN, key=command.key, note="TimeoutError")) == DONE
    return granted


# -- one call after the other ----------------------------------------------------------------------------------------------


def test_effect_that_is_done_is_found_with_its_result(store: Any, second: Any, clock: Any) -> None:
    """The next call of the key, by any process, gets the result and the idempotency key on record."""
    first = granted_to(store, begin())
    assert (first.intent, first.must_check, row(store).state) == (1, False, S.PENDING)
    clock.forward(5)
    store.do(settle(first, data=b'{"n":7}'))
    clock.forward(5)
    found = second.do(begin())
    assert found == EffectFound(first.id, clock.now() - 5, b'{"n":7}', None, suppressed=False, owner=row(store).owner)
    saved = row(store)
    assert (saved.state, saved.started_at, saved.settled_at) == (S.DONE, clock.now() - 10, clock.now() - 5)
    assert (saved.skips, saved.suppressed, saved.skipped_at) == (1, 0, clock.now())


def test_result_that_could_not_be_saved_is_found_with_the_reason(store: Any) -> None:
    """The effect is done all the same."""
    store.do(settle(granted_to(store, begin()), refused="too large"))
    found = store.do(begin())
    assert (found.result, found.refused) == (None, "too large")


def test_released_effect_leaves_no_row_and_the_next_call_begins(store: Any) -> None:
    """It is proven that nothing happened: the key is as if it had never been used, except for the record of the run."""
    first = granted_to(store, begin(step()))
    store.do(settle(first, C.RELEASED, note="NotSent"))
    assert state(store) is None
    again = granted_to(store, begin(step(attempt=2)))
    assert again.id != first.id
    assert calls(store) == [(first.id, C.RELEASED)]


def test_other_identity_is_a_conflict_with_the_one_on_record(store: Any) -> None:
    """Without a window the key means one effect for all time, however it ended."""
    granted = done(store)
    answer = store.do(begin(identity=b"[8]"))
    assert answer == EffectConflict(b"[7]", "job.py of ann@box (pid 7)", row(store).settled_at or 0)
    assert (row(store).id, row(store).skips) == (granted.id, 0)
    lost(store, key="other", recovery=R.CHECK)
    assert isinstance(store.do(begin(key="other", identity=b"[8]", recovery=R.CHECK)), EffectConflict)


def test_release_of_an_effect_keeps_its_row_while_its_parts_are_on_record(store: Any) -> None:
    """The next call performs the rest under the same idempotency key; another release keeps it again."""
    first = granted_to(store, begin(step()))
    done(store, begin(step(), key=f"{first.id}/send#aa.1"))
    for attempt in (1, 2):
        assert store.do(settle(first, C.RELEASED, note="NotSent")) == DONE
        assert (state(store), row(store).decided_by, row(store).note) == (S.UNKNOWN, DECIDED_BY_PARTS, "NotSent")
        again = granted_to(store, begin(step(attempt=attempt + 1)))
        assert (again.id, again.intent, again.must_check) == (first.id, first.intent + 1, False)
        first = again
    assert calls(store).count((first.id, C.RELEASED)) == 2


def test_parts_on_record_are_not_performed_again_under_another_identity(store: Any) -> None:
    """An alert has another text each time: its parts were sent, so a person decides, and the parts stay."""
    first = granted_to(store, begin(within_ms=HOUR))
    part = f"{first.id}/send#aa.1"
    done(store, begin(key=part))
    store.do(settle(first, C.RELEASED, note="NotSent"))
    assert refusal(store, begin(identity=b"[8]", within_ms=HOUR)) == "in_doubt"
    assert (state(store), state(store, part)) == (S.IN_DOUBT, S.DONE)


@pytest.mark.parametrize("recovery", [R.PERSON, R.KEYED])
def test_release_of_an_effect_with_a_part_of_unknown_outcome_is_none(store: Any, recovery: Recovery) -> None:
    """Something may have happened."""
    first = granted_to(store, begin(recovery=recovery))
    done(store, begin(key=f"{first.id}/send#aa.1"))
    lost(store, key=f"{first.id}/send#bb.1", recovery=R.KEYED)
    assert store.do(settle(first, C.RELEASED)) == DONE
    assert (state(store), row(store).decided_by) == (S.IN_DOUBT if recovery is R.PERSON else S.UNKNOWN, None)


@pytest.mark.parametrize("end", ["done", "confirmed", "forgotten", "window"])
def test_parts_are_deleted_once_the_outer_effect_needs_them_no_more(store: Any, clock: Any, end: str) -> None:
    """It happened as a whole, or the next call is another effect. Parts of other effects stay."""
    first = granted_to(store, begin(within_ms=HOUR))
    part, other = f"{first.id}/send#aa.1", f"{first.id}0/send#aa.1"
    done(store, begin(key=part))
    done(store, begin(key=other))
    if end == "done":
        store.do(settle(first, has_parts=True))
    else:
        store.do(settle(first, C.UNKNOWN))
    if end == "confirmed":
        store.do(ConfirmEffect(KEY, None, "ann"))
    elif end == "forgotten":
        store.do(ForgetEffect(KEY))
    elif end == "window":
        clock.forward(HOUR)
        granted_to(store, begin(within_ms=HOUR))
    assert (state(store, part), state(store, other)) == (None, S.DONE)


def test_earlier_effects_of_a_prefix_are_listed(store: Any) -> None:
    """Those on record, and the keys of those that were released; no others."""
    done(store, begin(step(), key="r/k0/send#aa.1"))
    lost(store, holder=step(call="2"), key="r/k0/send#bb.1")
    released = granted_to(store, begin(step(call="3"), key="r/k0/send#cc.1"))
    store.do(settle(released, C.RELEASED, key="r/k0/send#cc.1"))
    for other in ("r/k1/send#aa.1", "r/k00/send#aa.1", "r/k"):
        done(store, begin(step(), key=other))
    found = store.do(ListEarlierEffects("r/k0/"))
    assert [(effect.key, effect.state) for effect in found.effects] == [
        ("r/k0/send#aa.1", S.DONE),
        ("r/k0/send#bb.1", S.IN_DOUBT),
    ]
    assert found.effects[0].call_id == "r/s (attempt 1)#1"
    assert found.released == ["r/k0/send#cc.1"]


@pytest.mark.parametrize("recovery", [R.PERSON, R.KEYED, R.CHECK])
def test_unknown_outcome_is_settled_as_its_call_has_it(store: Any, recovery: Recovery) -> None:
    """A person decides, the key is kept for the target, or the target is asked."""
    first = lost(store, recovery=recovery)
    if recovery is R.PERSON:
        assert state(store) is S.IN_DOUBT
        assert refusal(store, begin()) == "in_doubt"
        return
    assert state(store) is S.UNKNOWN
    again = granted_to(store, begin(recovery=recovery))
    assert again == EffectGranted(first.id, 2, must_check=recovery is R.CHECK)
    assert (row(store).state, row(store).repeats) == (S.PENDING, 1)


def test_call_without_recovery_makes_an_unknown_effect_a_question(store: Any) -> None:
    """It can neither ask nor repeat; from then on a person decides, or a call that asks the target."""
    lost(store, recovery=R.KEYED)
    assert refusal(store, begin()) == "in_doubt"
    assert state(store) is S.IN_DOUBT
    assert refusal(store, begin(recovery=R.KEYED)) == "in_doubt"
    assert granted_to(store, begin(recovery=R.CHECK)).must_check


def test_promise_of_a_later_call_does_not_cover_an_earlier_one(store: Any) -> None:
    """The first call did not say that it gives its key to the target, so the target may not know the key."""
    lost(store, recovery=R.CHECK)
    assert refusal(store, begin(recovery=R.KEYED)) == "in_doubt"


# -- intents ---------------------------------------------------------------------------------------------------------------


def test_late_outcome_settles_the_doubt_of_its_own_intent(store: Any) -> None:
    """It is evidence, whichever way it points."""
    first = lost(store)
    assert store.do(settle(first, data=b"1")) == DONE
    assert (state(store), row(store).result, row(store).note) == (S.DONE, b"1", None)
    other = lost(store, key="other")
    assert store.do(settle(other, C.RELEASED, key="other")) == DONE
    assert state(store, "other") is None
    third = lost(store, key="third")
    assert store.do(settle(third, C.UNKNOWN, key="third", note="again")) == DONE
    assert (state(store, "third"), row(store, "third").note) == (S.IN_DOUBT, "TimeoutError")


@pytest.mark.parametrize("late", [C.DONE, C.RELEASED, C.UNKNOWN])
def test_late_outcome_never_changes_a_newer_intent(store: Any, late: CallOutcome) -> None:
    """The attempt that was abandoned cannot overwrite what another one does now."""
    first = lost(store, recovery=R.KEYED)
    second = granted_to(store, begin(recovery=R.KEYED))
    assert refusal(store, settle(first, late)) == "not_held"
    assert (row(store).state, row(store).intent) == (S.PENDING, second.intent)


@pytest.mark.parametrize("late", [C.DONE, C.RELEASED, C.UNKNOWN])
def test_late_outcome_never_changes_the_next_effect_of_a_forgotten_key(store: Any, late: CallOutcome) -> None:
    """Intents are counted again from 1 after the row was deleted: the idempotency key tells the two effects apart."""
    first = lost(store)
    store.do(ForgetEffect(KEY))
    second = granted_to(store, begin())
    assert (first.intent, second.intent) == (1, 1)
    assert refusal(store, settle(first, late, data=b"old" if late is C.DONE else None)) == "not_held"
    assert (row(store).state, row(store).id, row(store).result) == (S.PENDING, second.id, None)


def test_late_outcome_never_changes_a_decision_of_a_person(store: Any) -> None:
    """Neither a confirmed effect nor a forgotten one."""
    first = lost(store)
    store.do(ConfirmEffect(KEY, b'"by hand"', "ann"))
    for late in (C.DONE, C.RELEASED, C.UNKNOWN):
        assert refusal(store, settle(first, late)) == "not_held"
    assert (row(store).result, row(store).decided_by) == (b'"by hand"', "ann")
    store.do(ForgetEffect(KEY))
    assert refusal(store, settle(first)) == "not_held"
    assert state(store) is None


@pytest.mark.parametrize("recovery", [R.KEYED, R.CHECK])
def test_released_repetition_proves_nothing_about_the_intents_before(store: Any, recovery: Recovery) -> None:
    """The first request may have arrived: the outcome stays unknown, and the idempotency key the same."""
    first = lost(store, recovery=recovery)
    again = granted_to(store, begin(recovery=recovery))
    assert store.do(settle(again, C.RELEASED, note="NotSent")) == DONE
    assert (state(store), row(store).id) == (S.UNKNOWN, first.id)
    assert granted_to(store, begin(recovery=recovery)).id == first.id


def test_late_release_of_a_repetition_proves_nothing_either(store: Any, second: Any) -> None:
    """Also if the session of its holder was declared dead meanwhile."""
    lost(store, recovery=R.CHECK)
    again = granted_to(store, begin(recovery=R.CHECK))
    second.do(DeclareSessionDead(store.session))
    assert second.do(settle(again, C.RELEASED)) == DONE
    assert state(second) is S.UNKNOWN


def test_repetition_after_a_check_releases(store: Any) -> None:
    """The target does not have the effect, and this intent has not sent it."""
    lost(store, recovery=R.CHECK)
    again = granted_to(store, begin(recovery=R.CHECK))
    assert store.do(settle(again, C.RELEASED, was_checked=True)) == DONE
    assert state(store) is None


# -- holders ---------------------------------------------------------------------------------------------------------------


def test_live_holder_is_waited_for_for_any_time(store: Any, second: Any, clock: Any) -> None:
    """There is no time limit, no window that ends the wait, and no identity that would be compared before."""
    granted = granted_to(store, begin(step(), within_ms=1))
    clock.forward(100 * HOUR)
    for request in (
        begin(),
        begin(within_ms=1),
        begin(recovery=R.CHECK),
        begin(recovery=R.KEYED),
        begin(identity=b"8"),
    ):
        assert refusal(second, request) == "held"
        assert refusal(store, request) == "held"
    assert refusal(second, ForgetEffect(KEY)) == "holder_live"
    assert refusal(second, ConfirmEffect(KEY, None, "ann")) == "holder_live"
    assert store.do(settle(granted)) == DONE


def test_attempt_that_calls_again_inside_of_its_effect_is_refused(store: Any) -> None:
    """It would wait for itself; another attempt of the same session waits."""
    granted_to(store, begin(step(call="1")))
    assert refusal(store, begin(step(call="2"))) == "nested"
    assert refusal(store, begin(step(run="r2"))) == "held"
    assert refusal(store, begin(step(ident="t"))) == "held"


def test_next_attempt_of_the_step_takes_its_effect_over(store: Any, second: Any) -> None:
    """Two attempts of one step never run at once: the earlier one has ended, and its outcome is unknown."""
    granted_to(store, begin(step(), recovery=R.CHECK))
    assert refusal(store, begin(step(attempt=2))) == "in_doubt"
    assert state(store) is S.IN_DOUBT
    again = granted_to(store, begin(step(attempt=2), recovery=R.CHECK))
    assert (again.intent, again.must_check) == (2, True)
    newest = granted_to(second, begin(step(attempt=1, step_key="k1"), recovery=R.CHECK))
    assert (newest.intent, row(second).session) == (3, second.session)


def test_attempt_that_was_abandoned_takes_nothing_from_the_next_one(store: Any, second: Any) -> None:
    """Its request may arrive late."""
    granted_to(second, begin(step(attempt=2), recovery=R.CHECK))
    assert refusal(store, begin(step(attempt=1), recovery=R.CHECK)) == "held"


@pytest.mark.parametrize("end", ["dead", "closed"])
def test_end_of_a_session_makes_its_pending_effects_unknown(store: Any, second: Any, clock: Any, end: str) -> None:
    """In the commit that ends it: those that only a person can settle are in doubt, and what is settled stays."""
    for recovery in R:
        granted_to(store, begin(key=recovery.value, recovery=recovery))
    done(store, begin(key="done"))
    granted_to(second, begin(key="theirs"))
    lost(store, key="before", recovery=R.KEYED)
    clock.forward(10)
    session = store.session
    if end == "dead":
        second.do(DeclareSessionDead(session))
    else:
        store.do(CloseSession())
    found = {effect.key: effect for effect in effects.list_effects(second.reader, effects.EffectFilter()).effects}
    expected = {"check": S.UNKNOWN, "keyed": S.UNKNOWN, "person": S.IN_DOUBT, "done": S.DONE, "theirs": S.PENDING}
    assert {key: effect.state for key, effect in found.items()} == expected | {"before": S.UNKNOWN}
    assert {found[key].settled_at for key in ("check", "keyed", "person")} == {clock.now()}
    assert found["before"].settled_at == clock.now() - 10
    assert effects.count_effects_in_doubt(second.reader) == 1


def test_effect_of_a_dead_session_is_decided_upon_though_it_is_pending(store: Any, second: Any) -> None:
    """A row that was written while its session was declared dead is no lock for ever."""
    second.do(DeclareSessionDead(store.session))
    granted = {recovery: granted_to(second, begin(key=recovery.value, recovery=recovery)) for recovery in R}
    second.tamper(f"update effects set session = {store.session}")
    assert refusal(second, begin(key="person")) == "in_doubt"
    assert state(second, "person") is S.IN_DOUBT
    for recovery in (R.KEYED, R.CHECK):
        again = granted_to(second, begin(key=recovery.value, recovery=recovery))
        assert again == EffectGranted(granted[recovery].id, 2, must_check=recovery is R.CHECK)
    second.tamper(f"update effects set session = {store.session} where state = 'pending'")
    assert second.do(ForgetEffect("keyed")) == DONE


def test_outcome_of_a_session_that_was_declared_dead_is_evidence(store: Any, second: Any) -> None:
    """It settles an open doubt of its own intent, and no decision; the session may write nothing else."""
    granted = {
        key: granted_to(store, begin(key=key, recovery=R.KEYED)) for key in ("open", "begun", "forgotten", "lost")
    }
    granted["decided"] = granted_to(store, begin(key="decided"))
    second.do(DeclareSessionDead(store.session))
    again = granted_to(second, begin(key="begun", recovery=R.KEYED))
    assert second.do(ForgetEffect("forgotten")) == DONE
    assert second.do(audited(ConfirmEffect("decided", b"2", "ann"))) == DONE
    outcomes = [settle(granted[key], key=key, data=b"1") for key in ("open", "begun", "forgotten", "decided")]
    errors: list[BaseException] = []
    committer = Committer(store.database, print, on_fatal=errors.append)
    for command in (*outcomes, settle(granted["lost"], C.UNKNOWN, key="lost"), begin(key="new")):
        committer.submit(command, print)
    committer.start()
    committer.stop()
    assert [type(error) for error in errors] == [FencedError]
    found = {effect.key: effect for effect in effects.list_effects(second.reader, effects.EffectFilter()).effects}
    states = {key: effect.state for key, effect in found.items()}
    assert states == {"open": S.DONE, "begun": S.PENDING, "decided": S.DONE, "lost": S.UNKNOWN}
    assert (found["open"].result, found["decided"].result) == (b"1", b"2")
    assert second.do(settle(again, key="begun", data=b"3")) == DONE


# -- people ----------------------------------------------------------------------------------------------------------------


def test_person_confirms_what_is_unknown_and_nothing_else(store: Any, clock: Any) -> None:
    """With a result and a reason; the effect counts as done from then on."""
    assert refusal(store, ConfirmEffect(KEY, None, "ann")) == "not_found"
    for key, recovery in ((KEY, R.PERSON), ("keyed", R.KEYED)):
        lost(store, key=key, recovery=recovery)
        clock.forward(5)
        assert store.do(audited(ConfirmEffect(key, b"2", "ann", "the bank has it"))) == DONE
        saved = row(store, key)
        assert (saved.state, saved.result, saved.note, saved.decided_by) == (S.DONE, b"2", "the bank has it", "ann")
        assert saved.settled_at == clock.now()
        assert store.do(begin(key=key)).result == b"2"
        assert refusal(store, ConfirmEffect(key, None, "bob")) == "not_in_doubt"


def test_effect_that_its_target_does_not_have_is_in_doubt(store: Any, clock: Any) -> None:
    """Only the one that was checked, and not against a person's decision; the next call waits for one, with check= too."""
    assert refusal(store, DisputeEffect(KEY, "e", 1, "gone")) == "not_found"
    granted = done(store)
    for other in (("other", granted.intent), (granted.id, granted.intent + 1)):
        assert refusal(store, DisputeEffect(KEY, *other, "gone")) == "not_done"
    clock.forward(5)
    assert store.do(audited(DisputeEffect(KEY, granted.id, granted.intent, "gone"))) == DONE
    saved = row(store, KEY)
    assert (saved.state, saved.note, saved.settled_at) == (S.IN_DOUBT, "gone", clock.now())
    for recovery in R:
        assert refusal(store, begin(recovery=recovery)) == "in_doubt"
    assert [doubt.key for doubt in effects.list_open_doubts(store.reader, 0)] == [KEY]
    store.do(ConfirmEffect(KEY, None, "ann"))
    assert refusal(store, DisputeEffect(KEY, granted.id, granted.intent, "gone")) == "not_done"
    confirmed = row(store, KEY)
    assert (confirmed.state, confirmed.result) == (S.DONE, b"1")


def test_person_confirms_with_another_result(store: Any, clock: Any) -> None:
    """That of the person counts; without one, that of the call stays."""
    granted = done(store)
    store.do(DisputeEffect(KEY, granted.id, granted.intent, "gone"), ConfirmEffect(KEY, b'"again"', "ann"))
    assert row(store, KEY).result == b'"again"'


def test_person_corrects_the_result_of_a_person(store: Any, clock: Any) -> None:
    """The window counts from the first decision; what a call has reported is not corrected."""
    lost(store)
    store.do(ConfirmEffect(KEY, None, "ann"))
    confirmed_at = clock.now()
    clock.forward(5)
    for _ in range(2):
        assert store.do(audited(ConfirmEffect(KEY, b"3", "bob", "the invoice has another number"))) == DONE
    saved = row(store, KEY)
    assert (saved.state, saved.result, saved.decided_by, saved.settled_at) == (S.DONE, b"3", "bob", confirmed_at)
    assert saved.note == "the invoice has another number"
    done(store, begin(key="reported"))
    assert refusal(store, ConfirmEffect("reported", b"3", "bob")) == "not_in_doubt"


def test_person_forgets_whatever_has_no_live_holder(store: Any, second: Any) -> None:
    """The next call performs the effect, under another idempotency key."""
    assert refusal(store, ForgetEffect(KEY)) == "not_found"
    first = done(store)
    assert store.do(audited(ForgetEffect(KEY))) == DONE
    assert granted_to(store, begin()).id != first.id
    assert refusal(second, ForgetEffect(KEY)) == "holder_live"
    store.do(CloseSession())
    assert second.do(ForgetEffect(KEY)) == DONE
    assert state(second) is None


def in_doubt(store: Any, *, recovery: Recovery = R.PERSON) -> tuple[ClaimedRun, EffectGranted, EffectGranted]:
    """Halt a run whose step s1 has an effect that only a person can settle, and one that `recovery` settles."""
    run = store.begin()
    holder = step(run.id, ident="s1")
    first = granted_to(store, begin(holder, key="doubted"))
    second = granted_to(store, begin(replace(holder, call_id="2"), key="other", recovery=recovery))
    store.do(settle(first, C.UNKNOWN, key="doubted"), settle(second, C.UNKNOWN, key="other"))
    lost(store, key="elsewhere")
    unsure = outcome(run, 1, "s1", state="in_doubt", output=None, failure=Failure("E", "effect_in_doubt", "?"))
    store.do(unsure, halt(run, "s1"))
    assert store.state(run.id) == RunState.NEEDS_ATTENTION
    return run, first, second


def test_result_of_a_person_for_the_step_confirms_its_doubts(store: Any) -> None:
    """The step happened, so its effects did; effects of others stay."""
    run, _, _ = in_doubt(store)
    assert store.do(GiveResult(run=run.id, ident="s1", command="give", output=b"1")) == DONE
    assert [state(store, key) for key in ("doubted", "other", "elsewhere")] == [S.DONE, S.DONE, S.IN_DOUBT]
    assert (row(store, "doubted").decided_by or "").startswith("the result given for r")


def test_repetition_of_the_step_by_a_person_permits_its_effects(store: Any) -> None:
    """The next attempt performs each under its idempotency key: if the person is wrong, the target can drop the duplicate."""
    run, first, second = in_doubt(store)
    assert store.do(GiveResult(run=run.id, ident="s1", command="again", again=True)) == DONE
    assert [state(store, key) for key in ("doubted", "other", "elsewhere")] == [S.UNKNOWN, S.UNKNOWN, S.IN_DOUBT]
    assert (row(store, "doubted").decided_by or "").startswith("the decision to run r")
    for late in (C.DONE, C.RELEASED, C.UNKNOWN):
        assert refusal(store, settle(first, late, key="doubted")) == "not_held"
    attempt = step(run.id, 2, ident="s1")
    assert granted_to(store, begin(attempt, key="doubted")) == EffectGranted(first.id, 2, must_check=False)
    again = granted_to(store, begin(replace(attempt, call_id="2"), key="other", recovery=R.CHECK))
    assert again == EffectGranted(second.id, 2, must_check=False)
    assert store.do(settle(again, C.RELEASED, key="other")) == DONE
    assert state(store, "other") is None


@pytest.mark.parametrize("recovery", [R.KEYED, R.CHECK])
def test_repetition_of_the_step_keeps_what_needs_no_person(store: Any, recovery: Recovery) -> None:
    """The person decided on the doubt; another effect of the step may have happened, and keeps its idempotency key."""
    run, _, other = in_doubt(store, recovery=recovery)
    store.do(GiveResult(run=run.id, ident="s1", command="again", again=True))
    assert [state(store, key) for key in ("doubted", "other")] == [S.UNKNOWN, S.UNKNOWN]
    assert row(store, "other").decided_by is None
    again = granted_to(store, begin(step(run.id, 2, ident="s1"), key="other", recovery=recovery))
    assert (again.id, again.must_check) == (other.id, recovery is R.CHECK)


def test_effect_that_a_person_has_decided_on_is_no_open_doubt(store: Any) -> None:
    """Even if its run then ends, and no step has performed it."""
    run, _, _ = in_doubt(store)
    store.do(GiveResult(run=run.id, ident="s1", command="again", again=True))
    store.do(finish(store.claim_one()))
    assert store.state(run.id) == RunState.SUCCEEDED
    assert [doubt.key for doubt in effects.list_open_doubts(store.reader, 2**60)] == ["elsewhere"]


def test_failure_that_a_person_gives_for_the_step_permits_its_effects(store: Any) -> None:
    """The step did not happen, so another run may perform them."""
    run, _, _ = in_doubt(store)
    store.do(GiveResult(run=run.id, ident="s1", command="fail", failure=Failure("E", "permanent", "no")))
    assert [state(store, key) for key in ("doubted", "other")] == [S.UNKNOWN, S.UNKNOWN]
    assert granted_to(store, begin(key="doubted")).intent == 2


# -- windows ---------------------------------------------------------------------------------------------------------------


def test_window_counts_from_the_outcome_and_no_skip_extends_it(store: Any, clock: Any) -> None:
    """An alert an hour, however often it is asked for."""
    granted = granted_to(store, begin(within_ms=HOUR))
    clock.forward(HOUR)
    store.do(settle(granted))
    for _ in range(3):
        clock.forward(HOUR // 4)
        assert isinstance(store.do(begin(within_ms=HOUR)), EffectFound)
    clock.forward(HOUR // 4 - 1)
    assert isinstance(store.do(begin(within_ms=HOUR)), EffectFound)
    clock.forward(1)
    again = granted_to(store, begin(within_ms=HOUR))
    assert (again.intent, again.must_check) == (2, False)
    assert again.id != granted.id
    assert (row(store).skips, row(store).state) == (4, S.PENDING)


def test_calls_with_another_identity_are_suppressed_and_counted(store: Any, clock: Any) -> None:
    """The text of an alert differs each time; who wants an error gets one."""
    done(store, begin(step(), within_ms=HOUR))
    clock.forward(7)
    found = store.do(begin(step(call="2"), within_ms=HOUR, identity=b"[8]"))
    assert (found.suppressed, found.result) == (True, b"1")
    assert not store.do(begin(step(call="3"), within_ms=HOUR)).suppressed
    assert (row(store).skips, row(store).suppressed, row(store).skipped_at) == (2, 1, clock.now())
    assert [outcome for _, outcome in calls(store)] == [C.DONE, C.SUPPRESSED, C.SKIPPED]
    assert isinstance(store.do(begin(within_ms=HOUR, identity=b"[8]", must_match=True)), EffectConflict)
    assert isinstance(store.do(begin(identity=b"[8]")), EffectConflict)


def test_same_step_skips_its_effect_after_the_window_in_another_attempt(store: Any, clock: Any) -> None:
    """A retry an hour later is no new reason for an alert; another step is."""
    done(store, begin(step(), within_ms=HOUR))
    clock.forward(2 * HOUR)
    assert isinstance(store.do(begin(step(attempt=2), within_ms=HOUR)), EffectFound)
    assert isinstance(store.do(begin(step(step_key="k1"), within_ms=HOUR)), EffectFound)
    assert isinstance(store.do(begin(step(run="r2"), within_ms=HOUR)), EffectGranted)


def test_same_step_does_not_repeat_an_unknown_effect_after_its_window(store: Any, second: Any, clock: Any) -> None:
    """A worker died, and its step is called again later: the target is asked, or gets the same key, or a person decides."""
    for recovery in R:
        granted_to(store, begin(step(), key=recovery.value, within_ms=1_000, recovery=recovery))
    ids = {recovery: row(store, recovery.value).id for recovery in R}
    second.do(DeclareSessionDead(store.session))
    clock.forward(HOUR)
    request = {
        recovery: begin(step(attempt=2), key=recovery.value, within_ms=1_000, recovery=recovery) for recovery in R
    }
    assert refusal(second, request[R.PERSON]) == "in_doubt"
    assert granted_to(second, request[R.KEYED]) == EffectGranted(ids[R.KEYED], 2, must_check=False)
    assert granted_to(second, request[R.CHECK]) == EffectGranted(ids[R.CHECK], 2, must_check=True)


def test_doubt_ends_with_its_window(store: Any, clock: Any) -> None:
    """For other callers: what was wanted an hour ago is wanted again, under a new key."""
    for recovery in R:
        first = lost(store, key=recovery.value, within_ms=HOUR, recovery=recovery)
        clock.forward(HOUR)
        again = granted_to(store, begin(key=recovery.value, within_ms=HOUR, recovery=recovery))
        assert (again.intent, again.must_check, row(store, recovery.value).repeats) == (2, False, 0)
        assert again.id != first.id


def test_longest_window_of_all_calls_is_on_record(store: Any, clock: Any) -> None:
    """The row is kept as long; a call without a window keeps it for all time."""
    done(store, begin(within_ms=HOUR))
    for within_ms, expected in ((10, HOUR), (2 * HOUR, 2 * HOUR), (None, None), (10, None)):
        store.do(begin(within_ms=within_ms))
        assert row(store).within_ms == expected
    clock.forward(10 * HOUR)
    store.do(prune(clock.now()))
    assert state(store) is S.DONE


def test_clock_that_was_put_back_opens_no_window(store: Any, clock: Any) -> None:
    """An outcome in the future counts as now, from the first call that meets it."""
    done(store, begin(within_ms=HOUR))
    clock.forward(-10 * HOUR)
    found = store.do(begin(within_ms=HOUR))
    assert (found.settled_at, row(store).settled_at) == (clock.now(), clock.now())
    clock.forward(HOUR)
    assert isinstance(store.do(begin(within_ms=HOUR)), EffectGranted)


class TestClockSteps:
    """With a clock whose steps the store notices."""

    @pytest.fixture
    def clock(self) -> SettableClock:
        return SettableClock()

    @pytest.mark.parametrize("by_ms", [-5 * HOUR, 5 * HOUR])
    def test_step_of_the_clock_moves_windows(self, store: Any, clock: SettableClock, by_ms: int) -> None:
        """A window of an hour lasts an hour, wherever the clock is set; instants without a window stay."""
        store.do(RecordHeartbeat())
        for within_ms, key in ((HOUR, KEY), (None, "for ever")):
            store.do(settle(granted_to(store, begin(key=key, within_ms=within_ms)), key=key))
        settled_at = clock.now()
        clock.forward(HOUR // 2)
        clock.put(by_ms)
        store.do(RecordHeartbeat())
        assert row(store).settled_at == settled_at + by_ms
        assert row(store, "for ever").settled_at == settled_at
        clock.forward(HOUR // 2 - 1)
        assert isinstance(store.do(begin(within_ms=HOUR)), EffectFound)
        clock.forward(1)
        assert isinstance(store.do(begin(within_ms=HOUR)), EffectGranted)

    def test_instant_that_a_restore_wrote_does_not_move(
        self, store: Any, new_process: Any, clock: SettableClock
    ) -> None:
        """A restore writes by the new clock while no session lives, before the step is known. A shorter window would repeat the effect."""
        done(store, begin(within_ms=HOUR))
        store.do(RecordHeartbeat())
        clock.put(-5 * HOUR)
        address = getattr(store.database, "address", None)
        table = "effects" if address is None else f"{address.schema}.effects"
        store.database.connection.execute(f"update {table} set settled_at = {clock.now()}")
        second = new_process().open()
        assert row(second).settled_at == clock.now()
        clock.forward(HOUR - 1)
        assert isinstance(second.do(begin(within_ms=HOUR)), EffectFound)


# -- restored stores -------------------------------------------------------------------------------------------------------


def test_restored_store_begins_nothing_that_may_have_happened(store: Any, clock: Any) -> None:
    """Neither a key that is not on record, nor one whose window was over: both may have happened in the lost interval."""
    first = done(store, begin(key="old", within_ms=HOUR))
    done(store, begin(key="for ever"))
    clock.forward(HOUR)
    store.do(SetMeta(HOLD_KEY, "1"))
    for key in ("new", "old"):
        for recovery in (R.PERSON, R.KEYED, R.KEYED):
            within_ms = HOUR if key == "old" else None
            assert refusal(store, begin(key=key, recovery=recovery, within_ms=within_ms)) == "in_doubt"
            assert "restored" in (row(store, key).note or "")
    assert row(store, "old").id != first.id
    assert isinstance(store.do(begin(key="for ever")), EffectFound)
    assert effects.count_effects_in_doubt(store.reader) == 2
    store.do(SetMeta(HOLD_KEY, None))
    assert refusal(store, begin(key="new", recovery=R.KEYED)) == "in_doubt"
    assert store.do(ConfirmEffect("new", None, "ann")) == DONE
    assert store.do(ForgetEffect("old")) == DONE
    assert isinstance(store.do(begin(key="another")), EffectGranted)


def test_restored_store_checks_the_target(store: Any, clock: Any) -> None:
    """What it does not have is performed; a call that stops before it asked leaves the outcome unknown."""
    done(store, begin(key="old", within_ms=HOUR))
    clock.forward(HOUR)
    store.do(SetMeta(HOLD_KEY, "1"))
    for key in ("new", "old"):
        granted = granted_to(store, begin(key=key, recovery=R.CHECK, within_ms=HOUR))
        assert granted.must_check
        store.do(settle(granted, C.RELEASED, key=key))
        assert state(store, key) is S.UNKNOWN
        again = granted_to(store, begin(key=key, recovery=R.CHECK, within_ms=HOUR))
        assert (again.must_check, again.id) == (True, granted.id)


# -- sent again ------------------------------------------------------------------------------------------------------------


def test_request_that_is_sent_again_gets_its_first_answer(store: Any, clock: Any) -> None:
    """Also the duty to ask the target; a skip is counted once. See also unit/store/sqlite/test_resubmission.py."""
    store.twice(begin())
    lost(store, key="checked", recovery=R.CHECK)
    assert store.twice(begin(key="checked", recovery=R.CHECK)).must_check
    assert row(store, "checked").intent == 2
    done(store, begin(key="done", within_ms=HOUR))
    store.twice(begin(key="done", within_ms=HOUR, identity=b"[8]"))
    assert (row(store, "done").skips, row(store, "done").suppressed) == (1, 1)
    store.do(SetMeta(HOLD_KEY, "1"))
    assert store.twice(begin(key="restored", recovery=R.KEYED)).code == "in_doubt"


@pytest.mark.parametrize("result", [C.DONE, C.RELEASED, C.UNKNOWN])
def test_outcome_that_is_sent_again_gets_its_first_answer(store: Any, second: Any, result: CallOutcome) -> None:
    """Though another process has begun the key meanwhile."""
    granted = granted_to(store, begin(step()))
    command = settle(granted, result)
    assert store.twice(command) == DONE
    assert calls(store) == [(granted.id, result)]
    if result is C.RELEASED:
        other = granted_to(second, begin())
        assert store.again(command) == DONE
        assert (row(store).id, row(store).state) == (other.id, S.PENDING)


# -- what stays ------------------------------------------------------------------------------------------------------------


def test_retention_prunes_windows_that_are_over_once_their_run_is_gone(store: Any, clock: Any) -> None:
    """Keys without a window, open questions and windows of runs on record stay."""
    run = store.begin()
    for key, within_ms in (("of a run", HOUR), ("for ever", None)):
        done_by(store, step(run.id), key, within_ms)
    done_by(store, program(), "of a program", HOUR)
    done_by(store, program(), "longer", 3 * HOUR)
    lost(store, key="doubted", within_ms=HOUR)
    granted_to(store, begin(key="held", within_ms=HOUR))
    store.do(finish(run))

    def keys() -> set[str]:
        return {effect.key for effect in effects.list_effects(store.reader, effects.EffectFilter()).effects}

    every = {"of a run", "for ever", "of a program", "longer", "doubted", "held"}
    clock.forward(HOUR - 1)
    store.do(prune(None))
    assert keys() == every
    clock.forward(1)
    store.do(prune(None))
    assert keys() == every - {"of a program"}
    assert len(calls(store, run.id)) == 2
    store.do(prune(clock.now()))
    assert keys() == {"for ever", "longer", "doubted", "held"}
    assert [call.key for call in effects.list_calls_of_run(store.reader, run.id)] == ["for ever"]
    clock.forward(2 * HOUR)
    store.do(prune(clock.now()))
    assert keys() == {"for ever", "doubted", "held"}


def done_by(store: Any, holder: EffectHolder, key: str, within_ms: int | None) -> None:
    store.do(settle(granted_to(store, begin(holder, key=key, within_ms=within_ms)), key=key))


def test_renamed_automation_keeps_its_effects(store: Any) -> None:
    """Lists by automation find them under the new name."""
    done(store, begin(step()))
    store.announce("c", was="a", fingerprint="code-2")
    found = effects.list_effects(store.reader, effects.EffectFilter(automation="c")).effects
    assert [effect.key for effect in found] == [KEY]
    assert not effects.list_effects(store.reader, effects.EffectFilter(automation="a")).effects


def test_effects_are_listed_by_their_last_change(store: Any, clock: Any) -> None:
    """In pages; by state, first characters of the key, run and time."""
    for number in range(5):
        clock.forward(1)
        done_by(store, step(f"r{number % 2}"), f"k:{number}", None)
    lost(store, key="other")

    def listed(limit: int = 50, cursor: Any = None, **options: Any) -> Any:
        return effects.list_effects(store.reader, effects.EffectFilter(**options), limit, cursor)

    def keys(**options: Any) -> list[str]:
        return [effect.key for effect in listed(**options).effects]

    assert keys() == ["other", "k:4", "k:3", "k:2", "k:1", "k:0"]
    assert keys(state=S.IN_DOUBT) == ["other"]
    assert keys(prefix="k:", run="r1") == ["k:3", "k:1"]
    assert keys(prefix="k%") == []
    assert keys(since_at=clock.now()) == ["other", "k:4"]
    found, cursor = [], None
    while True:
        page = listed(4, cursor)
        found += [effect.key for effect in page.effects]
        if (cursor := page.cursor) is None:
            break
    assert found == keys()
    assert [effect.key for effect in effects.list_effects_of_run(store.reader, "r0")] == ["k:0", "k:2", "k:4"]
    assert [call.run for call in effects.list_calls_of_key(store.reader, "k:3")] == ["r1"]


# -- at once ---------------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(120)
def test_of_two_processes_that_begin_at_once_exactly_one_performs(store: Any, second: Any) -> None:
    """Round after round, with a new key and with one whose window is over, by two threads on two connections."""
    rounds = 60
    barrier = threading.Barrier(2, timeout=60)
    answers: list[list[Any]] = [[], []]
    errors: list[BaseException] = []

    def ask(number: int, process: Any) -> None:
        try:
            for turn in range(rounds):
                barrier.wait()
                key, within_ms = (f"new:{turn}", None) if turn % 2 else ("again", 1)
                answer = process.do(begin(program(f"{number}/{turn}"), key=key, within_ms=within_ms))
                answers[number].append(answer)
                barrier.wait()
                if isinstance(answer, EffectGranted):
                    process.do(settle(answer, key=key))
                barrier.wait()
                if number == 0:
                    process.clock.forward(10)
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=ask, args=pair) for pair in enumerate((store, second))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert errors == []
    found = Counter(tuple(sorted(type(answer).__name__ for answer in pair)) for pair in zip(*answers, strict=True))
    assert found == {("EffectGranted", "Refused"): rounds}


@pytest.mark.parametrize("is_again", [True, False], ids=["again", "give"])
def test_decision_of_a_person_is_not_overwritten_by_a_call_at_the_same_time(
    store: Any, second: Any, is_again: bool
) -> None:
    """A call that would have read the doubt waits for the person's commit."""
    run, first, _ = in_doubt(store)
    give = GiveResult(run=run.id, ident="s1", command="p", **({"again": True} if is_again else {"output": b"1"}))
    both = overlap(store, give, second, begin(key="doubted", recovery=R.CHECK))
    assert both.first.answer == DONE
    if is_again:
        assert (both.second.answer.id, both.second.answer.intent) == (first.id, 2)
        assert not both.second.answer.must_check
    else:
        assert isinstance(both.second.answer, EffectFound)
        assert "the result given for" in (row(store, "doubted").decided_by or "")


def test_outcome_and_end_of_the_session_meet_with_the_outcome_on_record(store: Any, second: Any) -> None:
    """The holder commits its outcome while another process declares it dead: it is done, whichever comes first."""
    granted = granted_to(store, begin())
    both = overlap(store, settle(granted, data=b"1"), second, DeclareSessionDead(store.session))
    assert both.first.answer == DONE
    assert state(second) is S.DONE
