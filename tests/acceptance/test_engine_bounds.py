"""Children that would never end, and undos that would come too early."""

import asyncio

import pytest

import mainspring as ms
from mainspring.engine.definitions.registry import Registry


def test_cycle_of_children_is_refused(tmp_path):
    """A workflow whose child is itself with the same input fails at once and names the cycle."""
    with Registry() as registry:

        @ms.workflow
        async def ouroboros(run: ms.Run, n: int = 1) -> int:
            return await run.child(ouroboros, n)

    app = ms.App(tmp_path / "s.db", registry=registry)
    with pytest.raises(ms.RunFailed, match="starts itself with the same input"):
        app.run(ouroboros)


def test_recursion_with_other_inputs_is_ordinary(tmp_path):
    """A workflow may ask for itself with a smaller input, as a walk over a tree does."""
    with Registry() as registry:

        @ms.workflow
        async def countdown(run: ms.Run, n: int) -> int:
            return 0 if n == 0 else 1 + await run.child(countdown, n - 1)

    assert ms.App(tmp_path / "s.db", registry=registry).run(countdown, 5) == 5


def test_endless_depth_is_refused(tmp_path):
    """A recursion without an end stops at a stated depth."""
    with Registry() as registry:

        @ms.workflow
        async def deeper(run: ms.Run, n: int) -> int:
            return await run.child(deeper, n + 1)

    async def work() -> str:
        app = ms.App(tmp_path / "s.db", registry=registry)
        async with app.running():
            handle = await app.start(deeper, 0)
            with pytest.raises(ms.RunFailed) as caught:
                await handle.result(60)
            return str(caught.value)

    assert "100 deep" in asyncio.run(work())


def test_undo_waits_for_the_attempt_it_undoes(tmp_path):
    """A step that is abandoned but takes its time to stop ends before its undo begins, so that its effect cannot come after."""
    happened: list[str] = []
    with Registry() as registry:

        async def book() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.05)
                happened.append("book ended")

        def unbook() -> None:
            happened.append("undone")

        @ms.workflow
        async def trip(run: ms.Run) -> None:
            booking = asyncio.create_task(run.options(undo=unbook).step(book))
            await asyncio.sleep(0.02)
            booking.cancel()
            await run.rollback("changed our mind")

    with pytest.raises(ms.RunFailed, match="changed our mind"):
        ms.App(tmp_path / "s.db", registry=registry).run(trip)
    assert happened == ["book ended", "undone"]
