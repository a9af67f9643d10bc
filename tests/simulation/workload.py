"""The workflows of the simulation and their steps: each carries out a tree of JSON lists, which is its input."""

import asyncio
import contextlib
from contextvars import ContextVar
from typing import Any

from mainspring.domain.errors import MiddlewareError, Permanent, Transient
from mainspring.domain.failures.retry import Retry
from mainspring.domain.failures.saved_error import StepFailed
from mainspring.engine.attempts.step_context import AttemptClosed, attempt, checkpoint, idempotency_key, last_checkpoint
from mainspring.engine.attempts.step_middleware import StepInvocation
from mainspring.engine.attempts.streams import stream
from mainspring.engine.body.run import Run
from mainspring.engine.body.run_middleware import RunInvocation
from mainspring.engine.definitions.decorators import step, task, workflow
from mainspring.engine.definitions.middleware import declare_middleware
from mainspring.engine.definitions.registry import Registry

NODE: ContextVar[Any] = ContextVar("simulated_node")
"""The simulated process in which a step runs."""

LATE_S = 7.4
"""A little more than the time-out and the grace of the step that does not end, so that its next attempt is under way."""

Tree = list[Any]


async def _sleep_deaf(node: Any, seconds: float) -> None:
    """Sleep on whatever anyone says."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(until - loop.time())
            await node.sleep(0)


with Registry() as REGISTRY:

    @step(retry=Retry(3, initial="100ms", max="2s"))
    async def act(name: str, method: str) -> str:
        """Have an effect, as told."""
        effects = NODE.get().world.effects
        key = idempotency_key()
        effects.start(NODE.get(), key, attempt())
        await NODE.get().sleep(2.0 if method == "slow" else 1.2 if method == "flaky" else 0.15)
        if method == "bad":
            raise Permanent("bad")
        if method == "broken" or (method in ("flaky", "odd") and effects.failures[key] < 2):
            effects.failures[key] += 1
            raise Transient("flaky") if method != "odd" else RuntimeError("odd")
        effects.happens(key)
        return name

    @task(retry=Retry(3, initial="100ms", max="2s"))
    async def single(tree: list) -> str:
        """A run that is the one step of its tree."""
        result: str = await act.fn(*tree[1:])
        return result

    @step(delivery="at_most_once")
    async def once(name: str) -> str:
        """Have an effect that must never be had twice."""
        effects = NODE.get().world.effects
        key = idempotency_key()
        effects.start(NODE.get(), key, attempt())
        await NODE.get().sleep(0.5)
        effects.at_most_once.add(key)
        effects.happens(key)
        return name

    @step(heartbeat="2s", retry=Retry(3, initial="50ms", max="1s"))
    async def saving(name: str) -> str:
        """Continue from a checkpoint; what it says of earlier attempts must be true. Its heartbeat is never over: no outage is silence."""
        effects = NODE.get().world.effects
        key = idempotency_key()
        effects.start(NODE.get(), key, attempt())
        done = last_checkpoint() or 0
        if (
            done < effects.saved[key] and not NODE.get().declared_dead
        ):  # a zombie knows only what it had loaded, and can save nothing
            effects.errors.append(f"checkpoint {effects.saved[key]} of {key} was committed, {done} came back")
        if done > effects.started[key]:
            effects.errors.append(f"checkpoint {done} came back, but {key} never came to save it: it is another key's")
        for number in range(done + 1, 4):
            await NODE.get().sleep(0.2)
            effects.started[key] = max(effects.started[key], number)
            stream("saved").write(number)
            await checkpoint(number)
            effects.saved[key] = max(effects.saved[key], number)
            if number == 2 and not effects.failures[key]:
                effects.failures[key] += 1
                raise Transient("half done")
        effects.happens(key)
        return name

    @step
    async def stamp(name: str, waited_s: float | None) -> None:
        """Note when a timer begins, or was over."""
        NODE.get().world.stamp(name, waited_s)

    @step(timeout="2s", overlap_attempts=True, retry=Retry(20, initial="50ms", max="200ms"))
    async def deaf(name: str) -> list[Any]:
        """Continue when told to stop: the first attempt is abandoned, and its result comes while the second is under way."""
        node, key, own = NODE.get(), idempotency_key(), attempt()
        effects = node.world.effects
        effects.start(node, key, own)
        if effects.attempts[key] > 1:
            await node.sleep(0.6)
        else:
            await _sleep_deaf(node, LATE_S)
            if effects.attempts[key] > 1:
                node.world.hits["late result"] += 1
                with contextlib.suppress(AttemptClosed):
                    await checkpoint("late")
                    effects.errors.append(f"a checkpoint of a given-up attempt of {key} was taken")
        effects.happens(key)
        return [name, own]

    async def unact(name: str) -> None:
        """Take an effect back."""
        NODE.get().world.effects.undone.add(name)

    @step(undo=unact, retry=Retry(3, initial="50ms", max="1s"))
    async def undoable(name: str) -> str:
        """Have an effect that can be undone."""
        effects = NODE.get().world.effects
        effects.start(NODE.get(), idempotency_key(), attempt())
        await NODE.get().sleep(0.1)
        effects.happens(idempotency_key())
        effects.to_undo.add(name)
        return name.partition(":")[2]

    async def carry_out(run: Run, tree: Tree) -> Any:
        """Carry out one tree."""
        return await FORMS[tree[0]](run, *tree[1:])

    @workflow(queue="narrow")
    async def narrow(run: Run, tree: list) -> Any:
        return await carry_out(run, tree)

    @workflow
    async def plain(run: Run, tree: list) -> Any:
        return await carry_out(run, tree)

    @workflow(partition="{partition}")
    async def partitioned(run: Run, partition: str, tree: list) -> Any:
        return await carry_out(run, tree)

    @workflow(on_failure="undo", on_cancel="undo")
    async def undone(run: Run, tree: list) -> Any:
        return await carry_out(run, tree)

    @workflow(deadline="4s")
    async def hurried(run: Run, tree: list) -> Any:
        return await carry_out(run, tree)

    @workflow
    async def chain(run: Run, total: int, got: list[list]) -> list[list]:
        """Count events, signals and updates, and restart after each second one."""
        woken = asyncio.Event()

        @run.on_update("put")
        async def put(number: int) -> int:
            got.append(["update", number])
            run.stream("got").write(got[-1])
            await run.step(act, f"put {number}", "ok")
            woken.set()
            return number

        while len(got) < total:
            woken.clear()
            waker = asyncio.ensure_future(woken.wait())
            tasks = {
                "event": asyncio.ensure_future(run.event("tick", where={"for": "chain"})),
                "signal": asyncio.ensure_future(run.receive("tock", int)),
            }
            done, _ = await asyncio.wait([*tasks.values(), waker], return_when=asyncio.FIRST_COMPLETED)
            waker.cancel()
            for kind, task in tasks.items():
                if task in done:
                    got.append([kind, task.result().data["number"] if kind == "event" else task.result()])
                    run.stream("got").write(got[-1])
                task.cancel()
            if len(got) % 2 == 0:
                await run.step(act, f"link {len(got)}", "ok")
                await run.updates_done()
                run.restart(total, got)
        return got


class Surrounding:
    """Middleware that looks at the headers of each run and attempt, makes a request that is refused, and changes nothing."""

    async def around_run(self, run: RunInvocation, proceed: Any) -> Any:
        if "tenant" not in run.headers:
            raise Permanent("the headers are lost")
        with contextlib.suppress(MiddlewareError):
            await asyncio.sleep(1)
        return await proceed()

    async def around_step(self, step: StepInvocation, proceed: Any) -> Any:
        world = NODE.get().world
        world.hits["step within middleware"] += 1
        world.tenants[step.run_id].add(step.headers.get("tenant"))
        return await proceed()


SURROUNDED = REGISTRY.derive()
"""What some processes have loaded: middleware may be around one part of a run, and not around the next."""
declare_middleware(Surrounding, SURROUNDED, __file__ + ":1", Surrounding.around_run.__code__)


async def _notes(run, name):
    run.tag(last=name)
    run.publish_state({"name": name})
    run.progress(1, 2)
    return str(run.uuid())[:0] + name


async def _rollback(run):
    await run.rollback("told to")


async def _deaf(run, name):
    return (await run.step(deaf, name))[0]


async def _saves(run, name):
    return await run.step(saving, name)


async def _spread(run, name):
    return await run.options(queue="narrow", retry=3).step(one_item, name)


async def _act(run, name, method):
    return await run.step(act, name, method)


async def _once(run, name):
    return await run.step(once, name)


async def _undoable(run, name):
    return await run.step(undoable, f"{run.id}:{name}")


async def _sleep(run, ms):
    await asyncio.sleep(ms / 1000)
    return "slept"


async def _timed(run, name, seconds):
    await run.step(stamp, name, None)
    await asyncio.sleep(seconds)
    await run.step(stamp, name, seconds)
    return "timed"


async def _signal(run, ms):
    with contextlib.suppress(TimeoutError):
        await run.receive("go", within=ms / 1000)
    return "signalled"


async def _event(run, name, ms):
    with contextlib.suppress(TimeoutError):
        await run.event(name, within=ms / 1000)
    return "event"


async def _ask(run, ms):
    await run.ask("go on?", within=ms / 1000, otherwise="no")
    return "asked"


async def _child(run, tree):
    return await run.child(plain, tree)


async def _start(run, tree):
    return "started" if (await run.start(plain, tree)).created else "found"


async def _map(run, hows, concurrency):
    got = await run.map(one_item, hows, concurrency=concurrency, on_error="collect")
    return [item if isinstance(item, str) else "failed" for item in got]


async def one_item(method: str) -> str:
    """One item of a map."""
    effects = NODE.get().world.effects
    effects.start(NODE.get(), idempotency_key(), attempt())
    await NODE.get().sleep(0.1)
    if method == "bad":
        raise Permanent("bad")
    effects.happens(idempotency_key())
    return method


async def _gather(run, trees):
    return await asyncio.gather(*(carry_out(run, tree) for tree in trees))


async def _group(run, trees):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(carry_out(run, tree)) for tree in trees]
    return [task.result() for task in tasks]


async def _race(run, ms, tree):
    try:
        async with asyncio.timeout(ms / 1000):
            await carry_out(run, tree)
    except (TimeoutError, StepFailed, BaseExceptionGroup):
        pass
    return "raced"


async def _attempt(run, tree):
    try:
        return await carry_out(run, tree)
    except (StepFailed, BaseExceptionGroup):
        return await run.step(act, "mended", "ok")


async def _tidy(run, tree):
    try:
        return await carry_out(run, tree)
    finally:
        await run.step(act, "tidied", "ok")


async def _seq(run, trees):
    return [await carry_out(run, tree) for tree in trees]


FORMS: dict[str, Any] = {
    "act": _act,
    "ask": _ask,
    "child": _child,
    "deaf": _deaf,
    "event": _event,
    "gather": _gather,
    "group": _group,
    "map": _map,
    "notes": _notes,
    "once": _once,
    "race": _race,
    "rollback": _rollback,
    "saves": _saves,
    "seq": _seq,
    "signal": _signal,
    "sleep": _sleep,
    "spread": _spread,
    "start": _start,
    "tidy": _tidy,
    "timed": _timed,
    "try": _attempt,
    "undoable": _undoable,
}
