"""Random workflows for the body: a tree of asyncio's and the run's own forms, and what interprets it."""

import asyncio
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

import mainspring as ms
from mainspring.engine.body.run import Run
from mainspring.engine.definitions.registry import Registry

Node = tuple[Any, ...]


@dataclass
class Form:
    """What a person fills in."""

    text: str


async def work(text: str) -> str:
    raise AssertionError("the world executes steps, not the body")


async def interpret(run: Run, node: Node, trace: list[Any]) -> Any:
    """Carry out one node; what it saw goes into the trace, and into a stream."""
    form, *rest = node
    value = await _FORMS[form](run, trace, *rest)
    run.stream(form).write(str(value))
    trace.append((form, str(value), run.now().timestamp()))
    return value


def _tasks(run: Run, trace: list[Any], nodes: list[Node]) -> list[asyncio.Task[Any]]:
    return [asyncio.create_task(interpret(run, node, trace)) for node in nodes]


async def _step(run, trace, name, may_fail):
    return await run.options(name=name).step(work, "may fail" if may_fail else "must do")


async def _sleep(run, trace, ms):
    await asyncio.sleep(ms / 1000)
    return ms


async def _draw(run, trace, text):
    return getattr(run, text)()


async def _signal(run, trace, ms):
    try:
        return await run.receive("go", within=ms / 1000)
    except TimeoutError:
        return "no signal"


async def _any(run, trace, ms):
    try:
        return await run.receive_any(["one", "two"], within=ms / 1000)
    except TimeoutError:
        return "no signal"


async def _ask(run, trace, ms, name, has_form):
    try:
        if has_form:
            answer = await run.ask(form=Form, name=name, within=ms / 1000)
        else:
            answer = await run.ask("Go on?", name=name, within=ms / 1000)
    except TimeoutError:
        return "no answer", dict(run.answers)
    return answer, dict(run.answers)


async def _send(run, trace, name):
    await run.signal("r_other", name, 1)
    return "sent"


with Registry():

    @ms.workflow
    async def other(run: ms.Run, name: str) -> None: ...

    @ms.workflow
    async def leaf(run: ms.Run, text: str) -> str:
        raise AssertionError("the world executes children, not the body")


async def _start(run, trace, name):
    return (await run.start(other, name)).id


async def _child(run, trace, name, may_fail):
    try:
        return await run.options(name=name, headers={"region": "eu"}).child(leaf, "may fail" if may_fail else "must do")
    except ms.StepFailed as error:
        return f"failed {error}"


async def _spread(run, trace, name):
    return await run.options(name=name, queue="other").step(work, "elsewhere")


async def _external(run, trace, ms):
    try:
        event = await run.event("paid", where={"id": 7}, within=ms / 1000)
    except TimeoutError:
        return "no event"
    return event.name, event.data, event.at


async def _flag(run, trace, name, fresh):
    return await run.flag(name, fresh=fresh)


async def _update(run, trace, handled, node):
    """Handle updates while another node is carried out, then wait until none is handled."""
    name = f"update-{len(run._body.updates.names)}-{run.uuid()}"

    @run.on_update(name)
    async def handle(number: int) -> str:
        return f"{number}: {await interpret(run, handled, trace)}"

    value = await interpret(run, node, trace)
    await run.updates_done()
    return value


async def _seq(run, trace, nodes):
    return [await interpret(run, node, trace) for node in nodes]


async def _gather(run, trace, nodes, together):
    return await asyncio.gather(*(interpret(run, node, trace) for node in nodes), return_exceptions=together)


async def _group(run, trace, nodes):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(interpret(run, node, trace)) for node in nodes]
    return [task.result() for task in tasks]


async def _wait(run, trace, nodes, first, ms, cancel):
    tasks = _tasks(run, trace, nodes)
    when = asyncio.FIRST_COMPLETED if first else asyncio.ALL_COMPLETED
    done, pending = await asyncio.wait(tasks, return_when=when, timeout=None if ms is None else ms / 1000)
    for task in pending:
        if cancel:
            task.cancel()
    order = [tasks.index(task) for task in done]  # the iteration order of the set itself
    for task in done:
        task.exception()
    return order, [tasks.index(task) for task in pending]


async def _completed(run, trace, nodes):
    seen = []
    for next_one in asyncio.as_completed(_tasks(run, trace, nodes)):
        seen.append(await next_one)
    return seen


async def _run_completed(run, trace, nodes, most):
    seen = []
    async for value in run.as_completed([interpret(run, node, trace) for node in nodes]):
        seen.append(value)
        if len(seen) == most:
            break
    return seen


async def _timeout(run, trace, ms, node):
    try:
        async with asyncio.timeout(ms / 1000):
            return await interpret(run, node, trace)
    except TimeoutError:
        return await run.step(work, "fall back")


async def _wait_for(run, trace, ms, node):
    try:
        return await asyncio.wait_for(interpret(run, node, trace), ms / 1000)
    except TimeoutError:
        return "too late"


async def _shield(run, trace, ms, node):
    inner = asyncio.create_task(interpret(run, node, trace))
    try:
        async with asyncio.timeout(ms / 1000):
            return await asyncio.shield(inner)
    except TimeoutError:
        return await inner


async def _run_shield(run, trace, node):
    async with run.shield():
        return await interpret(run, node, trace)


async def _cancel(run, trace, node):
    task = asyncio.create_task(interpret(run, node, trace))
    await run.step(work, "meanwhile")
    was_cancelled = task.cancel()
    ended = await asyncio.gather(task, return_exceptions=True)
    return was_cancelled, [type(e).__name__ for e in ended]


async def _map(run, trace, items, concurrency, collect):
    given = ["may fail" if bad else f"item {n}" for n, bad in enumerate(items)]
    return await run.map(work, given, concurrency=concurrency, on_error="collect" if collect else "stop")


async def _queue(run, trace, nodes):
    queue: asyncio.Queue[Any] = asyncio.Queue(1)

    async def produce():
        for node in nodes:
            await queue.put(await interpret(run, node, trace))
        await queue.put(None)

    async def consume():
        got = []
        while (item := await queue.get()) is not None:
            got.append((item, await run.step(work, "consume")))
        return got

    return (await asyncio.gather(produce(), consume()))[1]


async def _event(run, trace, first, then):
    ready = asyncio.Event()

    async def wait():
        await ready.wait()
        return await interpret(run, then, trace)

    waiting = asyncio.create_task(wait())
    try:
        await interpret(run, first, trace)
    finally:
        ready.set()
    return await waiting


async def _lock(run, trace, nodes):
    lock, inside = asyncio.Lock(), []

    async def locked(number, node):
        async with lock:
            inside.append(number)
            return await interpret(run, node, trace)

    await asyncio.gather(*(locked(n, node) for n, node in enumerate(nodes)), return_exceptions=True)
    return inside


async def _finally(run, trace, node, last):
    try:
        return await interpret(run, node, trace)
    except Exception as error:
        trace.append(("caught", repr(error)))
        return await run.step(work, "mend")
    finally:
        await interpret(run, last, trace)


async def _leave(run, trace, nodes):
    return f"left {len(_tasks(run, trace, nodes))}"


async def _generator(run, trace, node, last, is_stored):
    async def values():
        try:
            yield await interpret(run, node, trace)
            yield "not asked for"
        finally:
            await interpret(run, last, trace)

    generator = values()
    if is_stored:
        vars(run).setdefault("kept", []).append(generator)  # only the end of the body closes it
    async for value in generator:
        return value
    raise AssertionError("it yields")


_FORMS = {
    name.removeprefix("_"): form
    for name, form in list(globals().items())
    if name.startswith("_") and asyncio.iscoroutinefunction(form)
}

MS = st.sampled_from([0, 1, 5, 30, 100, 2_000])
LEAVES = st.one_of(
    st.tuples(st.just("step"), st.sampled_from("abc"), st.booleans()),
    st.tuples(st.just("step"), st.sampled_from("abc"), st.just(False)),
    st.tuples(st.just("sleep"), MS),
    st.tuples(st.just("draw"), st.sampled_from(["uuid", "random", "now"])),
    st.tuples(st.just("signal"), MS),
    st.tuples(st.just("any"), MS),
    st.tuples(st.just("ask"), MS, st.sampled_from(["a", "b", None]), st.booleans()),
    st.tuples(st.just("send"), st.sampled_from("ab")),
    st.tuples(st.just("start"), st.sampled_from("ab")),
    st.tuples(st.just("child"), st.sampled_from("ab"), st.booleans()),
    st.tuples(st.just("spread"), st.sampled_from("ab")),
    st.tuples(st.just("external"), MS),
    st.tuples(st.just("flag"), st.sampled_from("ab"), st.booleans()),
)


def _around(node: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    some = st.lists(node, min_size=1, max_size=4)
    return st.one_of(
        st.tuples(st.just("seq"), some),
        st.tuples(st.just("gather"), some, st.booleans()),
        st.tuples(st.just("group"), some),
        st.tuples(st.just("wait"), some, st.booleans(), st.none() | MS, st.booleans()),
        st.tuples(st.just("completed"), some),
        st.tuples(st.just("run_completed"), some, st.integers(1, 4)),
        st.tuples(st.just("timeout"), MS, node),
        st.tuples(st.just("wait_for"), MS, node),
        st.tuples(st.just("shield"), MS, node),
        st.tuples(st.just("run_shield"), node),
        st.tuples(st.just("cancel"), node),
        st.tuples(st.just("map"), st.lists(st.booleans(), max_size=6), st.integers(1, 3), st.booleans()),
        st.tuples(st.just("queue"), some),
        st.tuples(st.just("event"), node, node),
        st.tuples(st.just("lock"), some),
        st.tuples(st.just("finally"), node, node),
        st.tuples(st.just("leave"), some),
        st.tuples(st.just("update"), node, node),
        st.tuples(st.just("generator"), node, node, st.booleans()),
    )


PROGRAMS = st.recursive(LEAVES, _around, max_leaves=14)


def main_of(node: Node) -> Any:
    """Return the workflow that carries out a tree."""

    async def main(run: Run, trace: list[Any]) -> Any:
        return await interpret(run, node, trace)

    return main
