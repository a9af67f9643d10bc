"""The loop of one body, and what it shares with the loops of all others."""

import asyncio
import contextvars
import os
import subprocess
import sys
from pathlib import Path

import mainspring
from mainspring.engine.body.body import Body


async def _waits(body: Body) -> None:
    await asyncio.sleep(60)


def _started_body(run: str) -> Body:
    body = Body(run, 0, _waits, (), 0)
    body.begin()
    return body


def test_task_has_the_context_of_its_caller_also_if_that_is_empty():
    """As on asyncio's own loop: a library that gives a task an empty context keeps its variables from the caller."""
    variable = contextvars.ContextVar("variable", default="none")
    seen = []

    async def note() -> None:
        seen.append(variable.get())
        variable.set("of the child")

    async def work(body: Body) -> None:
        variable.set("of the parent")
        context = contextvars.Context()
        await asyncio.create_task(note(), context=context)
        seen.append(context.get(variable))

    Body("r_1", 0, work, (), 0).begin()
    assert seen == ["none", "of the child"]


def test_tasks_of_different_runs_hash_apart_but_count_alike():
    """asyncio keeps the tasks of all bodies in one set: equal hashes would make each new body slower than the one before."""
    first, again, other = _started_body("r_1"), _started_body("r_1"), _started_body("r_2")
    assert hash(first.task) == hash(again.task)
    assert hash(first.task) != hash(other.task)
    assert hash(first.task) % 2**40 == hash(other.task) % 2**40 == first.task.number
    bodies = [_started_body(f"r_{n}") for n in range(1_000)]
    assert len({hash(body.task) for body in bodies}) > 990


def test_sets_of_one_body_iterate_by_creation_number():
    """Whatever the run is called, sets of its futures come in the same order: replays and other runs choose alike."""
    orders = []
    for run in ("r_1", "r_2", "another"):
        loop = _started_body(run).loop
        orders.append([future.number for future in {loop.create_future() for _ in range(50)}])
    assert orders[0] == orders[1] == orders[2]


LATE = """
import mainspring.engine.body.deterministic_loop as loop
loop._refuse_effects()

class Late:
    def __init__(self, *kept): self.kept = kept
    def __del__(self, open=open, print=print):
        print(self.kept[0]._FORBIDDEN_EFFECTS)
        open("/dev/null").close()

loop.__dict__["late"] = Late(loop)
"""


def test_end_of_the_interpreter_is_silent():
    """It tells of what objects do that die last, when our modules have lost their names."""
    env = {**os.environ, "PYTHONPATH": str(Path(mainspring.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", LATE], env=env, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("None\n", "")
