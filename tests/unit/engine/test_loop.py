"""The loop of one body, and what it shares with the loops of all others."""

import asyncio

from mainspring.engine.body import Body


async def _waits(body: Body) -> None:
    await asyncio.sleep(60)


def _begun(run: str) -> Body:
    body = Body(run, 0, _waits, (), 0)
    body.begin()
    return body


def test_tasks_of_different_runs_hash_apart_but_count_alike():
    """asyncio keeps the tasks of all bodies in one set: equal hashes would make each new body slower than the one before."""
    first, again, other = _begun("r_1"), _begun("r_1"), _begun("r_2")
    assert hash(first.task) == hash(again.task)
    assert hash(first.task) != hash(other.task)
    assert hash(first.task) % 2**40 == hash(other.task) % 2**40 == first.task.number
    bodies = [_begun(f"r_{n}") for n in range(1_000)]
    assert len({hash(body.task) for body in bodies}) > 990


def test_sets_of_one_body_iterate_by_creation_number():
    """Whatever the run is called, sets of its futures come in the same order: replays and other runs choose alike."""
    orders = []
    for run in ("r_1", "r_2", "another"):
        loop = _begun(run).loop
        orders.append([future.number for future in {loop.create_future() for _ in range(50)}])
    assert orders[0] == orders[1] == orders[2]
