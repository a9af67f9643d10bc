"""Actions without a key of the user: they are known again by what they do, and inside of an outer effect they are its parts."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.errors import MainspringError
from mainspring.domain.failures.saved_error import RunFailed
from mainspring.domain.states import EffectState
from mainspring.resources.known_secrets import KNOWN_SECRETS, KnownSecrets
from mainspring.store.read.effects import EffectFilter, list_effects
from mainspring.store.sqlite.reader import SqliteReader

S = EffectState
RETRY = ms.Retry(attempts=3, initial=timedelta(0))


class Target:
    """What an action has done. It refuses each of `refusals` once, and loses its reply to each of `losses` once."""

    def __init__(self, *refusals: Any, losses: tuple[Any, ...] = ()) -> None:
        self.refusals, self.losses = list(refusals), list(losses)
        self.done: list[Any] = []
        self.keys: list[str] = []

        @ms.action(wait="1ms")
        def send(item: Any) -> Any:
            return self.perform(item)

        self.send: Any = send

    def perform(self, item: Any) -> Any:
        """Perform an effect."""
        if item in self.refusals:
            self.refusals.remove(item)
            raise ms.NotSent("busy")
        self.done.append(item)
        self.keys.append(ms.idempotency_key())
        if item in self.losses:
            self.losses.remove(item)
            raise TimeoutError("no reply")
        return item


def run_step(fn: Callable[..., Any], folder: Path, *args: Any) -> Any:
    """Run a function as the only step of a run, with two retries."""

    @ms.workflow(name="w")
    async def main(run: ms.Run) -> Any:
        return await run.options(retry=RETRY).step(fn, *args)

    return ms.App(folder / "store.db").run(main)


def states(folder: Path) -> dict[str, EffectState]:
    """The state of each key."""
    with contextlib.closing(SqliteReader(folder / "store.db")) as reader:
        return {effect.key: effect.state for effect in list_effects(reader, EffectFilter(), limit=100).effects}


# -- what a call does, and not its order -------------------------------------------------------------------------------


def test_calls_in_another_order_get_their_own_results(tmp_path: Path) -> None:
    """A call that was refused is known, too, and is performed."""
    target, orders = Target(2), iter([[1, 2, 3], [2, 3, 1]])

    def send_all() -> list[int]:
        failure, results = None, []
        for number in next(orders):
            try:
                results.append(target.send(number))
            except ms.NotSent as error:
                failure = error
        if failure is not None:
            raise failure
        return results

    assert run_step(send_all, tmp_path) == [2, 3, 1]
    assert target.done == [1, 3, 2]


def test_call_that_waits_for_others_is_performed_once_they_are_met(tmp_path: Path) -> None:
    """The second attempt begins with a call that the first one did not make: its other calls show that it is another effect."""
    done: list[int] = []
    attempts = iter([[1, 2], [3, 1, 2]])

    @ms.action()
    async def send(number: int) -> int:
        done.append(number)
        return number

    async def send_all() -> list[int]:
        numbers = next(attempts)
        results = await asyncio.gather(*[send(number) for number in numbers])
        if len(numbers) == 2:
            raise ms.NotSent("busy")
        return results

    assert run_step(send_all, tmp_path) == [3, 1, 2]
    assert sorted(done) == [1, 2, 3]


def test_same_call_is_counted(tmp_path: Path) -> None:
    """Two calls with the same arguments are two effects."""
    target = Target("c")

    def send_all() -> list[str]:
        return [target.send(item) for item in ("a", "a", "c", "a")]

    assert run_step(send_all, tmp_path) == ["a", "a", "c", "a"]
    assert target.done == ["a", "a", "c", "a"]


def test_call_that_is_made_again_in_the_attempt_is_the_same_effect(tmp_path: Path) -> None:
    """It was refused at first. The next attempt does not perform it again."""
    target = Target("a", "b")

    def send_all() -> list[str]:
        results = []
        for item in ("a", "a", "b"):
            try:
                results.append(target.send(item))
            except ms.NotSent:
                if item == "b":
                    raise
        return results

    assert run_step(send_all, tmp_path) == ["a", "a", "b"]
    assert target.done == ["a", "a", "b"]


def test_call_that_is_made_again_after_an_unknown_outcome_is_a_question(tmp_path: Path) -> None:
    """Code that hides the first doubt does not get a second effect."""
    target = Target(losses=("a",))

    def send_twice() -> None:
        with contextlib.suppress(MainspringError):
            target.send("a")
        target.send("a")

    with pytest.raises(RunFailed, match="may or may not have happened"):
        run_step(send_twice, tmp_path)
    assert target.done == ["a"]


@pytest.mark.parametrize("is_async", [False, True])
def test_call_that_is_made_again_after_its_check_failed_is_checked_again(is_async: bool, tmp_path: Path) -> None:
    """The check cannot tell whether the target has the effect of the first attempt. A second call in the attempt is no other effect."""
    done: list[str] = []
    replies: Iterator[Exception | bool] = iter([ConnectionError("away"), True])

    def check(_item: str) -> bool:
        reply = next(replies)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def perform(item: str) -> None:
        done.append(item)
        raise TimeoutError("no reply")

    async def perform_async(item: str) -> None:
        perform(item)

    action: Any = ms.action(check=check)(perform_async if is_async else perform)

    def send() -> None:
        if ms.attempt() > 1:
            with contextlib.suppress(ConnectionError):
                action("a")
        action("a")

    async def send_async() -> None:
        if ms.attempt() > 1:
            with contextlib.suppress(ConnectionError):
                await action("a")
        await action("a")

    run_step(send_async if is_async else send, tmp_path)
    assert done == ["a"]


def test_call_with_other_arguments_is_an_error_with_both(tmp_path: Path) -> None:
    """It may be the same effect at another time, or another one: it is neither performed nor answered."""
    target, waiting = Target("bob"), ["ann", "bob", "cid"]

    def send_all() -> None:
        for name in list(waiting):
            target.send(name)
            waiting.remove(name)

    with pytest.raises(RunFailed, match="action 'send' had other arguments in an earlier attempt") as failed:
        run_step(send_all, tmp_path)
    assert "once=" in str(failed.value)
    assert target.done == ["ann", "bob"]
    assert next(iter(waiting)) == "cid"


def test_call_after_the_checkpoint_is_another_effect(tmp_path: Path) -> None:
    """The effects before it are behind the step, which does not repeat them."""
    target = Target(3)

    def send_all() -> str:
        for number in range(ms.last_checkpoint(int) or 0, 5):
            target.send(number)
            ms.checkpoint(number + 1)
        return "end"

    assert run_step(send_all, tmp_path) == "end"
    assert target.done == [0, 1, 2, 3, 4]


def test_effect_since_the_checkpoint_has_to_be_met(tmp_path: Path) -> None:
    """It is not behind the step."""
    target, names = Target("c"), iter(["a", "b", "x", "c"])

    def send_all() -> None:
        if ms.last_checkpoint() is None:
            target.send(next(names))
            ms.checkpoint(1)
        target.send(next(names))
        target.send("c")

    with pytest.raises(RunFailed, match="had other arguments"):
        run_step(send_all, tmp_path)
    assert target.done == ["a", "b"]


@pytest.mark.parametrize("reads_first", [True, False])
def test_same_arguments_after_the_checkpoint_are_an_error_and_before_it_a_repetition(
    reads_first: bool, tmp_path: Path
) -> None:
    """Code that has read its checkpoint may mean the next effect."""
    target = Target("end")

    def send_all() -> str:
        if reads_first:
            ms.last_checkpoint()
        target.send("begin")
        ms.checkpoint(ms.attempt())
        target.send("end")
        return "end"

    if reads_first:
        with pytest.raises(RunFailed, match="had these arguments before the last checkpoint"):
            run_step(send_all, tmp_path)
    else:
        assert run_step(send_all, tmp_path) == "end"
    assert target.done == (["begin"] if reads_first else ["begin", "end"])


class Client:
    """It has no JSON form."""


def test_arguments_without_json_form_and_long_ones_are_accepted(tmp_path: Path) -> None:
    """They are known by their type, or by their hash."""
    done: list[int] = []

    @ms.action()
    def send(client: Client, rate: float, text: str, number: int) -> int:
        done.append(number)
        return number

    def send_all() -> None:
        for number in (1, 2):
            send(Client(), -0.0, "x" * 300_000, number)
        if len(done) == 2:
            done.append(3)
            raise ms.NotSent("busy")

    run_step(send_all, tmp_path)
    assert done == [1, 2, 3]


def test_secret_in_the_arguments_is_not_in_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its hash would be a way to guess it."""
    known = KnownSecrets()
    for module in ("resources.effects", "resources.known_secrets"):
        monkeypatch.setattr(f"mainspring.{module}.KNOWN_SECRETS", known)
    assert known is not KNOWN_SECRETS
    known.add(["pin-4711-a", "pin-4712-b"])
    target = Target()

    def send_all() -> None:
        target.send("pin-4711-a")
        target.send("pin-4712-b")

    run_step(send_all, tmp_path)
    first, second = sorted(states(tmp_path))
    assert (first.removesuffix("1"), first[-1], second[-1]) == (second.removesuffix("2"), "1", "2")


# -- parts of an outer effect ------------------------------------------------------------------------------------------


def pair_of(target: Target, **options: Any) -> Callable[..., Any]:
    """An action with two parts."""

    @ms.action(once="pair:{number}", retry=RETRY, **options)
    def pair(number: int) -> int:
        target.send("first")
        target.send("second")
        return number

    return pair


def block_of(target: Target) -> Callable[..., Any]:
    """The same as a block."""

    def pair(number: int) -> int:
        with ms.once(f"pair:{number}", identity=[number]) as effect:
            if effect.needed:
                target.send("first")
                target.send("second")
                effect.done(number)
        return number

    return pair


@pytest.mark.parametrize("make", [pair_of, block_of])
def test_part_that_was_performed_is_not_performed_again(make: Callable[..., Any], tmp_path: Path) -> None:
    """A later part is refused: the next attempt continues with it. At the end, one effect is on record."""
    target = Target("second")
    assert run_step(make(target), tmp_path, 7) == 7
    assert target.done == ["first", "second"]
    assert states(tmp_path) == {"pair:7": S.DONE}


@pytest.mark.parametrize(
    "recovery", [{}, {"keyed": True}, {"check": lambda number: None}], ids=["person", "keyed", "check"]
)
def test_part_is_not_performed_again_by_another_run(recovery: dict[str, Any], tmp_path: Path) -> None:
    """The key of the outer effect counts across runs, and so do its parts."""
    target = Target(*["second"] * 3)
    pair = pair_of(target, **recovery)
    with pytest.raises(RunFailed, match="busy"):
        run_step(pair, tmp_path, 7)
    assert states(tmp_path)["pair:7"] is S.UNKNOWN
    assert run_step(pair, tmp_path, 7) == 7
    assert target.done == ["first", "second"]
    assert states(tmp_path) == {"pair:7": S.DONE}


def test_outer_effect_without_performed_parts_is_released(tmp_path: Path) -> None:
    """Nothing has happened."""
    target = Target(*["first"] * 3)
    with pytest.raises(RunFailed, match="busy"):
        run_step(pair_of(target), tmp_path, 7)
    assert states(tmp_path) == {}


def test_unknown_part_leaves_one_question(tmp_path: Path) -> None:
    """The person decides on the outer effect."""
    target = Target(losses=("second",))
    with pytest.raises(RunFailed, match="pair:7"):
        run_step(pair_of(target), tmp_path, 7)
    assert [key for key, state in states(tmp_path).items() if state is S.IN_DOUBT] == ["pair:7"]
    assert target.done == ["first", "second"]


def test_unknown_part_prevents_a_release(tmp_path: Path) -> None:
    """The code hides it, and another error says that nothing was sent."""
    target = Target("second", losses=("first",))

    @ms.action(once="pair:{number}", retry=RETRY)
    def pair(number: int) -> None:
        with contextlib.suppress(TimeoutError):
            target.send("first")
        target.send("second")

    with pytest.raises(RunFailed, match="may or may not have happened"):
        run_step(pair, tmp_path, 7)
    assert target.done == ["first"]
    assert states(tmp_path)["pair:7"] is S.IN_DOUBT


def test_part_of_unknown_outcome_is_repeated_under_its_key_with_the_outer_effect(tmp_path: Path) -> None:
    """So keyed=True of the outer effect is true for a part that passes its own key."""
    target = Target(losses=("second",))
    assert run_step(pair_of(target, keyed=True), tmp_path, 7) == 7
    assert target.done == ["first", "second", "second"]
    first, second, again = target.keys
    assert first != second == again


def test_parts_have_parts(tmp_path: Path) -> None:
    """A part that was refused after its own first part continues, too."""
    target = Target("c")

    @ms.action()
    def inner() -> str:
        target.send("b")
        return str(target.send("c"))

    @ms.action(once="outer", retry=RETRY)
    def outer() -> str:
        target.send("a")
        return str(inner())

    assert run_step(outer, tmp_path) == "c"
    assert target.done == ["a", "b", "c"]
    assert states(tmp_path) == {"outer": S.DONE}


def test_part_with_other_arguments_is_an_error(tmp_path: Path) -> None:
    """The part may be the same one, with the time of the attempt."""
    target, times = Target("second"), iter(["10:00", "10:01"])

    @ms.action(once="pair", retry=RETRY)
    def pair() -> None:
        target.send(next(times))
        target.send("second")

    with pytest.raises(RunFailed, match="action 'send' had other arguments"):
        run_step(pair, tmp_path)
    assert target.done == ["10:00"]


def test_part_of_another_window_is_performed_again(tmp_path: Path) -> None:
    """The outer effect is a new one."""
    target = Target()

    @ms.action(once="alert", within="1ms")
    def alert() -> None:
        target.send("fire")

    run_step(alert, tmp_path)
    run_step(alert, tmp_path)
    assert target.done == ["fire", "fire"]
    assert len(set(target.keys)) == 2


def test_conflict_of_another_key_leaves_an_outer_effect_in_doubt(tmp_path: Path) -> None:
    """Its own code may have acted before, so a second run does not perform it again."""
    target, charges = Target(), []

    def charge() -> None:
        target.send("receipt")
        charges.append(1)
        ms.once("shared", target.perform, "mine")

    run_step(lambda: ms.once("shared", target.perform, "theirs"), tmp_path)
    for _ in range(2):
        with pytest.raises((RunFailed, MainspringError)):
            run_step(lambda: ms.once("order", charge), tmp_path)
    assert len(charges) == 1
    assert states(tmp_path)["order"] in (S.UNKNOWN, S.IN_DOUBT)
