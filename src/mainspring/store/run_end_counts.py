"""Counts of run ends by minute: end states, durations, output sizes and failure reasons."""

from collections import Counter
from typing import Final

from mainspring.domain.runs.output_size import size_bucket
from mainspring.domain.states import FailureReason, RunState
from mainspring.store.transaction import Transaction

RETRIED_SUCCESS = "healed"
"""The count of steps that succeeded at a later attempt without help by a person."""
MANUAL_OPERATION = "helped"
"""The count of operations by which a person continued or settled a run."""
MANUAL_VERBS: Final = frozenset(
    {"retry", "retry_from", "run_again", "accept_drift", "rename_step", "give_result", "mark_done"}
)
"""The verbs of manual operations."""
_ROLLUP = {RunState.SUCCEEDED: "succeeded", RunState.FAILED: "failed", RunState.CANCELLED: "cancelled"}


def count_end(
    tx: Transaction, automation: str, state: RunState, started_at: int | None, reason: FailureReason | None
) -> None:
    """Count an end with its duration and its reason."""
    count_ends(tx, automation, state, [tx.now - started_at if started_at is not None else 0])
    if reason is not None:
        tx.detail(automation, f"reason:{reason}")


def count_ends(tx: Transaction, automation: str, state: RunState, durations_ms: list[int]) -> None:
    """Count ends with their durations (ms)."""
    tx.count(
        automation,
        **{_ROLLUP[state]: len(durations_ms), "duration_ms": sum(durations_ms), "max_duration_ms": max(durations_ms)},
    )
    for bucket, n in Counter(map(bucket_of, durations_ms)).items():
        tx.detail(automation, bucket, n)


def count_size(tx: Transaction, automation: str, size: int | None) -> None:
    """Count the output size of a success, if it is known."""
    if size is not None:
        tx.detail(automation, size_bucket(size))


def count_retried_success(tx: Transaction, automation: str, attempts: int) -> None:
    """Count a step that succeeded, if it took more than one attempt."""
    if attempts > 1:
        tx.detail(automation, RETRIED_SUCCESS)


def bucket_of(duration_ms: int) -> str:
    """Return the bucket of a duration: the smallest power of two that is not below it."""
    return f"ms<=2^{max(duration_ms - 1, 0).bit_length()}"
