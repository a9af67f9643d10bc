"""Retries of runs: a run that failed continues by its own policy, as a person's retry would continue it, and has not ended."""

from datetime import timedelta
from typing import Final

import msgspec

from mainspring.domain.failures.retry import Retry
from mainspring.domain.failures.verdict import FailureKind, Verdict
from mainspring.domain.states import FailureReason
from mainspring.store.commands.runs import FinishRun
from mainspring.store.schema.runs.run_retries import RUN_RETRY
from mainspring.store.schema.runs.runs import STOPPED_RUN, SUSPENDED_RUN
from mainspring.store.transaction import Transaction
from mainspring.store.views import RunRetry
from mainspring.store.write.runs import queue_capacity, recover_stopped_run, rollback, updates
from mainspring.store.write.runs.journal import encode_failure
from mainspring.store.write.runs.ownership import is_run_owner

_FINAL_REASONS: Final = frozenset({FailureReason.ROLLED_BACK, FailureReason.DEADLINE, FailureReason.VALUE_REFUSED})
"""Reasons for which the same code would end in the same way, or has decided to end."""
_FIRST_REQUEST = 0


def retry_failed_run(tx: Transaction, command: FinishRun) -> bool:
    """Continue a run that failed, if its policy has retries left; False = it ends."""
    c = command
    retry = RUN_RETRY.read_first(tx.all("read_run_retry", (c.run,)))
    if retry is None or c.is_final or c.reason in _FINAL_REASONS or not is_run_owner(tx, c.run, c.claim):
        return False
    policy = Retry.from_data(msgspec.json.decode(retry.policy))
    delay = _compute_delay(policy, c, retry)
    undone = rollback.find_undone_requests(tx, c.run)
    opens_generation = policy.restart or undone is not None
    # A generation has other keys: a step with an unknown outcome would be repeated as another effect. A person decides on it.
    if delay is None or (opens_generation and tx.first("find_unknown_outcome", (c.run,)) is not None):
        return False
    stopped = STOPPED_RUN.read(tx.all("read_run_to_reopen", (c.run,))[0])
    run = msgspec.structs.replace(stopped, failed_ident=c.failed_ident, detail=c.detail)
    generation = run.generation + opens_generation
    if policy.restart:
        recover_stopped_run.supersede_from(tx, c.run, generation, _FIRST_REQUEST)
    elif undone is not None:
        recover_stopped_run.supersede_undone(tx, c.run, generation, undone.request_number, undone)
    if opens_generation:
        tx.change("delete_checkpoints_of_run", (c.run,))
    recover_stopped_run.supersede_causes(tx, run, generation)
    updates.return_superseded_updates(tx, c.run)
    due_at = tx.now + delay // timedelta(milliseconds=1)
    values = {"run": c.run, "claim": c.claim, "session": tx.session, "rank": c.rank, "generation": generation}
    rows = tx.all("retry_run", {**values, "due_at": due_at, "now": tx.now})
    tx.change("count_run_retry", (encode_failure(c.failure), tx.now, c.run))
    tx.ready = True  # a worker has to know the instant
    suspended = SUSPENDED_RUN.read(rows[0])
    tx.ready |= suspended.has_concurrency_key
    queue_capacity.announce_capacity(tx, [suspended.queue] if suspended.is_limited else ())
    return True


def _compute_delay(policy: Retry, command: FinishRun, retry: RunRetry) -> timedelta | None:
    """Return the wait before the next try, drawn by the run's id and the number of the try; None = no more."""
    verdict = Verdict(FailureKind.TRANSIENT, command.reason or "failed")
    return policy.delay_after(retry.retries + 1, elapsed=timedelta(0), verdict=verdict, seed=command.run)
