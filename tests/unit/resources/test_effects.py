"""The effects of attempts, as a worker asks for them: who waits, what is given back, and what is sent although it is late."""

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from mainspring.domain.effects.earlier_effects import EffectScope
from mainspring.domain.effects.effect import CallOutcome, EarlierEffect, EffectHolder, Recovery
from mainspring.domain.effects.errors import EffectConflictError, EffectInDoubtError
from mainspring.domain.effects.identity import hash_identity
from mainspring.domain.errors import ArgumentError, BusyError, ConflictError, SealedError, StoreUnavailableError
from mainspring.domain.states import EffectState
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.resources.effects import (
    AttemptEffects,
    EffectAnswer,
    EffectLedger,
    EffectRequest,
    EffectSettlement,
)
from mainspring.resources.known_secrets import KnownSecrets
from mainspring.store.commands.effects import (
    BeginEffect,
    EarlierEffectsFound,
    EffectConflict,
    EffectFound,
    EffectGranted,
    ListEarlierEffects,
    SettleEffect,
)
from mainspring.store.commands.results import DONE, Refused
from mainspring.testing import FakeClock, VirtualLoop

C = CallOutcome
HELD = Refused("held", "job.py is performing effect 'k'")
GRANTED = EffectGranted("e1", 1, must_check=False)


class Store:
    """Keeps what it is reported; the test answers."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, Any]] = []

    def submit(self, command: Any, on_done: Any) -> None:
        self.sent.append((command, on_done))

    def answer(self, result: Any) -> Any:
        """Answer the oldest command, and return it."""
        command, on_done = self.sent.pop(0)
        on_done(result)
        return command

    @property
    def outcomes(self) -> list[tuple[str, int, CallOutcome]]:
        """The outcomes that wait for their commit."""
        return [(command.id, command.intent, command.outcome) for command, _ in self.sent]


class FailingCodec:
    """A codec that seals nothing but the identity of these tests."""

    id = "failing"

    def encode(self, data: bytes) -> bytes:
        if data != b"[7]":
            raise ValueError("no key")
        return data

    decode = encode


class Scene:
    """The effects of a worker, its store, and what each call was answered."""

    def __init__(self, sealing: Sealing = PLAIN_SEALING) -> None:
        self.loop = VirtualLoop(FakeClock())
        self.store = Store()
        self.effects = AttemptEffects(self.store, self.loop, EffectLedger(sealing, FakeClock()))  # type: ignore[arg-type]
        self.answers: list[Any] = []
        self.settled: list[BaseException | None] = []

    def begin(self, owner: str = "r/s (attempt 1)", wait_s: float = 30.0, key: str = "k", **options: Any) -> None:
        request = EffectRequest(key, b"[7]", None, Recovery.PERSON, False, wait_s, **options)
        self.effects.begin(EffectHolder(owner, f"{owner}#1"), request, self.answers.append)

    def settle(self, outcome: CallOutcome = C.DONE, owner: str = "r/s (attempt 1)", **options: Any) -> None:
        self.effects.settle(owner, EffectSettlement("k", "e1", 1, outcome, **options), self.settled.append)

    def pass_time(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.loop.close()


def test_call_waits_for_another_holder_until_its_time_is_over(scene: Scene) -> None:
    """It asks with growing pauses, and then learns who the holder is."""
    scene.begin(wait_s=2.0)
    requests = 0
    while not scene.answers:
        assert isinstance(scene.store.answer(HELD), BeginEffect)
        requests += 1
        if not scene.answers:
            scene.pass_time(0.5)
    assert isinstance(scene.answers[0], BusyError)
    assert "job.py is performing effect 'k', for longer than the wait of 2 s" in str(scene.answers[0])
    assert 4 <= requests <= 8
    scene.effects.end("r/s (attempt 1)")
    assert scene.store.sent == []


def test_answers_of_the_store_become_answers_and_errors(scene: Scene) -> None:
    """An intent, a result, a conflict with both identities, a doubt with both commands, an error of the store."""
    for answer in (
        GRANTED,
        EffectFound("e1", 5, b'"x"', None, suppressed=True, owner="job.py"),
        EffectConflict(b"[8]", "job.py", 0),
        Refused("in_doubt", "effect 'k' may or may not have happened"),
        Refused("nested", "this attempt is performing effect 'k' already"),
        StoreUnavailableError("away"),
    ):
        scene.begin()
        scene.store.answer(answer)
    granted, found, conflict, doubt, nested, away = scene.answers
    assert granted == EffectAnswer("e1", 1)
    assert found == EffectAnswer("e1", settled_at=5, result=b'"x"', is_suppressed=True, owner="job.py")
    assert isinstance(conflict, EffectConflictError)
    assert "on record: [8] (by job.py, 1970-01-01" in str(conflict)
    assert "this call: [7]" in str(conflict)
    assert isinstance(doubt, EffectInDoubtError)
    assert "mainspring effects confirm k." in (doubt.hint or "")
    assert isinstance(nested, EffectConflictError)
    assert isinstance(away, StoreUnavailableError)


def earlier(*keys: str) -> EarlierEffectsFound:
    effects = [EarlierEffect(key, EffectState.DONE, b"[8]", "r/s (attempt 1)", 0, "r/s#1@", "k", None) for key in keys]
    return EarlierEffectsFound(effects, [])


def test_earlier_effects_are_read_once_for_an_attempt_that_is_not_the_first(scene: Scene) -> None:
    """Before its first call; a first attempt reads nothing."""
    scene.begin(key="r/k/pay#aa.1", scope=EffectScope("r/k/", 1, is_new=True))
    assert isinstance(scene.store.answer(GRANTED), BeginEffect)
    later = EffectScope("r/k/", 2, is_new=False, checkpoint="m2")
    for key in ("r/k/pay#aa.1", "r/k/pay#bb.1"):
        scene.begin("r/s (attempt 2)", key=key, scope=later)
    assert scene.store.answer(earlier("r/k/pay#aa.1")) == ListEarlierEffects("r/k/")
    commands = [command for command, _ in scene.store.sent]
    assert [(command.key, command.call.holder.call_id) for command in commands] == [
        ("r/k/pay#aa.1", "r/s (attempt 2)#1@m2"),
        ("r/k/pay#bb.1", "r/s (attempt 2)#1@m2"),
    ]


def test_call_with_other_arguments_waits_for_the_other_calls(scene: Scene) -> None:
    """Until the earlier effect is met, or for five seconds."""
    later = EffectScope("r/k/", 2, is_new=False)
    scene.begin("met", key="r/k/pay#bb.1", scope=later)
    scene.store.answer(earlier("r/k/pay#aa.1"))
    assert scene.store.sent == []
    scene.begin("met", key="r/k/pay#aa.1", scope=later)
    scene.pass_time(0.5)
    assert [command.key for command, _ in scene.store.sent] == ["r/k/pay#aa.1", "r/k/pay#bb.1"]
    scene.store.sent.clear()
    scene.begin("not met", key="r/k/pay#bb.1", scope=later)
    scene.store.answer(earlier("r/k/pay#aa.1"))
    scene.pass_time(6)
    (conflict,) = scene.answers
    assert isinstance(conflict, EffectConflictError)
    assert "on record: [8] (by r/s (attempt 1), 1970-01-01" in str(conflict)
    assert "this call: [7]" in str(conflict)
    assert "once=" in (conflict.hint or "")


def test_earlier_effects_that_cannot_be_read_are_an_error(scene: Scene) -> None:
    """Without them nothing is performed; the next call reads them again. An attempt that has ended needs no answer."""
    later = EffectScope("r/k/", 2, is_new=False)
    scene.begin(key="r/k/pay#aa.1", scope=later)
    scene.store.answer(StoreUnavailableError("away"))
    assert isinstance(scene.answers[0], StoreUnavailableError)
    scene.begin(key="r/k/pay#aa.1", scope=later)
    scene.effects.end("r/s (attempt 1)")
    assert scene.store.answer(earlier()) == ListEarlierEffects("r/k/")
    assert (scene.store.sent, len(scene.answers)) == ([], 1)


def test_attempt_that_ends_leaves_an_unknown_outcome(scene: Scene) -> None:
    """Of what it has begun and not settled; other attempts keep theirs."""
    scene.begin()
    scene.store.answer(GRANTED)
    scene.begin("other")
    scene.store.answer(EffectGranted("e2", 1, must_check=False))
    scene.effects.end("r/s (attempt 1)")
    assert scene.store.outcomes == [("e1", 1, C.UNKNOWN)]


def test_attempt_that_settled_leaves_nothing(scene: Scene) -> None:
    """Its outcome is on its way."""
    scene.begin()
    scene.store.answer(GRANTED)
    scene.settle()
    scene.effects.end("r/s (attempt 1)")
    assert scene.store.outcomes == [("e1", 1, C.DONE)]
    scene.store.answer(DONE)
    assert scene.settled == [None]


def test_intent_of_an_attempt_that_ended_meanwhile_is_released(scene: Scene) -> None:
    """Its code has not begun; any other answer needs nothing."""
    for answer, outcomes in (
        (GRANTED, [("e1", 1, C.RELEASED)]),
        (EffectFound("e1", 5, None, None, suppressed=False, owner="job.py"), []),
        (HELD, []),
    ):
        scene.begin()
        scene.effects.end("r/s (attempt 1)")
        scene.store.answer(answer)
        assert scene.store.outcomes == outcomes
        scene.store.sent.clear()
    scene.pass_time(60)
    assert (scene.store.sent, scene.answers) == ([], [])


def test_attempt_that_ends_while_it_waits_sends_nothing_more(scene: Scene) -> None:
    """Its timer is cancelled with it."""
    scene.begin()
    scene.store.answer(HELD)
    scene.effects.end("r/s (attempt 1)")
    scene.pass_time(60)
    assert scene.store.sent == []


def test_late_outcome_is_sent_as_evidence(scene: Scene) -> None:
    """Code that runs on after the end of its attempt knows what happened."""
    scene.begin()
    scene.store.answer(GRANTED)
    scene.effects.end("r/s (attempt 1)")
    scene.store.answer(DONE)
    scene.settle(result=b"1")
    assert scene.store.outcomes == [("e1", 1, C.DONE)]
    scene.store.answer(Refused("not_held", "another intent counts"))
    assert isinstance(scene.settled[0], ConflictError)


@pytest.mark.parametrize(("outcome", "last"), [(C.DONE, C.DONE), (C.RELEASED, C.UNKNOWN), (C.UNKNOWN, C.UNKNOWN)])
def test_outcome_that_the_store_cannot_execute_leaves_nothing_pending(
    scene: Scene, outcome: CallOutcome, last: CallOutcome
) -> None:
    """The code gets the error; the effect is done without its result, or its outcome is unknown."""
    scene.begin()
    scene.store.answer(GRANTED)
    scene.settle(outcome, result=b"1" if outcome is C.DONE else None)
    scene.store.answer(SealedError("the codec has no key"))
    assert isinstance(scene.settled[0], SealedError)
    assert scene.store.outcomes == [("e1", 1, last)]
    command = scene.store.answer(DONE)
    assert command.result is None
    assert (command.refused is not None) is (outcome is C.DONE)


def test_result_that_cannot_be_sealed_does_not_hide_that_the_effect_is_done() -> None:
    """It is saved as done, with the reason why the result is missing."""
    scene = Scene(Sealing(FailingCodec()))
    scene.begin()
    scene.store.answer(GRANTED)
    scene.settle(result=b"1")
    command = scene.store.answer(DONE)
    assert isinstance(command, SettleEffect)
    assert (command.outcome, command.result) == (C.DONE, None)
    assert "could not seal" in (command.refused or "")
    scene.loop.close()


def test_closed_worker_sends_nothing(scene: Scene) -> None:
    """The end of its session makes all pending effects unknown."""
    scene.begin()
    scene.store.answer(GRANTED)
    scene.begin("other")
    scene.effects.close()
    scene.store.answer(EffectGranted("e2", 1, must_check=False))
    scene.begin("third")
    scene.settle()
    scene.effects.end("r/s (attempt 1)")
    scene.pass_time(60)
    assert scene.store.sent == []


def test_key_with_a_secret_is_refused_and_an_identity_is_stored_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The identity is still compared as it is, so another value is another identity; errors repeat neither."""
    secrets = KnownSecrets()
    secrets.add(["sk_live_51H8xyz"])
    monkeypatch.setattr("mainspring.resources.effects.KNOWN_SECRETS", secrets)
    ledger, holder = EffectLedger(PLAIN_SEALING, FakeClock()), EffectHolder("job.py", "1")
    request = EffectRequest("k", b'[{"key":"sk_live_51H8xyz","to":"ann"}]', None, Recovery.PERSON, False, 0)
    call = ledger.begin_command(request, holder).call
    assert (call.identity, call.identity_hash) == (b'[{"key":"***","to":"ann"}]', hash_identity(request.identity))
    with pytest.raises(EffectConflictError) as conflict:
        ledger.read_answer(request, EffectConflict(call.identity, "job.py", 0))
    assert "sk_live" not in str(conflict.value)
    with pytest.raises(ArgumentError, match="the key of an effect contains a secret") as refused:
        ledger.begin_command(msgspec.structs.replace(request, key="charge sk_live_51H8xyz"), holder)
    assert "sk_live" not in str(refused.value)


def test_words_of_an_outcome_have_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message of an error and the reason of a refused result are stored for people: a secret in them is hidden."""
    secrets = KnownSecrets()
    secrets.add(["sk_live_51H8xyz"])
    monkeypatch.setattr("mainspring.resources.effects.KNOWN_SECRETS", secrets)
    ledger = EffectLedger(PLAIN_SEALING, FakeClock())
    words = "401 for sk_live_51H8xyz"
    command = ledger.settle_command(EffectSettlement("k", "e1", 1, C.UNKNOWN, note="HTTPError", words=words))
    assert command.note is not None
    assert command.note.startswith("HTTPError: 401 for ")
    assert "sk_live" not in command.note
    cut = ledger.settle_command(EffectSettlement("k", "e1", 1, C.UNKNOWN, note="E", words="x" * 490 + words))
    assert "sk_" not in (cut.note or "")
    lost = ledger.settle_command(EffectSettlement("k", "e1", 1, C.DONE, refused=words))
    assert "sk_live" not in (lost.refused or "")


def test_words_of_an_outcome_are_not_stored_if_a_codec_encrypts_values() -> None:
    """The store shows notes without the codec: only the type of the error stays, as in a failure."""
    ledger = EffectLedger(Sealing(FailingCodec()), FakeClock())
    command = ledger.settle_command(EffectSettlement("k", "e1", 1, C.UNKNOWN, note="HTTPError", words="ann's order"))
    assert command.note == "HTTPError"
    lost = ledger.settle_command(EffectSettlement("k", "e1", 1, C.DONE, refused="NaN in ann's order"))
    assert lost.refused == "its words are not stored, because a codec encrypts values"
