"""`ms.once` before there is an effect: its options, its states, and the moments in which its code may be stopped."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.effects.effect import CallOutcome, Recovery
from mainspring.domain.errors import ArgumentError, ConflictError, DefinitionError, OptionError, ValueRefusedError
from mainspring.engine.attempts.pending_answer import PendingAnswer
from mainspring.engine.attempts.step_context import CURRENT_STEP, StepContext, idempotency_key
from mainspring.resources.effects import EffectAnswer, EffectRequest, EffectSettlement

C = CallOutcome


class Interrupted(PendingAnswer[EffectAnswer]):
    """An answer whose waiter is interrupted after it came."""

    def wait(self) -> EffectAnswer:
        super().wait()
        raise KeyboardInterrupt


class Channel:
    """A channel that answers at once, with the next one of `answers`."""

    def __init__(self) -> None:
        self.answers: list[EffectAnswer | BaseException] = []
        self.make: Callable[[int], PendingAnswer[EffectAnswer]] = PendingAnswer
        self.requests: list[EffectRequest] = []
        self.settlements: list[EffectSettlement] = []

    def begin_effect(self, request: EffectRequest) -> PendingAnswer[EffectAnswer]:
        self.requests.append(request)
        pending = self.make(len(self.requests))
        if self.answers:
            pending.answer(self.answers.pop(0))
        return pending

    def settle_effect(self, settlement: EffectSettlement) -> PendingAnswer[None]:
        self.settlements.append(settlement)
        pending: PendingAnswer[None] = PendingAnswer(0)
        pending.answer(None)
        return pending

    @property
    def outcomes(self) -> list[CallOutcome]:
        return [settlement.outcome for settlement in self.settlements]


@pytest.fixture
def channel() -> Iterator[Channel]:
    made = Channel()
    made.answers.append(EffectAnswer("e1", 1))
    context = StepContext(made, run_id="r", name="s", key="key of the step", attempt=1)  # type: ignore[arg-type]
    token = CURRENT_STEP.set(context)
    yield made
    CURRENT_STEP.reset(token)


def nothing(*_args: Any) -> None:
    """Perform nothing."""


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: ms.once(""), ArgumentError, "valid key"),
        (lambda: ms.once("k", None, 1), ArgumentError, "have no function"),  # type: ignore[call-overload]
        (lambda: ms.once("k", within="0s"), OptionError, "within"),
        (lambda: ms.once("k", within=0.0001), OptionError, "finer than a millisecond"),
        (lambda: ms.once("k", within="soon"), OptionError, "soon"),
        (lambda: ms.once("k", wait=-1), OptionError, "-1"),
        (lambda: ms.once("k", conflict="error"), OptionError, "conflict='error'"),
        (lambda: ms.once("k", within="1h", conflict="maybe"), OptionError, "conflict='maybe'"),  # type: ignore[call-overload]
        (lambda: ms.once("push:{sha}", nothing), OptionError, r'write an f-string: f"push:{sha}"'),
        (lambda: ms.once("k", nothing, check=7), DefinitionError, "check= of effect 'k' is not a function"),  # type: ignore[call-overload]
        (
            lambda: ms.once("k", nothing, 1, 2, check=lambda number: number),
            DefinitionError,
            "too many positional arguments",
        ),
        (lambda: ms.once("k", nothing, object()), ValueRefusedError, r"identity of effect 'k'"),
        (lambda: ms.once("k", identity=float("nan")), ValueRefusedError, r"identity of effect 'k'"),
    ],
)
def test_call_that_cannot_be_meant_is_refused(
    channel: Channel, call: Callable[[], Any], error: type[Exception], text: str
) -> None:
    """Before anything is requested."""
    with pytest.raises(error, match=text):
        call()
    assert channel.requests == []


def test_request_has_the_options_of_the_call(channel: Channel) -> None:
    """The identity of a function is its arguments; a check comes before a promise about keys."""
    channel.answers = [EffectAnswer("e1") for _ in range(4)]
    ms.once("k", nothing, 1, "x", wait="2s")
    ms.once("k", nothing, 1, keyed=True, identity={"b": 1, "a": 2})
    ms.once("k", nothing, keyed=True, check=nothing, within="1h", conflict="error")
    with ms.once("k"):
        pass
    assert channel.requests == [
        EffectRequest("k", b'[1,"x"]', None, Recovery.PERSON, False, 2.0),
        EffectRequest("k", b'{"a":2,"b":1}', None, Recovery.KEYED, False, 30.0),
        EffectRequest("k", b"[]", 3_600_000, Recovery.CHECK, True, 30.0),
        EffectRequest("k", b"null", None, Recovery.PERSON, False, 30.0),
    ]


def test_effect_is_used_in_its_order(channel: Channel) -> None:
    """Nothing before the block, `done` once inside of it, the result after that."""
    effect = ms.once("k")
    assert "not started" in repr(effect)
    for use in (lambda: effect.needed, lambda: effect.result, lambda: effect.idempotency_key, effect.done):
        with pytest.raises(ConflictError, match="has not started"):
            use()
    with effect:
        assert (effect.needed, effect.idempotency_key, "needed" in repr(effect)) == (True, "e1", True)
        with pytest.raises(ConflictError, match="not done yet"):
            _ = effect.result
        effect.done({"n": 1})
        with pytest.raises(ConflictError, match="done already"):
            effect.done()
        assert (effect.needed, effect.result) == (False, {"n": 1})
    assert channel.settlements == [EffectSettlement("k", "e1", 1, C.DONE, b'{"n":1}')]
    assert "done" in repr(effect)


def test_idempotency_key_is_that_of_the_effect_inside_of_its_function(channel: Channel) -> None:
    """Before and after it is that of the step."""
    assert idempotency_key() == "key of the step"
    assert ms.once("k", idempotency_key) == "e1"
    assert idempotency_key() == "key of the step"
    channel.answers.append(EffectAnswer("e2", 1))
    with ms.once("k") as effect:
        assert idempotency_key() == "e2"
        effect.done()
    assert idempotency_key() == "key of the step"


def test_error_after_done_does_not_undo_the_effect(channel: Channel) -> None:
    """It happened; the error is the step's."""
    with pytest.raises(KeyError), ms.once("k") as effect:
        effect.done(1)
        raise KeyError("later")
    assert channel.outcomes == [C.DONE]


@pytest.mark.parametrize("found", [None, False, True, {"n": 1}])
def test_check_decides_on_an_unproven_effect(channel: Channel, found: Any) -> None:
    """It is called only if it must be, with the arguments; a release after it tells that the target was asked."""
    channel.answers = [EffectAnswer("e1", 2, must_check=True)]
    checked: list[Any] = []

    def check(*args: Any) -> Any:
        checked.append(args)
        return found

    def send(*_args: Any) -> Any:
        raise ms.NotSent("no")

    if found:
        assert ms.once("k", send, 1, 2, check=check) == (None if found is True else found)
        assert channel.outcomes == [C.DONE]
    else:
        with pytest.raises(ms.NotSent):
            ms.once("k", send, 1, 2, check=check)
        assert [(settlement.outcome, settlement.was_checked) for settlement in channel.settlements] == [
            (C.RELEASED, True)
        ]
    assert checked == [(1, 2)]


def name_of(_number: int) -> str:
    return "name"


@pytest.mark.parametrize("reply", [0, "", [], {}, ["not", "text"]])
def test_reply_of_a_check_that_is_no_answer_leaves_the_outcome_unknown(channel: Channel, reply: Any) -> None:
    """An empty list often means "not there"; a reply that is no result of the function could never be read again."""
    channel.answers = [EffectAnswer("e1", 1, must_check=True)]
    with pytest.raises((DefinitionError, ValueRefusedError), match=r"check=|result of effect 'k'"):
        ms.once("k", name_of, 1, check=lambda _number: reply)
    assert channel.outcomes == [C.UNKNOWN]


def test_key_from_data_may_contain_braces(channel: Channel) -> None:
    """Only a key that is written in code is an f-string without its f."""
    path = "/users/{id}"
    assert ms.once(f"route:{path}", name_of, 1) == "name"
    assert channel.requests[0].key == f"route:{path}"


def test_interrupted_wait_releases_an_intent_that_came(channel: Channel) -> None:
    """A person presses Ctrl-C between the commit of the intent and its receipt."""
    channel.make = Interrupted
    with pytest.raises(KeyboardInterrupt), ms.once("k"):
        raise AssertionError("it was not entered")
    assert channel.outcomes == [C.RELEASED]


@pytest.mark.parametrize("turns", range(4))
def test_cancelled_wait_releases_an_intent_that_came(channel: Channel, turns: int) -> None:
    """At whichever turn of the loop the cancel comes: nothing is pending, and nothing is in doubt without a reason."""

    async def perform() -> None:
        async with ms.once("k") as effect:
            effect.done()

    async def main() -> None:
        task = asyncio.create_task(perform())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    assert channel.outcomes in ([], [C.RELEASED], [C.DONE])
    assert len(channel.outcomes) == len(channel.requests)


def test_answer_that_comes_after_its_waiter_is_not_taken() -> None:
    """Who answers learns that it has to release the intent."""
    pending: PendingAnswer[EffectAnswer] = PendingAnswer(1)
    assert pending.abandon() is None
    assert not pending.answer(EffectAnswer("e1", 1))
    failed: PendingAnswer[EffectAnswer] = PendingAnswer(2)
    assert failed.answer(ConflictError("no"))
    assert failed.abandon() is None
    answered: PendingAnswer[EffectAnswer] = PendingAnswer(3)
    assert answered.answer(EffectAnswer("e1", 1))
    assert answered.abandon() == EffectAnswer("e1", 1)
