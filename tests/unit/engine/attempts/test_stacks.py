"""Where code stands: of a thread, and of a task through all that it waits for."""

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.engine.attempts.stacks import MAX_FRAMES, MAX_LINE_LENGTH, read_task_stack, read_thread_stack


def functions(lines):
    """The names of the functions alone."""
    return [line.rpartition(" ")[2].rpartition(".")[2] for line in lines]


def paused_thread(make, turns=3):
    """Where a task of `make()` stands after some turns of a loop."""

    async def main():
        task = asyncio.ensure_future(make())
        for _ in range(turns):
            await asyncio.sleep(0)
        lines = read_task_stack(task)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return lines

    return asyncio.run(main())


async def forever():
    await asyncio.Event().wait()


async def down(depth):
    await (down(depth - 1) if depth else forever())


@given(st.integers(0, 60))
def test_coroutines_are_reported_outermost_first(depth):
    """Each that waits for the next one, down to what never comes, and never more than forty."""
    found = functions(paused_thread(lambda: down(depth)))
    assert found == (["down"] * (depth + 1) + ["forever", "wait"])[:MAX_FRAMES]


def test_tasks_that_are_waited_for_are_reported_too():
    """What a step waits for may run in tasks of its own; of several that were gathered, the first that continues."""

    async def done():
        return 1

    async def waits():
        await asyncio.create_task(forever())

    async def gathers():
        await asyncio.gather(done(), waits())

    assert functions(paused_thread(waits)) == ["waits", "forever", "wait"]
    assert functions(paused_thread(gathers)) == ["gathers", "waits", "forever", "wait"]


@pytest.mark.parametrize("turns", [0, 50])
def test_task_that_has_not_started_or_is_over_has_at_most_its_first_line(turns):
    """Nothing raises, whatever state a task is in."""

    async def short():
        await asyncio.sleep(0)

    assert len(paused_thread(short, turns)) <= 1


def test_async_generators_are_followed():
    """A loop over one stands where the generator does."""

    async def rows():
        await forever()
        yield 1

    async def reads():
        async for _ in rows():
            pass

    assert functions(paused_thread(reads)) == ["reads", "rows", "forever", "wait"]


def test_stack_of_a_thread_is_what_it_does():
    """The innermost last, with file and line."""
    has_stack, go_on = threading.Event(), threading.Event()

    def waits_here():
        has_stack.set()
        go_on.wait(10)

    thread = threading.Thread(target=waits_here)
    thread.start()
    has_stack.wait(10)
    lines = read_thread_stack(thread.ident)
    go_on.set()
    thread.join()
    (own_line,) = [line for line in lines if line.endswith("waits_here")]
    assert own_line.startswith(f"{__file__}:")
    assert lines.index(own_line) < len(lines) - 1


def in_a_thread(step, *frames):
    """The functions in which a thread stands that runs `step` beside a task that waits, once these are the innermost; or at last."""
    ended = threading.Event()
    made = []

    async def main():
        stop = asyncio.Event()
        task = asyncio.create_task(step(ended))
        made.extend((asyncio.get_running_loop(), stop))
        await stop.wait()
        task.cancel()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    for _ in range(5_000):
        found = functions(read_thread_stack(thread.ident))
        if len(made) == 2 and found[-len(frames) :] == list(frames):
            break
        ended.wait(0.001)
    ended.set()
    loop, stop = made
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    return found


def test_loop_of_a_thread_that_waits_is_reported_by_its_task():
    """A coroutine may be a step in a thread or in a child: the frames of asyncio alone say nothing of where it stands."""

    async def idle(_ended):
        await forever()

    found = in_a_thread(idle, "run_until_complete", "main", "wait")
    assert found[-3:] == ["run_until_complete", "main", "wait"]


def test_loop_of_a_thread_that_is_blocked_is_reported_by_what_blocks_it():
    """Whichever task that is; the one for which the loop runs is not to blame."""

    async def blocks(ended):
        ended.wait(10)

    found = in_a_thread(blocks, "blocks", "wait", "wait")
    assert found[-3:] == ["blocks", "wait", "wait"]
    assert "main" not in found


def test_stack_of_unknown_thread_is_empty():
    """A thread that is gone has no stack."""
    assert read_thread_stack(0) == []


def test_line_is_bounded_and_harmless():
    """A file may be named anything."""

    async def f():
        await forever()

    f.__code__ = f.__code__.replace(co_filename="a\x1b[31m\n" + "x" * 2_000)
    line = paused_thread(f)[0]
    assert len(line) <= MAX_LINE_LENGTH
    assert line.isprintable()
