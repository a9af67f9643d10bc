"""Celery's `revoke(terminate=True)`: a cancel stops the work and lets it clean up. It survives the death of the worker.

Try it:

    mainspring run transcode -m examples/ports/celery/revoke.py video=v1
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def remove_parts(video: str) -> None:
    """Clean up."""
    post(f"remove parts of {video}")


def encode(video: str) -> None:
    """The first part of the work."""
    post(f"encode {video}")


@ms.workflow(name="transcode")
async def transcode(run: ms.Run, video: str) -> str:
    """Encode, then wait for the check of a person. `finally` also runs after a cancel."""
    is_checked = False
    try:
        await run.step(encode, video)
        is_checked = await run.ask(f"Is {video} good?", name="check") == "yes"
        return video
    finally:
        if not is_checked:
            await run.step(remove_parts, video)
