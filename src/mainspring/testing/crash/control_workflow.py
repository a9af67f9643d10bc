"""The control workflow of each crash test: its step doubles a line if it is killed after the effect, and a report must find that."""

from pathlib import Path

import mainspring as ms

NAME = "crash-control"


@ms.step
def append_line(text: str) -> None:
    """Append a line to a file, without a look whether it is there."""
    with Path("control.txt").open("a") as file:
        file.write(f"{text}\n")


@ms.workflow(name=NAME)
async def append_once(run: ms.Run, text: str) -> None:
    """Append a line in a step."""
    await run.step(append_line, text)
