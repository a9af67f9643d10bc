"""What a body may ask and what it is refused; how it meets a history that another release of its code has written."""

import asyncio
import concurrent.futures
import socket
import subprocess
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.domain.errors import BodyError, OutsideStepError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import permanent
from mainspring.domain.runs.journal import Outcome, OutcomeKind
from mainspring.domain.states import OutcomeState
from mainspring.domain.values.codec import encode
from mainspring.engine.body.programs import Program
from mainspring.engine.definitions.automation import Step
from mainspring.engine.driver.run_end import build_run_end
from tests.unit.engine.body_programs import work
from tests.unit.engine.body_world import Life, World, new_body

NAMES = st.permutations("abcdefgh").flatmap(lambda names: st.integers(1, 8).map(lambda n: list(names[:n])))


def sequence(names, inputs=None):
    async def main(run, trace):
        for name in names:
            trace.append(await run.options(name=name).step(work, (inputs or {}).get(name, name)))
        return trace[-1] if trace else None

    return main


@given(names=NAMES, cut=st.integers(0, 8), at=st.integers(0, 8), data=st.data())
@settings(max_examples=100)
def test_a_step_that_is_added_moved_or_removed_leaves_the_others_their_outcomes(names, cut, at, data):
    """With another release's order of steps, only what was never committed is executed; what is no longer asked for is listed."""
    journal = World(1, stops=False).live(sequence(names)).journal[:cut]
    changed = list(names)
    match data.draw(st.sampled_from(["add", "remove", "move"])):
        case "add":
            changed.insert(at, "new")
        case "remove":
            changed.pop(at % len(changed))
        case "move":
            changed.insert(at, changed.pop(at % len(changed)))
    again = World(2, stops=False).live(sequence(changed), journal)
    committed = {o.ident for o in journal}
    assert set(again.executed) == {f"{name}#1" for name in changed} - committed
    assert set(again.body.unclaimed) == committed - {f"{name}#1" for name in changed}
    assert again.trace == [f"{name}#1 done" for name in changed]


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_another_input_of_a_saved_step_is_drift(cut):
    """The step and the difference are named, and nothing after it is handed over."""
    names = ["a", "b", "c"]
    journal = World(1, stops=False).live(sequence(names)).journal[:cut]
    again = World(2, stops=False).live(sequence(names, {names[cut - 1]: "other"}), journal)
    drift = again.body.drift
    assert drift is not None
    assert drift.ident == f"{names[cut - 1]}#1"
    assert [(c.was, c.now) for c in drift.changes] == [(f'"{names[cut - 1]}"', '"other"')]
    assert not again.executed
    assert len(again.trace) == cut - 1


def test_a_drift_that_two_branches_show_is_reported_once():
    """Only the first difference counts; the body is stuck from then on."""

    def main_with(text):
        async def main(run, trace):
            return await asyncio.gather(run.options(name="a").step(work, text), run.options(name="b").step(work, text))

        return main

    journal = World(1, stops=False).live(main_with("old")).journal
    again = World(2, stops=False).live(main_with("new"), journal)
    assert again.body.drift.ident == "a#1"
    assert not again.body.done


def test_a_step_called_directly_from_the_body_is_refused():
    """A decorated step does not run where no journal would see it, also in tasks of the body."""
    called = []
    plain = Step(lambda: called.append(1), {"name": "pay"})

    async def inner():
        return plain()

    async def main(run, trace):
        for call in (inner, lambda: asyncio.create_task(inner())):
            with pytest.raises(OutsideStepError, match="pay"):
                await call()
        return "refused"

    assert World(1).live(main).end == ("result", "'refused'")
    assert not called


async def _thread():
    return await asyncio.to_thread(print, 1)


async def _connect():
    return await asyncio.open_connection("127.0.0.1", 1)


async def _resolve():
    return await asyncio.get_running_loop().getaddrinfo("localhost", 80)


async def _process():
    return await asyncio.create_subprocess_exec("true")


async def _raw_socket():
    with socket.socket() as made:
        made.setblocking(False)
        return await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", 1))


async def _own_thread():
    threading.Thread(target=print).start()


async def _pool():
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pool.submit(print)


async def _own_process():
    subprocess.run(["true"], check=True)


async def _own_socket():
    with socket.socket() as made:
        made.connect(("127.0.0.1", 1))


async def _executor():
    return await asyncio.get_running_loop().run_in_executor(None, print)


async def _signals():
    asyncio.get_running_loop().add_signal_handler(1, print)


@pytest.mark.parametrize(
    "reach",
    [
        _thread,
        _connect,
        _resolve,
        _process,
        _raw_socket,
        _executor,
        _signals,
        _own_thread,
        _pool,
        _own_process,
        _own_socket,
    ],
)
def test_reaching_outside_is_refused_with_the_form_to_use(reach):
    """Threads, sockets, processes and signals raise at the call, and the error shows how it is written."""

    async def main(run, trace):
        with pytest.raises(BodyError, match=r"run\.step\(function"):
            await reach()
        return "refused"

    assert World(1).live(main).end == ("result", "'refused'")


def test_a_body_that_awaits_a_future_of_its_own_is_stuck():
    """No one can give it that; it is distinguished from a body that waits for a request."""

    async def main(run, trace):
        await run.step(work, "first")
        await asyncio.get_running_loop().create_future()

    assert World(1, stops=False).live(main).end == "stuck"


def test_a_body_that_awaits_a_thread_of_its_own_is_stuck():
    """A future of another thread never reaches the body, and its thread is not broken by that."""
    outside: concurrent.futures.Future[int] = concurrent.futures.Future()

    async def main(run, trace):
        await asyncio.wrap_future(outside)

    assert World(1, stops=False).live(main).end == "stuck"


def test_other_code_may_use_calls_refused_to_a_body():
    """Only the thread that drives a body is looked at, and only while it does."""
    done = []

    async def main(run, trace):
        allowed.set()
        assert ended.wait(10)
        return "driven"

    def sibling_tasks():
        allowed.wait(10)
        inner = threading.Thread(target=done.append, args=(1,))
        inner.start()
        inner.join()
        ended.set()

    allowed, ended = threading.Event(), threading.Event()
    thread = threading.Thread(target=sibling_tasks)
    thread.start()
    assert World(1).live(main).end == ("result", "'driven'")
    thread.join()
    assert done == [1]


def test_a_future_of_another_loop_ends_the_run_with_the_form_to_use():
    """What asyncio says of it does not help; the run's failure does."""
    other = asyncio.new_event_loop()

    async def main(run, trace):
        await other.create_future()

    life = World(1, stops=False).live(main)
    other.close()
    program = Program(main, encode)
    failure = build_run_end(life.body, program, lambda error: Failure.of(error, permanent("body_error"))).failure
    assert failure is not None
    assert failure.type.endswith("BodyError")
    assert "run.step(function" in (failure.hint or "")


def test_coroutines_given_to_asyncio_as_completed_are_refused():
    """It starts them in the order of their places in memory: the error names the form that keeps an order."""

    async def step_once(run):
        return await run.step(work, "x")

    async def main(run, trace):
        with pytest.raises(BodyError, match=r"run\.as_completed"):
            for next_one in asyncio.as_completed([step_once(run)]):
                await next_one
        tasks = [asyncio.create_task(step_once(run)) for _ in range(3)]
        return [await next_one for next_one in asyncio.as_completed(tasks)]

    assert World(1, stops=False).live(main).end[0] == "result"


def test_the_same_identity_twice_at_a_time_is_refused():
    """Two open requests of one key could not be distinguished later."""

    async def main(run, trace):
        keyed = run.options(key="k")
        return await asyncio.gather(keyed.step(work, "x"), keyed.step(work, "x"))

    kind, text = World(1, stops=False).live(main).end
    assert kind == "error"
    assert "called twice" in text


def test_a_coroutine_that_fights_its_unloading_records_nothing():
    """Anyone who catches GeneratorExit and asks again is refused each time."""
    seen = []

    async def main(run, trace):
        for _ in range(3):
            try:
                await run.step(work, "x")
            except BaseException as error:
                seen.append(type(error).__name__)
        return "survived"

    life = Life([])
    body = new_body(main, (), life)
    body.begin()
    body.close()
    assert seen == ["GeneratorExit", "Unloaded", "Unloaded"]
    assert len(life.requested) == 1


def test_cleaning_up_in_an_async_generator_records_nothing_when_unloaded():
    """`async with` and `finally` around a wait run, ask, are refused, and leave no request."""

    async def main(run, trace):
        async with asyncio.TaskGroup() as group, run.shield():
            group.create_task(run.step(work, "in a group"))
            try:
                async for value in run.as_completed([run.step(work, f"n{n}") for n in range(3)]):
                    trace.append(value)
            finally:
                trace.append("cleaning")
                await run.step(work, "clean up")

    life = Life([])
    body = new_body(main, (), life)
    body.begin()
    request_count = len(life.requested)
    body.close()
    assert "cleaning" in life.trace
    assert len(life.requested) == request_count == 4


def test_a_cancel_does_not_stop_an_undoing_that_has_started():
    """What is half undone when the cancel is accepted is undone to its end."""

    async def take_back(text: str) -> None:
        raise AssertionError("the world executes steps, not the body")

    async def main(run, trace):
        for name in "ab":
            await run.options(name=name, undo=take_back).step(work, name)
        await run.rollback("told to")

    journal = World(1, stops=False).live(main).journal[:2]
    at = journal[-1].at
    cancel = Outcome(3, "cancel#3", "cancel", OutcomeKind.CANCEL, OutcomeState.SUCCEEDED, 0, 0, 0, at, at, 0)
    again = World(2, stops=False).live(main, [*journal, cancel])
    assert again.end[0] == "error"
    assert "RolledBack" in again.end[1]
    assert set(again.executed) == {"undo:b#1", "undo:a#1"}


def test_wait_for_gives_its_coroutine_no_branch_of_its_own():
    """Only Python 3.11 runs it in a task: a run that continues on another version requests the same steps."""

    async def pay(run, name):
        await run.options(name=name).step(work, "pay")

    async def main(run, trace):
        await asyncio.wait_for(pay(run, "pay"), 60)
        await asyncio.gather(asyncio.wait_for(pay(run, "pay"), 60), asyncio.wait_for(pay(run, "refund"), 60))

    executed = World(1, stops=False).live(main).executed
    assert set(executed) == {"pay#1", "wait_for#1/pay#1", "wait_for#2/refund#1"}
