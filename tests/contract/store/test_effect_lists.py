"""Lists of effects for people: filtered, paged, counted, alike on every store."""

import pytest

from mainspring.domain.effects.effect import CallOutcome, EffectCall, EffectHolder, Recovery
from mainspring.domain.states import EffectState
from mainspring.store.commands.effects import BeginEffect, ConfirmEffect, SettleEffect
from mainspring.store.read import effects
from mainspring.store.read.effects import EffectFilter
from mainspring.store.read.status.change_tokens import read_change_tokens
from tests.contract.store.process import halt


def begin(process, key, run=None, outcome=None):
    """Ask for an effect, for a step of a run or a program, and settle it."""
    step = () if run is None else ("order", run, "pay#1", "step key", 1)
    call = EffectCall(key, EffectHolder("ann", f"call {key}", *step), "hash", b"[]")
    answer = process.do(BeginEffect(call, f"e_{key}"))
    if outcome is not None:
        process.do(SettleEffect(key, answer.id, answer.intent, outcome))


@pytest.fixture
def ledger(store):
    """Four effects, each changed later than the one before; keys with characters that a pattern would read."""
    for key, outcome in (
        ("invoice:1", CallOutcome.DONE),
        ("invoice:2%", CallOutcome.UNKNOWN),
        ("50%_off", None),
        ("a'b", CallOutcome.DONE),
    ):
        begin(store, key, outcome=outcome)
        store.clock.forward(1_000)
    return store


def keys(reader, **filter_values):
    return [effect.key for effect in effects.list_effects(reader, EffectFilter(**filter_values)).effects]


def test_list_is_filtered(ledger):
    """Texts are compared as they are."""
    reader = ledger.reader
    assert keys(reader) == ["a'b", "50%_off", "invoice:2%", "invoice:1"]
    assert keys(reader, state=EffectState.IN_DOUBT) == ["invoice:2%"]
    assert keys(reader, prefix="invoice:") == ["invoice:2%", "invoice:1"]
    assert keys(reader, prefix="%") == []
    assert keys(reader, text="%") == ["50%_off", "invoice:2%"]
    assert keys(reader, text="_") == ["50%_off"]
    assert keys(reader, text="'") == ["a'b"]
    assert keys(reader, since_at=ledger.clock.now() - 2_500) == ["a'b", "50%_off"]


def test_pages_have_each_effect_once(ledger):
    """Whatever the size of a page, also where effects changed at one instant."""
    begin(ledger, "same 1")
    begin(ledger, "same 2")
    reader, cursor, seen = ledger.reader, None, []
    while True:
        page = effects.list_effects(reader, EffectFilter(), 1, cursor)
        seen += [effect.key for effect in page.effects]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == keys(reader)
    assert len(seen) == 6


def test_doubts_of_runs_that_need_attention_are_not_counted(ledger):
    """Their runs ask for the decision; those of any other run are counted."""
    reader = ledger.reader
    assert effects.count_effects_in_doubt(reader) == 1
    run = ledger.begin()
    begin(ledger, "of a run", run.id, CallOutcome.UNKNOWN)
    assert effects.count_effects_in_doubt(reader) == 2
    ledger.do(halt(run))
    assert effects.count_effects_in_doubt(reader) == 1


def test_confirmed_effect_is_no_second_call_of_its_step(ledger):
    """The step reported that it does not know; that it happened is the word of a person."""
    run = ledger.begin().id
    begin(ledger, "of a run", run, CallOutcome.UNKNOWN)
    ledger.do(ConfirmEffect("of a run", None, "ann"))
    reader = ledger.reader
    assert [call.outcome for call in effects.list_calls_of_key(reader, "of a run")] == [CallOutcome.UNKNOWN]
    assert [call.outcome for call in effects.list_calls_of_run(reader, run)] == [CallOutcome.UNKNOWN]


def test_change_of_an_effect_changes_its_token(ledger):
    """And no time that passes does."""
    reader, now = ledger.reader, ledger.clock.now()
    before = read_change_tokens(reader, now)
    assert read_change_tokens(reader, now) == before
    begin(ledger, "new")
    changed = read_change_tokens(reader, now)
    assert {noun for noun, token in changed.items() if before[noun] != token} == {"effects"}


def test_effect_of_unknown_outcome_counts_as_in_doubt_if_no_call_settles_it(store, clock):
    """A program that was killed and never starts again would leave it unknown for ever."""
    call = EffectCall("sent", EffectHolder("ann", "call"), "hash", b"[]", recovery=Recovery.CHECK)
    answer = store.do(BeginEffect(call, "e_1"))
    store.do(SettleEffect("sent", answer.id, answer.intent, CallOutcome.UNKNOWN))
    settled_at = clock.now()
    assert effects.list_open_doubts(store.reader, settled_at - 1) == []
    assert [doubt.key for doubt in effects.list_open_doubts(store.reader, settled_at)] == ["sent"]
