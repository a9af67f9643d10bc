"""A poller without an end: looks into a folder every few seconds, for years, and its journal stays small.

    mainspring run endless-poller -m examples/endless_poller.py inbox=inbox done=done --detach       (then: mainspring up)

Teaches: `run.restart(...)`, which ends this run and begins the next under the same key with a new input, so that what is carried on is an
argument and what is past can be deleted; `asyncio.sleep` is durable and holds no memory; `run.publish_state` for whoever looks in between.
"""

import asyncio
from pathlib import Path

import mainspring as ms

ROUNDS = 100
"""Looks of one run; then the next one begins."""


def look(inbox: str) -> list[str]:
    """Return what lies there now."""
    folder = Path(inbox)
    folder.mkdir(parents=True, exist_ok=True)
    return sorted(path.name for path in folder.glob("*.txt"))


def take(inbox: str, done: str, name: str) -> None:
    """Handle one file: here it is only moved. If a killed attempt has moved it, there is nothing left to do."""
    target = Path(done)
    target.mkdir(parents=True, exist_ok=True)
    source = Path(inbox) / name
    if source.exists():
        source.replace(target / name)


@ms.workflow(name="endless-poller", title="poll {inbox}", key="poll:{inbox}", owner="you")
async def endless_poller(
    run: ms.Run, inbox: str, done: str, every: float = 5.0, rounds: int = ROUNDS, taken: int = 0
) -> None:
    """Look, take, sleep; begin anew after so many rounds."""
    for _ in range(rounds):
        for name in await run.step(look, inbox):
            await run.options(key=f"{name}:{taken}").step(take, inbox, done, name)
            taken += 1
        run.publish_state({"taken": taken})
        await asyncio.sleep(every)
    run.restart(inbox, done, every, rounds, taken)
