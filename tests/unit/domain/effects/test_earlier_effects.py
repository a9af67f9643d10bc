"""Earlier effects: which call is one of them, and which one may be one with other arguments."""

from mainspring.domain.effects.earlier_effects import (
    EarlierEffects,
    EffectScope,
    add_mark,
    mark_checkpoint,
    name_use,
)
from mainspring.domain.effects.effect import EarlierEffect
from mainspring.domain.states import EffectState

S = EffectState
FIRST, SECOND = (mark_checkpoint("k0", value) for value in (b"1", b"2"))
PAY = "r/k0/pay#aaaaaaaaaaaa.1"
NEW = "r/k0/pay#bbbbbbbbbbbb.1"


def effect(
    key: str = PAY, state: EffectState = S.DONE, *, mark: str | None = "", by: str | None = None
) -> EarlierEffect:
    """An effect that began under the checkpoint with this mark; None = of a version without marks."""
    call_id = "r/s (attempt 1)#1"
    return EarlierEffect(key, state, b"[7]", "r/s", 0, call_id if mark is None else add_mark(call_id, mark), "k0", by)


def earlier(
    *effects: EarlierEffect, released: tuple[str, ...] = (), started_from: str = "", step_key: str = "k0"
) -> EarlierEffects:
    scope = EffectScope("r/k0/", 2, is_new=False, step_key=step_key, checkpoint=started_from, started_from=started_from)
    return EarlierEffects(effects, released, scope)


def test_use_is_named_by_action_and_arguments() -> None:
    """The same arguments give the same name."""
    assert name_use("pay", b"[7]") == name_use("pay", b"[7]") != name_use("pay", b"[8]")
    assert name_use("pay", b"[7]").startswith("pay#")


def test_call_with_other_arguments_has_a_rival_until_the_effect_is_met() -> None:
    """Then it is another effect."""
    found = earlier(effect())
    assert found.find_rival(NEW) == effect()
    assert found.meet(PAY, is_resumed=False) is None
    assert found.find_rival(NEW) is None


def test_effects_of_other_actions_are_no_rivals() -> None:
    """Only the same action may have been the same effect."""
    assert earlier(effect("r/k0/send#aaaaaaaaaaaa.1")).find_rival(NEW) is None


def test_known_call_has_no_rival() -> None:
    """An effect that was released is known, and is performed."""
    found = earlier(effect(), effect("r/k0/pay#cccccccccccc.1"), released=(NEW,))
    assert found.find_rival(NEW) is None
    assert found.find_rival(PAY) is None


def test_every_state_is_a_rival_unless_it_is_on_record_that_nothing_happened() -> None:
    """A person, or the end of a part, has permitted the effect."""
    assert all(earlier(effect(state=state)).find_rival(NEW) for state in S)
    assert earlier(effect(state=S.UNKNOWN, by="ann")).find_rival(NEW) is None
    assert earlier(effect(state=S.DONE, by="ann")).find_rival(NEW) is not None


def test_effect_that_was_done_before_the_checkpoint_is_no_rival() -> None:
    """A step that resumes does not repeat it. One of unknown outcome has to be met all the same."""
    assert earlier(effect(mark=FIRST), started_from=SECOND).find_rival(NEW) is None
    assert earlier(effect(mark=""), started_from=SECOND).find_rival(NEW) is None
    assert earlier(effect(mark=SECOND), started_from=SECOND).find_rival(NEW) is not None
    assert earlier(effect(state=S.UNKNOWN, mark=FIRST), started_from=SECOND).find_rival(NEW) is not None
    assert earlier(effect(mark=None), started_from=SECOND).find_rival(NEW) is not None
    assert earlier(effect(mark=FIRST), started_from=SECOND, step_key="of another step").find_rival(NEW) is not None


def test_effect_of_an_older_version_is_a_rival_of_the_same_action() -> None:
    """Its key has a number only, which tells nothing about its arguments."""
    assert earlier(effect("r/k0/pay#1")).find_rival(NEW) is not None


def test_resumed_code_cannot_repeat_an_effect_behind_its_checkpoint() -> None:
    """The same arguments may mean the next effect. Code that has not read the checkpoint repeats it."""
    found = earlier(effect(mark=FIRST), started_from=SECOND)
    assert found.meet(PAY, is_resumed=True) == effect(mark=FIRST)
    assert found.meet(PAY, is_resumed=False) is None
    assert earlier(effect(mark=SECOND), started_from=SECOND).meet(PAY, is_resumed=True) is None
