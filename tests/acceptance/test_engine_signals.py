"""Signals of several names, and signals from one run to another, in a real engine."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.errors import ValueRefusedError
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.testing.clock import FakeClock
from tests.acceptance.engine_world import AT_ONCE, REPLAYING, World

pytestmark = [pytest.mark.asyncio, pytest.mark.parametrize("settings", [AT_ONCE, REPLAYING])]


@dataclass
class Payment:
    """A value of one of the signals."""

    amount: int


async def test_signals_of_several_names_come_in_their_order(tmp_path, settings):
    """Each with its name and its type; a name that is not awaited stays for a later wait."""
    with Registry() as registry:

        @ms.workflow
        async def mixed(run: ms.Run) -> list[list[Any]]:
            seen: list[list[Any]] = []
            await run.receive("go")
            while not seen or seen[-1][0] != "stop":
                name, value = await run.receive_any({"pay": Payment, "stop": str})
                seen.append([name, value.amount if isinstance(value, Payment) else value])
            return [*seen, ["note", await run.receive("note")]]

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(mixed)
        for name, value in (("pay", {"amount": 1}), ("note", "later"), ("pay", {"amount": 2}), ("stop", "done")):
            await run.signal(name, value)
        await run.signal("go")
        assert await run.result(60) == [["pay", 1], ["pay", 2], ["stop", "done"], ["note", "later"]]
        assert [outcome.name for outcome in engine.history(run).outcomes][1:4] == ["pay", "pay", "stop"]


async def test_value_that_fits_no_type_is_refused_at_its_sender(tmp_path, settings):
    """The types of all names are known while the run waits."""
    with Registry() as registry:

        @ms.workflow
        async def typed(run: ms.Run) -> int:
            _, payment = await run.receive_any({"pay": Payment, "refund": Payment})
            return payment.amount

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(typed)
        await engine.until(run, RunState.WAITING)
        with pytest.raises(ValueRefusedError, match="refund"):
            await run.signal("refund", {"amount": "much"})
        await run.signal("refund", {"amount": 3})
        assert await run.result(60) == 3


async def test_run_is_refused_a_value_that_the_receiver_cannot_read(tmp_path, settings):
    """By its id and by its key; the receiver continues to wait, and nothing is put aside."""
    with Registry() as registry:

        @ms.workflow
        async def typed(run: ms.Run) -> int:
            return (await run.receive("pay", Payment)).amount

        @ms.workflow
        async def sender(run: ms.Run, target: str) -> list[str]:
            reasons = []
            for receiver in (target, ("typed", "k")):
                try:
                    await run.signal(receiver, "pay", {"amount": "much"})
                except ms.StepFailed as error:
                    reasons.append(error.reason)
            await asyncio.gather(*(run.signal(target, "pay", {"amount": amount}) for amount in (3, 4)))
            return reasons

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.app.options(key="k").start(typed)
        await engine.until(run, RunState.WAITING)
        reasons = await (await engine.start(sender, run.id)).result(60)
        assert await run.result(60) == 3
        assert engine.history(run).rejected == []
    assert [reason.split(" cannot")[0] for reason in reasons] == [
        f"signal pay of run {run.id}",
        "signal pay of run typed[k]",
    ]
    assert all("much" not in reason or "amount" in reason for reason in reasons)


async def test_wait_for_any_of_several_ends_with_its_time(tmp_path, settings):
    """Both names are shown while it lasts."""
    clock = FakeClock()
    with Registry() as registry:

        @ms.workflow
        async def timed(run: ms.Run) -> str:
            try:
                await run.receive_any(["a", "b"], within="1h")
            except TimeoutError:
                return "late"
            return "in time"

    async with World(tmp_path, clock).engine(registry, settings) as engine:
        run = await engine.start(timed)
        await engine.when(
            lambda: engine.view(run).waiting_for or b"", lambda waits: b'"a"' in waits and b'"b"' in waits
        )
        await engine.pass_time(timedelta(hours=1))
        assert await run.result(60) == "late"


async def test_code_that_no_longer_awaits_a_name_drifts(tmp_path, settings):
    """The journal has a signal that it cannot read."""
    place = World(tmp_path)

    def made(*names: str) -> tuple[Registry, Any]:
        with Registry() as registry:

            @ms.workflow(name="narrowed")
            async def narrowed(run: ms.Run) -> None:
                await run.receive_any(names)
                await run.receive("end")

        return registry, narrowed

    registry, workflow = made("a", "b")
    async with place.engine(registry, settings) as engine:
        run = await engine.start(workflow)
        await run.signal("b", 1)
        await engine.when(lambda: engine.history(run).outcomes, bool)
        await engine.until(run, RunState.WAITING)
    async with place.engine(made("a")[0], settings) as engine:
        await engine.app.signal(run.id, "end")
        assert (await engine.until(run, RunState.NEEDS_ATTENTION)).reason == "drift"


async def test_run_signals_another_run_by_id_and_by_key(tmp_path, settings):
    """Each signal counts once; of a chain the newest run gets it; a missing run is an error that the code can catch."""
    with Registry() as registry:

        @ms.workflow
        async def receiver(run: ms.Run, seen: list[int]) -> list[int]:
            seen.append(await run.receive("number", int))
            if len(seen) < 3:
                run.restart(seen)
            return seen

        @ms.workflow
        async def sender(run: ms.Run, target: str) -> list[str]:
            errors = []
            await run.signal(target, "number", 1)
            await asyncio.gather(*(run.signal(("receiver", "k"), "number", number) for number in (2, 3)))
            for missing in ("r_none", ("receiver", "other")):
                try:
                    await run.signal(missing, "number", 0)
                except ms.StepFailed as error:
                    errors.append(error.reason)
            return errors

    async with World(tmp_path).engine(registry, settings) as engine:
        target = await engine.app.options(key="k").start(receiver, [])
        run = await engine.start(sender, target.id)
        errors = await run.result(60)
        assert await target.result(60) == [1, 2, 3]
        kinds = [outcome.kind for outcome in engine.history(run).outcomes]
    assert [error.split(" ")[:2] for error in errors] == [["there", "is"], ["no", "run"]]
    assert kinds == ["send"] * 5


async def test_signal_of_a_killed_worker_counts_once(tmp_path, settings):
    """It was delivered, and its outcome was not saved."""
    place = World(tmp_path)
    with Registry() as registry:

        @ms.workflow
        async def receiver(run: ms.Run) -> list[Any]:
            first = await run.receive("number")
            return [first, await run.receive_any(["number", "end"])]

        @ms.workflow
        async def sender(run: ms.Run, target: str) -> None:
            await run.receive("go")
            await run.signal(target, "number", 1)

    async with place.engine(registry, settings) as first:
        target = await first.start(receiver)
        run = await first.start(sender, target.id)
        await first.until(run, RunState.WAITING)
        submit = first.working.store.submit

        def lose_outcome(command: Any, on_done: Any) -> None:
            if getattr(command, "kind", None) != "send":
                submit(command, on_done)

        first.working.worker.store.submit = lose_outcome  # type: ignore[method-assign]
        await first.app.signal(run.id, "go")
        await first.when(lambda: first.view(target).claim, lambda claim: claim > 1)
        dead = first.working.store.session
        await first.die()
    async with place.engine(registry, settings) as second:
        await place.declare_dead(second, dead)
        await second.until(run.id, RunState.SUCCEEDED)
        await second.app.signal(target.id, "end", "over")
        assert await second.app.handle(target.id).result(60) == [1, ["end", "over"]]


async def test_types_of_one_name_are_known_from_all_its_waits(tmp_path, settings):
    """A value that only the other wait can read is not refused."""
    with Registry() as registry:

        @ms.workflow
        async def two_types(run: ms.Run) -> list[Any]:
            first = await run.receive("pay", int)
            return [first, await run.receive_any({"pay": str, "refund": Payment})]

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(two_types)
        await run.signal("pay", 1)
        await run.signal("pay", "ok")
        assert await run.result(60) == [1, ["pay", "ok"]]
        later = await engine.start(two_types)
        with pytest.raises(ValueRefusedError, match="refund"):
            await later.signal("refund", {"amount": "much"})


async def test_bad_calls_are_refused(tmp_path, settings):
    """No name, a text in place of a list, an empty name of a signal."""
    with Registry() as registry:

        @ms.workflow
        async def refused(run: ms.Run, case: str) -> None:
            match case:
                case "none":
                    await run.receive_any([])
                case "text":
                    await run.receive_any("go")
                case _:
                    await run.signal(run.id, "")

    async with World(tmp_path).engine(registry, settings) as engine:
        for case, text in (("none", "names of signals"), ("text", "names of signals"), ("empty", "name of a signal")):
            with pytest.raises(ms.RunFailed, match=text):
                await (await engine.start(refused, case)).result(60)
