"""Temporal's "updatable timer": a sleep whose end a signal moves.

Try it:

    mainspring run updatable-timer -m examples/ports/temporal/updatable_timer.py seconds=3600
"""

from datetime import datetime, timedelta
from pathlib import Path

import mainspring as ms


def post(line: str) -> None:
    """Represents the service of another company. It counts each idempotency key once."""
    with Path("ledger.txt").open("a", encoding="utf-8") as ledger:
        ledger.write(f"{ms.idempotency_key()}\t{line}\n")


def ring(moves: int) -> None:
    """Wake the sleeper."""
    post(f"ring after {moves} moves")


@ms.workflow(name="updatable-timer")
async def updatable_timer(run: ms.Run, seconds: float) -> int:
    """Sleep until an instant; the signal `wake-at` brings a new one. Return how often it was moved."""
    wake_at, moves = run.now() + timedelta(seconds=seconds), 0
    while (left := wake_at - run.now()) > timedelta(0):
        try:
            wake_at = await run.receive("wake-at", datetime, within=left)
            moves += 1
        except TimeoutError:
            break
    await run.step(ring, moves)
    return moves
