"""Updates of runs in a real engine: requests that get a reply, each applied once."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.errors import ArgumentError, ConflictError, OptionError
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import OutcomeState, RunState, UpdateState
from mainspring.engine.definitions.registry import Registry
from mainspring.service.runs import run_recovery
from tests.acceptance.engine_world import AT_ONCE, REPLAYING, World
from tests.acceptance.sealing_codec import codec

pytestmark = [pytest.mark.asyncio, pytest.mark.parametrize("settings", [AT_ONCE, REPLAYING])]


@dataclass
class Receipt:
    """A reply."""

    amount: int


@dataclass
class WiderReceipt:
    """The same reply in later code."""

    amount: int
    tip: int = 0


def note(text: str) -> str:
    """A step."""
    return text


class Account:
    """The automations of these tests, and what their steps did."""

    def __init__(self) -> None:
        self.booked: list[int] = []
        self.entered, self.open = asyncio.Event(), asyncio.Event()
        self.open.set()
        self.factor = 1
        with Registry() as self.registry:

            @ms.workflow
            async def account(run: ms.Run, balance: int = 100) -> int:
                return await self.serve(run, balance)

            @ms.workflow
            async def later(run: ms.Run) -> str:
                return await self.register_later(run)

            @ms.workflow
            async def once(run: ms.Run) -> str:
                return await self.end_at_once(run)

            @ms.workflow
            async def chain(run: ms.Run, part: int = 1) -> int:
                return await self.restart_once(run, part)

            @ms.workflow
            async def two(run: ms.Run) -> list[int]:
                return await self.two_steps(run)

            @ms.task
            def job() -> None:
                pass

        self.workflow, self.later, self.once, self.chain, self.two, self.task = account, later, once, chain, two, job

    async def book(self, amount: int) -> int:
        self.entered.set()
        await self.open.wait()
        self.booked.append(amount)
        return amount

    async def serve(self, run: ms.Run, balance: int) -> int:
        closed = asyncio.Event()

        def is_covered(amount: int) -> None:
            if amount > balance:
                raise ms.Permanent(f"only {balance} left")

        @run.on_update("withdraw", validate=is_covered)
        async def withdraw(amount: int) -> int:
            nonlocal balance
            balance -= amount
            await run.step(self.book, amount)
            return balance * self.factor

        @run.on_update("balance")
        def read_balance() -> int:
            return balance

        @run.on_update("break")
        def break_it(reason: str) -> None:
            raise ValueError(reason)

        @run.on_update("end")
        def end() -> None:
            run.restart()

        @run.on_update("close")
        def close() -> str:
            closed.set()
            return "closed"

        await closed.wait()
        return balance

    async def register_later(self, run: ms.Run) -> str:
        await run.receive("go")

        @run.on_update("hello")
        async def hello(name: str) -> str:
            return f"hello {name}"

        await run.receive("stop")
        return "stopped"

    async def end_at_once(self, run: ms.Run) -> str:
        @run.on_update("work")
        async def work(amount: int) -> int:
            return await run.step(self.book, amount)

        await run.receive("stop")
        return "stopped"

    async def restart_once(self, run: ms.Run, part: int) -> int:
        if part == 2:

            @run.on_update("second")
            def second() -> int:
                return part

        @run.on_update("any")
        async def first(amount: int) -> list[int]:
            return [part, await run.step(self.book, amount)]

        await run.receive("next")
        if part == 1:
            await run.updates_done()
            run.restart(2)
        return part

    async def two_steps(self, run: ms.Run) -> list[int]:
        seen: list[int] = []

        @run.on_update("see")
        def note(number: int) -> int:
            seen.append(number)
            return len(seen)

        await run.receive("first")
        await run.step(self.book, 0)
        await run.receive("second")
        if self.factor == 1:
            raise ms.Permanent("not yet")
        return seen


async def until_waiting_for(engine: Any, run: ms.Handle, word: bytes) -> None:
    await engine.when(lambda: engine.view(run).waiting_for or b"", lambda waits: word in waits)


def kinds(engine: Any, run: ms.Handle) -> list[tuple[OutcomeKind, str]]:
    return [(outcome.kind, outcome.ident) for outcome in engine.history(run).outcomes]


async def test_reply_is_what_the_handler_returns_and_the_run_continues(tmp_path, settings):
    """The run waits between the updates without memory, and each reply is saved with its step."""
    world = Account()
    async with World(tmp_path).engine(world.registry, settings) as engine:
        run = await engine.start(world.workflow)
        assert await run.update("withdraw", 30) == 70
        await engine.until(run, RunState.WAITING)
        assert await run.update("withdraw", 20, type=int) == 50
        assert await run.update("balance") == 50
        assert await run.update("close") == "closed"
        assert await run.result(60) == 50
    assert world.booked == [30, 20]


async def test_rejection_is_a_reply_and_in_no_journal(tmp_path, settings):
    """A check of the code and a value of another type reject alike; nothing runs."""
    world = Account()
    async with World(tmp_path).engine(world.registry, settings) as engine:
        run = await engine.start(world.workflow)
        with pytest.raises(ms.UpdateRejected, match="only 100 left") as checked:
            await run.update("withdraw", 101)
        with pytest.raises(ms.UpdateRejected, match="Expected `int`, got `str`"):
            await run.update("withdraw", "many")
        with pytest.raises(ms.UpdateRejected, match="takes no value"):
            await run.update("balance", 1)
        assert kinds(engine, run) == []
        assert {update.state for update in engine.history(run).updates} == {UpdateState.REJECTED}
        await run.update("close")
    assert isinstance(checked.value.__cause__, Exception)
    assert world.booked == []


async def test_check_sees_what_earlier_updates_changed(tmp_path, settings):
    """Of ten requests at the same time only those are accepted that the balance covers."""
    world = Account()
    async with World(tmp_path).engine(world.registry, settings) as engine:
        run = await engine.start(world.workflow)
        replies = await asyncio.gather(*(run.update("withdraw", 30) for _ in range(10)), return_exceptions=True)
        assert sum(not isinstance(reply, Exception) for reply in replies) == 3
        assert await run.update("balance") == 10
        await run.update("close")
    assert world.booked == [30, 30, 30]


async def test_error_of_a_handler_is_the_reply_and_not_the_end_of_the_run(tmp_path, settings):
    """The caller gets type, words and place; an attempt to end the run there is such an error, too."""
    world = Account()
    async with World(tmp_path).engine(world.registry, settings) as engine:
        run = await engine.start(world.workflow)
        with pytest.raises(ms.UpdateFailed, match="no reason") as failed:
            await run.update("break", "no reason")
        with pytest.raises(ms.UpdateFailed, match="cannot end its run"):
            await run.update("end")
        await run.update("close")
        assert await run.result(60) == 100
    assert isinstance(failed.value.__cause__, ValueError)
    assert not isinstance(failed.value, ms.UpdateRejected)


async def test_update_waits_for_its_handler(tmp_path, settings):
    """It came before the code registered its name."""
    world = Account()
    async with World(tmp_path).engine(world.registry, settings) as engine:
        run = await engine.start(world.later)
        early = asyncio.create_task(run.update("hello", "ann"))
        await engine.when(lambda: engine.history(run).updates, bool)
        await engine.until(run, RunState.WAITING)
        assert engine.history(run).updates[0].state is UpdateState.RECEIVED
        await run.signal("go")
        assert await early == "hello ann"
        await run.signal("stop")
        assert await run.result(60) == "stopped"


async def test_misspelt_update_is_named_with_the_handlers(tmp_path, settings):
    """The caller stops to wait, and learns what the run receives."""
    world = Account()
    async with World(tmp_path).engine(world.registry, settings) as engine:
        run = await engine.start(world.workflow)
        await until_waiting_for(engine, run, b"balance")
        with pytest.raises(
            TimeoutError, match="no handler of this name: it receives balance, break, close, end, withdraw"
        ):
            await run.update("blance", timeout=0.2)
        await run.update("close")


async def test_return_waits_for_accepted_handlers_and_refuses_the_rest(tmp_path, settings):
    """The run ends after the handler that runs; an update without a handler gets RunEnded in the commit of the end."""
    world = Account()
    world.open.clear()
    async with World(tmp_path).engine(world.registry, settings) as engine:
        run = await engine.start(world.once)
        accepted = asyncio.create_task(run.update("work", 5))
        unknown = asyncio.create_task(run.update("wrok", 5))
        await world.entered.wait()
        await engine.when(lambda: engine.history(run).updates, lambda updates: len(updates) == 2)
        await run.signal("stop")
        await engine.when(lambda: kinds(engine, run), lambda seen: (OutcomeKind.SIGNAL, "stop#1") in seen)
        assert engine.view(run).state is not RunState.SUCCEEDED
        world.open.set()
        assert await accepted == 5
        with pytest.raises(ms.RunEnded, match="ended before it replied"):
            await unknown
        assert await run.result(60) == "stopped"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
async def test_odd_error_of_a_handler_is_the_reply(tmp_path, settings, error):
    """It ends neither the run nor the worker, before and after an await."""
    with Registry() as registry:

        @ms.workflow
        async def odd(run: ms.Run) -> str:
            @run.on_update("at once")
            def raise_it() -> None:
                raise error

            @run.on_update("later")
            async def raise_it_later() -> None:
                await run.step(note, "x")
                raise error

            return await run.receive("stop", str)

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(odd)
        for name in ("at once", "later"):
            with pytest.raises(ms.UpdateFailed, match=type(error).__name__):
                await run.update(name)
        await run.signal("stop", "stopped")
        assert await run.result(60) == "stopped"


async def test_handler_that_can_never_end_does_not_stop_the_end_of_its_run(tmp_path, settings):
    """It waits for something that no outcome brings: it is cancelled with the other tasks, and its caller learns that the run ended."""
    with Registry() as registry:

        @ms.workflow
        async def patient(run: ms.Run) -> str:
            never = asyncio.Event()
            run.on_update("wait")(never.wait)
            await run.receive("stop")
            return "stopped"

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(patient)
        stuck = asyncio.create_task(run.update("wait"))
        await engine.when(lambda: kinds(engine, run), lambda seen: (OutcomeKind.UPDATE, "update:wait#1") in seen)
        await run.signal("stop")
        assert await run.result(60) == "stopped"
        with pytest.raises((ms.RunEnded, ms.UpdateFailed)):
            await stuck


async def test_bad_request_is_refused_at_its_sender(tmp_path, settings):
    """An empty id, a name that no handler can have, a timeout that is no number: nothing is sent."""
    world = Account()
    async with World(tmp_path).engine(world.registry, settings) as engine:
        run = await engine.start(world.once)
        for name, options, message in (
            ("work", {"id": ""}, "the id of an update"),
            ("", {}, "the name of an update"),
            ("work#1", {}, "no handler has such a name"),
            ("work", {"timeout": "5s"}, "expected a number of seconds"),
            ("work", {"timeout": True}, "expected a number of seconds"),
        ):
            with pytest.raises((ArgumentError, OptionError), match=message):
                await run.update(name, 5, **options)
        assert engine.working.store.reader.read_text("select count(*) from run_updates", ()) == [(0,)]
        await run.signal("stop")
        assert await run.result(60) == "stopped"


async def test_restart_takes_updates_along_and_completes_accepted_ones_first(tmp_path, settings):
    """The successor replies to what the first run had no handler for."""
    world = Account()
    world.open.clear()
    async with World(tmp_path).engine(world.registry, settings) as engine:
        run = await engine.start(world.chain)
        accepted = asyncio.create_task(run.update("any", 7, id="first"))
        waiting = asyncio.create_task(run.update("second"))
        await world.entered.wait()
        await engine.when(lambda: engine.history(run).updates, lambda updates: len(updates) == 2)
        await run.signal("next")
        await engine.when(lambda: kinds(engine, run), lambda seen: (OutcomeKind.SIGNAL, "next#1") in seen)
        world.open.set()
        assert await accepted == [1, 7]
        assert await waiting == 2
        assert await run.update("any", 7, id="first") == [
            1,
            7,
        ]  # the same update, although another run has the work now
        assert await run.update("any", 8, id="next") == [2, 8]
        await run.signal("next")
        assert await run.result(60) == 2
    assert world.booked == [7, 8]


async def test_restart_while_a_handler_runs_is_refused(tmp_path, settings):
    """What the handler changes would be lost; the error names the call that waits for it."""
    entered, opened = asyncio.Event(), asyncio.Event()

    async def pass_through(number: int) -> int:
        entered.set()
        await opened.wait()
        return number

    with Registry() as registry:

        @ms.workflow
        async def hasty(run: ms.Run, total: int = 0) -> int:
            @run.on_update("add")
            async def add(number: int) -> int:
                return total + await run.step(pass_through, number)

            await run.receive("next")
            run.restart(total)

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(hasty)
        lost = asyncio.create_task(run.update("add", 1))
        await entered.wait()
        await run.signal("next")
        with pytest.raises(ms.RunFailed, match=r"(?s)what they change would be lost.*updates_done"):
            await run.result(60)
        with pytest.raises(ms.RunEnded):
            await lost
        opened.set()


async def test_updates_that_arrive_while_a_run_waits_for_its_handlers_are_for_the_next_run(tmp_path, settings):
    """A busy run does restart: it accepts none before that."""
    world = Account()
    world.open.clear()
    async with World(tmp_path).engine(world.registry, settings) as engine:
        run = await engine.start(world.chain)
        accepted = asyncio.create_task(run.update("any", 1))
        await world.entered.wait()
        await run.signal("next")
        await engine.when(lambda: kinds(engine, run), lambda seen: (OutcomeKind.SIGNAL, "next#1") in seen)
        later = asyncio.create_task(run.update("any", 2))
        await engine.when(lambda: engine.history(run).updates, lambda updates: len(updates) == 2)
        world.open.set()
        assert (await accepted, await later) == ([1, 1], [2, 2])


async def test_signals_that_came_before_an_update_are_received_first(tmp_path, settings):
    """Also after the run was loaded from the store: a loop over signals gets all of them before the handler starts."""
    with Registry() as registry:

        @ms.workflow
        async def ordered(run: ms.Run) -> list[int]:
            seen: list[int] = []
            run.on_update("seen")(lambda: list(seen))
            await run.receive("go")
            while True:
                _, number = await run.receive_any(["number", "other"])
                if number < 0:
                    return seen
                seen.append(number)

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(ordered)
        await engine.until(run, RunState.WAITING)
        await engine.app.pause(run.id)
        for name, value in (("go", None), ("number", 1), ("other", 2), ("number", 3)):
            await run.signal(name, value)
        reply = asyncio.create_task(run.update("seen"))
        await engine.when(lambda: engine.history(run).updates, bool)
        await engine.app.resume(run.id)
        assert await reply == [1, 2, 3]
        await run.signal("number", -1)
        assert await run.result(60) == [1, 2, 3]


@pytest.mark.parametrize("kind", ["query", "check"])
async def test_code_that_only_reads_cannot_spoil_its_run(tmp_path, settings, kind):
    """It set an event in part before it was refused: the run is loaded again from its journal."""
    with Registry() as registry:

        @ms.workflow
        async def waits(run: ms.Run) -> str:
            done = asyncio.Event()
            run.on_query("wake")(done.set)
            run.on_update("end")(done.set)
            run.on_update("checked", validate=done.set)(lambda: 1)
            await done.wait()
            return "over"

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(waits)
        await engine.until(run, RunState.WAITING)
        with pytest.raises((ms.QueryFailed, ms.UpdateRejected), match="only read the state"):
            await (run.query("wake") if kind == "query" else run.update("checked"))
        assert await run.update("end") is None
        assert await run.result(60) == "over"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
async def test_odd_errors_of_a_check_reject(tmp_path, settings, error):
    """They end neither the run nor its worker; in a handler they are the reply or end with its task."""
    with Registry() as registry:

        @ms.workflow
        async def odd(run: ms.Run) -> str:
            def check(number: int) -> None:
                if number == 1:
                    raise error
                if number == 2:
                    run.restart()

            run.on_update("odd", validate=check)(lambda number: number)
            await run.receive("stop")
            return "stopped"

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(odd)
        for number in (1, 2):
            with pytest.raises(ms.UpdateRejected):
                await run.update("odd", number)
        assert await run.update("odd", 3) == 3
        await run.signal("stop")
        assert await run.result(60) == "stopped"


async def test_reply_with_a_new_field_is_the_same_reply(tmp_path, settings):
    """A default fills what the saved reply lacks; another class of error and a value in place of an error are drift."""
    place = World(tmp_path)

    def made(receipt: type, error: type[Exception] | None) -> tuple[Registry, Any]:
        with Registry() as registry:

            @ms.workflow(name="receipts")
            async def receipts(run: ms.Run) -> None:
                @run.on_update("pay")
                def pay(amount: int) -> receipt:  # type: ignore[valid-type]
                    return receipt(amount)

                @run.on_update("fail")
                def fail() -> int:
                    if error is None:
                        return 1
                    raise error("words may change")

                await run.receive("stop")

        return registry, receipts

    registry, workflow = made(Receipt, ValueError)
    async with place.engine(registry, settings) as engine:
        run = await engine.start(workflow)
        assert await run.update("pay", 5) == {"amount": 5}
        with pytest.raises(ms.UpdateFailed):
            await run.update("fail")
        await engine.until(run, RunState.WAITING)
    for error in (None, KeyError):
        async with place.engine(made(WiderReceipt, error)[0], settings) as engine:
            with pytest.raises(ms.RunFailed, match="handler of update 'fail' returns another reply"):
                await engine.app.handle(run.id).update("pay", 6, id=str(error))
            assert engine.view(run).failed_ident == "update:fail#1/reply"
    async with place.engine(made(WiderReceipt, ValueError)[0], settings) as engine:
        await engine.app.retry(run.id)
        assert await engine.app.handle(run.id).update("pay", 7, id="last") == {"amount": 7, "tip": 0}


async def test_updates_handed_over_again_wait_for_the_step_that_they_followed(tmp_path, settings):
    """The handler uses its result, as it did before."""
    calls: list[str] = []

    async def load() -> int:
        calls.append("load")
        return 42

    with Registry() as registry:

        @ms.workflow
        async def after_step(run: ms.Run) -> int:
            value: int | None = None

            @run.on_update("get")
            def get() -> int:
                assert value is not None
                return value

            value = await run.step(load)
            await run.receive("stop")
            if len(calls) == 1:
                raise ms.Permanent("once more")
            return value

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(after_step)
        await until_waiting_for(engine, run, b"stop")
        assert await run.update("get") == 42
        await run.signal("stop")
        await engine.until(run, RunState.FAILED)
        await engine.act(run_recovery.retry_from, run.id, "load")
        await run.signal("stop")
        assert await run.result(60) == 42
        counted = {outcome.ident: outcome for outcome in engine.history(run).outcomes if outcome.superseded is None}
        assert list(counted)[:2] == ["load#1", "update:get#2"]
        assert counted["update:get#2/reply"].state is OutcomeState.SUCCEEDED


async def test_same_id_is_the_same_update(tmp_path, settings):
    """It is applied once, and its reply is there after the end of the run; another value under the id is an error."""
    world = Account()
    async with World(tmp_path).engine(world.registry, settings) as engine:
        run = await engine.start(world.workflow)
        replies = await asyncio.gather(*(run.update("withdraw", 40, id="w1") for _ in range(3)))
        assert replies == [60, 60, 60]
        with pytest.raises(ConflictError, match="was used for another update"):
            await run.update("withdraw", 41, id="w1")
        with pytest.raises(ConflictError, match="was used for another update"):
            await run.update("balance", id="w1")
        await run.update("close")
        await run.result(60)
        assert await run.update("withdraw", 40, id="w1") == 60
        with pytest.raises(ConflictError, match="is succeeded"):
            await run.update("withdraw", 1)
        job = await engine.start(world.task)
        with pytest.raises(ConflictError, match="only a workflow receives updates"):
            await job.update("withdraw", 1)
    assert world.booked == [40]


async def test_cancelled_run_replies_that_it_ended(tmp_path, settings):
    """Neither the accepted update nor its caller hangs."""
    world = Account()
    world.open.clear()
    async with World(tmp_path).engine(world.registry, settings) as engine:
        run = await engine.start(world.workflow)
        accepted = asyncio.create_task(run.update("withdraw", 1))
        await world.entered.wait()
        await engine.app.cancel(run.id)
        with pytest.raises(ms.RunEnded):
            await accepted
        assert (await engine.until(run, RunState.CANCELLED)).state is RunState.CANCELLED
        world.open.set()


async def test_dead_worker_loses_no_update_and_repeats_none(tmp_path, settings):
    """Another worker continues the handler that ran, and replies to what waited."""
    world = Account()
    world.open.clear()
    place = World(tmp_path)
    async with place.engine(world.registry, settings) as first:
        run = await first.start(world.workflow)
        await first.app.do(lambda engine, *, act: engine.request_update(run.id, "balance", act=act, request_id="b"))
        await first.when(
            lambda: first.history(run).updates, lambda updates: updates and updates[0].state is UpdateState.DONE
        )
        await first.app.do(lambda engine, *, act: engine.request_update(run.id, "withdraw", 9, act=act, request_id="w"))
        await world.entered.wait()
        dead = first.working.store.session
        await first.die()
    world.open.set()
    async with place.engine(world.registry, settings) as second:
        await place.declare_dead(second, dead)
        handle = second.app.handle(run.id)
        assert await handle.update("withdraw", 9, id="w") == 91
        assert await handle.update("balance", id="b") == 100
        await handle.update("close")
        assert await handle.result(60) == 91
    assert world.booked == [9]


async def test_retry_from_a_step_hands_later_updates_over_again(tmp_path, settings):
    """They come in their order; the replies that were given stay, and are marked."""
    world = Account()
    async with World(tmp_path).engine(world.registry, settings) as engine:
        run = await engine.start(world.two)
        assert await run.update("see", 1, id="a") == 1
        await run.signal("first")
        await until_waiting_for(engine, run, b"second")
        assert [await run.update("see", number, id=name) for number, name in ((2, "b"), (3, "c"))] == [2, 3]
        await run.signal("second")
        await engine.until(run, RunState.FAILED)
        world.factor = 2
        await engine.act(run_recovery.retry_from, run.id, "book")
        await engine.when(
            lambda: engine.history(run).outcomes,
            lambda done: sum(o.kind is OutcomeKind.REPLY and o.superseded is None for o in done) == 3,
        )
        await run.signal("second")
        assert await run.result(60) == [1, 2, 3]
        updates = {update.request_id: update for update in engine.history(run).updates}
        assert [(u.state, u.superseded) for u in (updates["a"], updates["b"], updates["c"])] == [
            (UpdateState.DONE, None),
            (UpdateState.DONE, 1),
            (UpdateState.DONE, 1),
        ]
        assert await run.update("see", 2, id="b") == 2


async def test_another_reply_in_a_replay_is_drift(tmp_path, settings):
    """A reply was given: code that would give another one stops for a person, who may accept it."""
    world = Account()
    place = World(tmp_path)
    async with place.engine(world.registry, settings) as engine:
        run = await engine.start(world.workflow)
        assert await run.update("withdraw", 10) == 90
        await engine.until(run, RunState.WAITING)
    world.factor = 2
    async with place.engine(world.registry, settings) as engine:
        handle = engine.app.handle(run.id)
        with pytest.raises(ms.RunFailed, match="needs_attention"):
            await handle.update("balance", id="b")
        view = engine.view(run)
        assert (view.reason, view.failed_ident) == ("drift", "update:withdraw#1/reply")
        await engine.act(run_recovery.accept_drift, run.id, step="update:withdraw#1/reply")
        assert await handle.update("balance", id="b") == 90


async def test_removed_handler_of_an_accepted_update_is_drift(tmp_path, settings):
    """The journal has an update that the code cannot handle any more."""
    place = World(tmp_path)

    def registry(name: str) -> tuple[Registry, Any]:
        with Registry() as made:

            @ms.workflow(name="renamed")
            async def renamed(run: ms.Run) -> None:
                run.on_update(name)(lambda: 1)
                await run.receive("stop")

        return made, renamed

    made, workflow = registry("old")
    async with place.engine(made, settings) as engine:
        run = await engine.start(workflow)
        assert await run.update("old") == 1
        await engine.until(run, RunState.WAITING)
    async with place.engine(registry("new")[0], settings) as engine:
        await engine.app.signal(run.id, "stop")
        view = await engine.until(run, RunState.NEEDS_ATTENTION)
        assert view.reason == "drift"
        assert "@run.on_update('old')" in view.failure.message


async def test_check_that_changes_something_rejects(tmp_path, settings):
    """It reads the state of the workflow: a call of run.*, a new task and a wake-up are refused, and the run is unharmed."""
    with Registry() as registry:

        @ms.workflow(name="checked")
        async def checked(run: ms.Run) -> str:
            event = asyncio.Event()

            def call(_: int) -> None:
                run.step(print, "x").close()

            def wake(_: int) -> None:
                event.set()

            def spawn(_: int) -> None:
                asyncio.get_running_loop().create_task(asyncio.sleep(0))

            for name, check in (("call", call), ("wake", wake), ("spawn", spawn)):
                run.on_update(name, validate=check)(lambda number: number)
            waiting = asyncio.create_task(event.wait())
            await run.receive("stop")
            return str(waiting.done())

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(checked)
        for name in ("call", "wake", "spawn"):
            with pytest.raises(ms.UpdateRejected, match=r"only read the state|only in its own workflow body"):
                await run.update(name, 1)
        await run.signal("stop")
        assert await run.result(60) == "False"


async def test_sealed_updates_show_no_value(tmp_path, settings):
    """Value, reply and error are sealed in the store, and opened for the caller."""
    world = Account()
    async with World(tmp_path).engine(world.registry, settings, codec=codec) as engine:
        run = await engine.start(world.workflow)
        assert await run.update("withdraw", 37) == 63
        with pytest.raises(ms.UpdateFailed, match="swordfish"):
            await run.update("break", "swordfish")
        await run.update("close")
        await run.result(60)
    assert b"swordfish" not in (tmp_path / "state.db").read_bytes()


async def test_fork_repeats_inherited_updates_and_replies_to_none(tmp_path, settings):
    """It has the state that they made, and an update of its own."""
    world = Account()
    async with World(tmp_path).engine(world.registry, settings) as engine:
        run = await engine.start(world.two)
        await run.update("see", 1)
        await run.signal("first")
        await until_waiting_for(engine, run, b"second")
        await run.update("see", 2)
        await run.signal("second")
        await engine.until(run, RunState.FAILED)
        world.factor = 2
        fork = await engine.app.fork(run.id, "book")
        await fork.update("see", 5)
        await fork.signal("second")
        assert await fork.result(60) == [1, 5]
        assert len(engine.history(fork).updates) == 1


async def test_start_with_update_is_one_commit(tmp_path, settings):
    """The first request creates the run of its key, later ones find it; an ended run is an error, and no new start."""
    world = Account()
    async with World(tmp_path).engine(world.registry, settings) as engine:
        starter = engine.app.options(key="a7")
        first, reply = await starter.start_with_update(ms.Update("withdraw", 1), world.workflow, 50)
        second, again = await starter.start_with_update(ms.Update("withdraw", 2, id="x"), world.workflow, 50)
        _, repeated = await starter.start_with_update(ms.Update("withdraw", 2, id="x"), world.workflow, 50)
        assert (first.created, reply, second.id, second.created, again, repeated) == (True, 49, first.id, False, 47, 47)
        with pytest.raises(ms.UpdateRejected):
            await starter.start_with_update(ms.Update("withdraw", 1_000), world.workflow, 50)
        await first.update("close")
        await first.result(60)
        with pytest.raises(ConflictError, match="is succeeded"):
            await starter.start_with_update(ms.Update("withdraw", 1), world.workflow, 50)
        assert await engine.app.runs.count(name="account") == 1


async def test_reply_that_cannot_be_saved_is_an_error_for_its_caller(tmp_path, settings):
    """The run continues, and the error names the reply."""
    with Registry() as registry:

        @ms.workflow(name="odd")
        async def odd(run: ms.Run) -> None:
            run.on_update("odd")(lambda: object())
            await run.receive("stop")

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(odd)
        with pytest.raises(ms.UpdateFailed, match="reply to update odd"):
            await run.update("odd")
        await run.signal("stop")
        assert await run.result(60) is None
        assert engine.history(run).outcomes[1].state is OutcomeState.FAILED
