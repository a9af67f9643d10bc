"""Prefect's `task.submit` with `as_completed`: tasks start at once, and each result is used when it arrives.

Try it:

    mainspring run publish-photos -m examples/ports/prefect/futures.py photos='["cat", "dog"]'
"""

from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def resize(photo: str) -> str:
    """Make a photo small."""
    post(f"resize {photo}")
    return f"small-{photo}"


def publish(photo: str, position: int) -> None:
    """Publish a photo at the next position."""
    post(f"publish {photo} at {position}")


@ms.workflow(name="publish-photos")
async def publish_photos(run: ms.Run, photos: list[str]) -> list[str]:
    """A replay gets the results in the same order, so no position is given twice. For all results at once: `asyncio.gather`."""
    published: list[str] = []
    calls = [run.options(key=photo).step(resize, photo) for photo in photos]
    async for photo in run.as_completed(calls):
        published.append(photo)
        await run.options(key=photo).step(publish, photo, len(published))
    return published
