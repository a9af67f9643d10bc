"""An endless poller: it reads a folder every few seconds, for years, and its journal stays small.

    mainspring run endless-poller -m examples/endless_poller.py inbox=inbox done=done --detach       (then: mainspring up)

Teaches: `run.restart(...)`, which ends this run and starts the next one under the same key with a new input, so that old journals can be
deleted; `asyncio.sleep`, which is durable and needs no memory; `run.publish_state`, which lets you read the state of a running poller.
"""

import asyncio
from pathlib import Path

import mainspring as ms

ROUNDS = 100
"""Polls of one run; then the next run starts."""


def list_files(inbox: str) -> list[str]:
    """Return the names of the files in the folder."""
    folder = Path(inbox)
    folder.mkdir(parents=True, exist_ok=True)
    return sorted(path.name for path in folder.glob("*.txt"))


def handle_file(inbox: str, done: str, name: str) -> None:
    """Handle one file: this example only moves it. If a killed attempt moved the file already, nothing is left to do."""
    target = Path(done)
    target.mkdir(parents=True, exist_ok=True)
    source = Path(inbox) / name
    if source.exists():
        source.replace(target / name)


@ms.workflow(name="endless-poller", title="poll {inbox}", key="poll:{inbox}", owner="you")
async def endless_poller(
    run: ms.Run, inbox: str, done: str, every: float = 5.0, rounds: int = ROUNDS, handled: int = 0
) -> None:
    """List the files, handle them, sleep; restart after `rounds` polls."""
    for _ in range(rounds):
        for name in await run.step(list_files, inbox):
            await run.options(key=f"{name}:{handled}").step(handle_file, inbox, done, name)
            handled += 1
        run.publish_state({"handled": handled})
        await asyncio.sleep(every)
    run.restart(inbox, done, every, rounds, handled)
