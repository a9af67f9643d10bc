"""Counts of run ends: how runs ended, how long they took, their output size and why they failed, by minute."""

from collections import Counter
from typing import Final

from mainspring.domain.runs.output_size import size_bucket
from mainspring.domain.states import FailureReason, RunState
from mainspring.store.transaction import Transaction

RETRIED_SUCCESS = "healed"
"""What is counted of steps that succeeded at a later attempt, without anybody's help."""
MANUAL_OPERATION = "helped"
"""What is counted of acts by which a person let a run go on, or settled it."""
MANUAL_VERBS: Final = frozenset(
    {"retry", "retry_from", "run_again", "accept_drift", "rename_step", "give_result", "mark_done"}
)
"""The verbs of those acts."""
_ROLLUP = {RunState.SUCCEEDED: "succeeded", RunState.FAILED: "failed", RunState.CANCELLED: "cancelled"}


def count_end(
    tx: Transaction, automation: str, state: RunState, started_at: int | None, reason: FailureReason | None
) -> None:
    """Count an end, what it took and why it came."""
    count_ends(tx, automation, state, [tx.now - started_at if started_at is not None else 0])
    if reason is not None:
        tx.detail(automation, f"reason:{reason}")


def count_ends(tx: Transaction, automation: str, state: RunState, took: list[int]) -> None:
    """Count ends, and what each took (ms)."""
    tx.count(automation, **{_ROLLUP[state]: len(took), "took_ms": sum(took), "took_max_ms": max(took)})
    for bucket, n in Counter(map(bucket_of, took)).items():
        tx.detail(automation, bucket, n)


def count_size(tx: Transaction, automation: str, size: int | None) -> None:
    """Count how much a success put out, if that is known."""
    if size is not None:
        tx.detail(automation, size_bucket(size))


def count_retried_success(tx: Transaction, automation: str, attempts: int) -> None:
    """Count a step that succeeded, if it took more than one attempt."""
    if attempts > 1:
        tx.detail(automation, RETRIED_SUCCESS)


def bucket_of(took_ms: int) -> str:
    """Return how a run that took so long is counted: by the power of two that it took at most."""
    return f"ms<=2^{max(took_ms - 1, 0).bit_length()}"
