"""What a person's retry repeats and what it keeps: every failure that led to the end, nothing that succeeded, no effect in doubt."""

import asyncio
from collections import Counter
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.service.runs import run_recovery
from mainspring.store.read.automations.automation_stats import counted_between
from tests.acceptance.engine_world import World

pytestmark = pytest.mark.asyncio


class Outside:
    """Counts what was done to it; what stands in `broken` fails, what stands in `hanging` never ends."""

    def __init__(self, *broken: str) -> None:
        self.done: Counter[str] = Counter()
        self.broken = set(broken)
        self.hanging: set[str] = set()
        self.reached = asyncio.Event()

    async def act(self, name: str) -> str:
        self.done[name] += 1
        if name in self.hanging:
            self.reached.set()
            await asyncio.Event().wait()
        if name in self.broken:
            raise ms.Permanent(f"{name} is broken")
        return name


async def both_by_gather(run: ms.Run, act: Any) -> list[Any]:
    found = await asyncio.gather(
        *(run.options(key=name).step(act, name) for name in ("a", "good", "b")), return_exceptions=True
    )
    failed = [answer for answer in found if isinstance(answer, Exception)]
    if failed:
        raise ExceptionGroup("some failed", failed)
    return found


async def both_by_group(run: ms.Run, act: Any) -> list[Any]:
    running = {"a", "good", "b"}
    all_ended = asyncio.Event()

    async def branch(name: str) -> str:
        try:
            return await run.step(act, name)
        finally:
            running.discard(name)
            if not running:
                all_ended.set()
            await all_ended.wait()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(branch(name)) for name in ("a", "good", "b")]
    return [task.result() for task in tasks]


async def a_loop_that_collects(run: ms.Run, act: Any) -> list[Any]:
    failed, found = [], []
    for name in ("a", "good", "b", "fine"):
        try:
            found.append(await run.step(act, name))
        except ms.StepFailed as error:
            failed.append(error)
    if failed:
        raise ExceptionGroup("some failed", failed)
    return found


async def an_error_of_its_own(run: ms.Run, act: Any) -> list[Any]:
    try:
        return await both_by_gather(run, act)
    except* ms.StepFailed as errors:
        raise ms.Permanent("no order today") from errors


@pytest.mark.parametrize("body", [both_by_gather, both_by_group, a_loop_that_collects, an_error_of_its_own])
async def test_one_retry_repeats_every_failure_that_led_to_the_end_and_nothing_else(tmp_path, body):
    """Two branches failed: one word of a person is enough, and what had succeeded beside them is not done again."""
    outside = Outside("a", "b")
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> list[str]:
            return await body(run, outside.act)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.FAILED)
        outside.broken.clear()
        await engine.app.retry(run.id)
        view = await engine.until(run, RunState.SUCCEEDED, RunState.FAILED)
        assert view.state is RunState.SUCCEEDED
        assert {"a", "b", "good"} <= set(await run.result(60))
    assert {name: outside.done[name] for name in ("a", "b", "good")} == {"a": 2, "b": 2, "good": 1}


async def test_retry_keeps_what_another_branch_did_after_the_failure(tmp_path):
    """The failure is no cause of it: the second and third step of the other branch are not done again."""
    outside = Outside("bad")
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> list[str]:
            async def steady() -> str:
                for n in "123":
                    await run.step(outside.act, n)
                return "123"

            found = await asyncio.gather(run.step(outside.act, "bad"), steady(), return_exceptions=True)
            if isinstance(found[0], BaseException):
                raise found[0]
            return [str(error) for error in found]

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.FAILED)
        outside.broken.clear()
        await engine.app.retry(run.id)
        await engine.until(run, RunState.SUCCEEDED)
    assert outside.done == {"bad": 2, "1": 1, "2": 1, "3": 1}


@pytest.mark.parametrize("chosen", [None, "first#1"])
async def test_step_released_by_a_person_is_not_healed(tmp_path, chosen):
    """Neither the step that failed, nor those before it that were done once more: no retry of its own did it."""
    outside = Outside("parcel")
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            await run.options(name="first").step(outside.act, "card")
            return await run.options(name="ship").step(outside.act, "parcel")

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.FAILED)
        outside.broken.clear()
        if chosen is None:
            await engine.app.retry(run.id)
        else:
            await engine.act(run_recovery.retry_from, run.id, chosen)
        await engine.until(run, RunState.SUCCEEDED)
        reader = engine.working.store.reader
        assert counted_between(reader, engine.view(run).automation, 0, 2**63 - 1).healed == 0
    assert outside.done == {"card": 1 if chosen is None else 2, "parcel": 2}


async def test_retry_does_not_repeat_a_failure_that_the_body_had_handled(tmp_path):
    """A card was refused and another one charged; that a later step failed is no reason to try the first card again."""
    outside = Outside("first card", "parcel")
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            try:
                await run.options(name="first").step(outside.act, "first card")
            except ms.StepFailed:
                await run.options(name="second").step(outside.act, "second card")
            return await run.options(name="ship").step(outside.act, "parcel")

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        assert (await engine.until(run, RunState.FAILED)).failed_ident == "ship#1"
        outside.broken.clear()
        await engine.app.retry(run.id)
        await engine.until(run, RunState.SUCCEEDED)
    assert outside.done == {"first card": 1, "second card": 1, "parcel": 2}


async def test_retry_waits_again_for_what_the_failure_had_waited_for(tmp_path):
    """The pause that the body took because of the failure is no answer to the pause that follows success."""
    outside = Outside("bad")
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            try:
                await run.step(outside.act, "bad")
            except ms.StepFailed:
                await asyncio.sleep(0.01)
                raise
            await asyncio.sleep(3600)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.FAILED)
        outside.broken.clear()
        await engine.app.retry(run.id)
        view = await engine.until(run, RunState.WAITING, RunState.SUCCEEDED)
        assert view.state is RunState.WAITING


@pytest.mark.parametrize("chosen", ["before", "after"])
async def test_retry_from_a_step_next_to_an_unfinished_child(tmp_path, chosen):
    """From after the asking for it, the child continues and answers. From before it, it is cancelled, and a new one answers."""
    outside = Outside("bad")
    with Registry() as registry:

        @ms.workflow
        async def child(run: ms.Run) -> str:
            return await run.receive("word", str)

        @ms.workflow
        async def parent(run: ms.Run) -> str:
            await run.options(name="before").step(outside.act, "before")
            kid = asyncio.ensure_future(run.child(child))
            await run.receive("go")
            await run.options(name="after").step(outside.act, "after")
            await run.options(name="bad", delivery="at_most_once").step(outside.act, "bad")
            return await kid

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(parent)
        (kid,) = await engine.when(lambda: engine.history(run).children, bool)
        await engine.until(kid.id, RunState.WAITING)
        await engine.app.signal(run.id, "go")
        await engine.until(run, RunState.NEEDS_ATTENTION)
        outside.broken.clear()
        await engine.act(run_recovery.retry_from, run.id, f"{chosen}#1")
        if chosen == "before":
            await engine.until(kid.id, RunState.CANCELLED)
            await engine.app.signal(run.id, "go")
            kid = await engine.when(
                lambda: [k for k in engine.history(run).children if k.id != kid.id], lambda found: len(found) == 1
            )
            kid = kid[0]
            await engine.until(kid.id, RunState.WAITING)
        await engine.app.signal(kid.id, "word", "hello")
        assert await run.result(60) == "hello"
        assert len(engine.history(run).children) == (2 if chosen == "before" else 1)


def given_up_by_the_body(outside: Outside, **options: Any):
    """A workflow that gives a step up because another failed, and cleans up before it ends."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            charge = asyncio.ensure_future(run.options(name="charge", **options).step(outside.act, "charge"))
            try:
                await run.receive("go")
                await run.options(name="ship").step(outside.act, "ship")
            except ms.StepFailed:
                charge.cancel()
                await run.receive("enough")
                raise
            return await charge

    return registry, work


async def failed_with_a_step_given_up(engine, work, outside: Outside):
    outside.hanging.add("charge")
    run = await engine.start(work)
    await outside.reached.wait()
    await engine.app.signal(run.id, "go")
    await engine.when(
        lambda: {o.ident: o.state for o in engine.history(run).outcomes},
        lambda found: found.get("charge#1") is OutcomeState.CANCELLED,
    )
    await engine.app.signal(run.id, "enough")
    await engine.until(run, RunState.FAILED)
    outside.hanging.clear()
    outside.broken.clear()
    return run


async def test_at_most_once_step_that_was_abandoned_is_in_doubt_when_it_is_requested_again(tmp_path):
    """Its attempt was stopped half-way: only a person may say that it is to be done once more."""
    outside = Outside("ship")
    registry, work = given_up_by_the_body(outside, delivery="at_most_once")
    async with World(tmp_path).engine(registry) as engine:
        run = await failed_with_a_step_given_up(engine, work, outside)
        await engine.app.retry(run.id)
        view = await engine.until(run, RunState.NEEDS_ATTENTION, RunState.SUCCEEDED)
        assert (view.state, view.reason) == (RunState.NEEDS_ATTENTION, FailureReason.IN_DOUBT)
        assert "may or may not" in view.failure.message
        assert "died" not in view.failure.message
        assert outside.done["charge"] == 1
        await engine.act(run_recovery.run_again, run.id)
        await engine.until(run, RunState.SUCCEEDED)
    assert outside.done["charge"] == 2


async def test_step_at_least_once_that_was_abandoned_is_done_again(tmp_path):
    """Under its old key, as after any other broken attempt."""
    outside = Outside("ship")
    registry, work = given_up_by_the_body(outside)
    async with World(tmp_path).engine(registry) as engine:
        run = await failed_with_a_step_given_up(engine, work, outside)
        await engine.app.retry(run.id)
        await engine.until(run, RunState.SUCCEEDED)
    assert outside.done["charge"] == 2


async def test_step_that_was_abandoned_never_answers_with_nothing(tmp_path):
    """The body failed by itself, its code was fixed: the step that it had abandoned is done, not taken for done."""
    outside, defect = Outside(), [True]
    outside.hanging.add("charge")
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            charge = asyncio.ensure_future(run.step(outside.act, "charge"))
            await run.receive("go")
            if defect:
                charge.cancel()
                await run.receive("enough")
                raise ValueError("a defect")
            return await charge

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        await outside.reached.wait()
        await engine.app.signal(run.id, "go")
        await engine.when(lambda: engine.history(run).outcomes, lambda found: len(found) == 2)
        await engine.app.signal(run.id, "enough")
        await engine.until(run, RunState.FAILED)
        defect.clear()
        outside.hanging.clear()
        await engine.app.retry(run.id)
        assert await run.result(60) == "charge"
