"""An endless run is one thing to people: what is asked of its first id reaches the run that it continues as."""

import asyncio

import pytest

import mainspring as ms
from mainspring.engine.definitions.registry import Registry


def test_cancel_and_signal_reach_the_successor_of_a_restarted_run(tmp_path):
    """After three restarts a message and a cancel to the first id are heard by the fourth run; its handle follows."""
    with Registry() as registry:

        @ms.workflow
        async def endless(run: ms.Run, n: int = 0) -> int:
            if n < 3:
                run.restart(n + 1)
            word = await run.receive("word")
            run.tag(word=word)
            await run.receive("never")
            return n

    async def work() -> None:
        app = ms.App(tmp_path / "s.db", registry=registry)
        async with app.running():
            handle = await app.start(endless)
            while (await handle.status()) is not ms.RunState.WAITING:
                await asyncio.sleep(0.01)
            await app.signal(handle.id, "word", "hello")
            await app.cancel(handle.id)
            with pytest.raises(ms.RunFailed) as caught:
                await handle.result(30)
            last = caught.value.run_id
            assert last != handle.id
            view = await app.handle(last).view()
            assert view.state is ms.RunState.CANCELLED
            assert (await handle.view()).id == last

    asyncio.run(work())
