"""The hold of a restored store: nothing starts until each run that was unfinished is decided and the hold is released.

A decision to continue, or a cancel that the run must first receive, is a mark in `meta` that carries the instant of the restore, so marks
of an earlier restore never count. Runs that were staged after the restore need no decision.
"""

from collections.abc import Sequence
from enum import StrEnum

from mainspring.domain.errors import ConflictError
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform, was_performed
from mainspring.service.reads import ServiceReads
from mainspring.service.runs.bulk import BulkAnswer, apply_to_each
from mainspring.service.runs.run import cancel, mark_done
from mainspring.store.base import Store
from mainspring.store.commands.automations import SetMeta
from mainspring.store.restore_hold import HOLD_KEY, RESTORED_AT, RESTORED_FROM, decision_key

_MAX_LISTED = 5
_MOST_COUNTED = 1_000


class RestoreDecision(StrEnum):
    """The decision on a run that was unfinished in the backup."""

    CONTINUE = "continue"
    """It continues from its state in the backup; what it did after that runs again."""
    DONE = "done"
    """It is declared done: the rest has happened since."""
    CANCEL = "cancel"
    """It is cancelled."""


def list_undecided(reads: ServiceReads, limit: int = _MOST_COUNTED) -> list[str]:
    """Return ids of runs that must be decided before the release, at most `limit`; empty if the store is not held."""
    return reads.undecided(limit) if reads.meta(HOLD_KEY) is not None else []


def decide(
    store: Store,
    reads: ServiceReads,
    runs: Sequence[str],
    decision: RestoreDecision,
    *,
    act: OperationContext,
    dry_run: bool = False,
) -> BulkAnswer:
    """Decide on each of these runs (see `select_runs` and `undecided`); each decision has its own audit row.

    Raises:
        ConflictError: the store is not held.
    """
    mark = decision_key(_read_restored_at(reads), "")

    def decide_run(run: str) -> None:
        part = act.part(run)
        if decision is RestoreDecision.DONE:
            mark_done(store, run, act=part)
        elif decision is RestoreDecision.CANCEL:
            cancel(store, run, act=part)
            # A waiting run ends only after it received the cancel, so after the release.
            store.apply(SetMeta(mark + run, decision.value))
        else:
            perform(store, part, "continue", f"run:{run}", SetMeta(mark + run, decision.value))

    return apply_to_each(runs, decide_run, dry_run=dry_run)


def record_restore(store: Store, source: str, *, act: OperationContext) -> None:
    """Record who restored the store, and from which backup, since the restored log does not have it."""
    perform(store, act, "restore", "store:held", SetMeta(RESTORED_FROM, source), {"from": source})


def release(store: Store, reads: ServiceReads, *, act: OperationContext) -> None:
    """Release the hold of the store.

    Raises:
        ConflictError: it is not held, or runs are undecided; some are listed.
    """
    if was_performed(reads, act, "release", "store:held"):
        return
    _read_restored_at(reads)
    undecided = reads.undecided(_MOST_COUNTED)
    if undecided:
        more = "+" if len(undecided) == _MOST_COUNTED else ""
        listed = ", ".join(undecided[:_MAX_LISTED]) + (", ..." if len(undecided) > _MAX_LISTED else "")
        runs = "run that was" if len(undecided) == 1 else "runs that were"
        raise ConflictError(
            f"{len(undecided)}{more} {runs} unfinished in the backup {'is' if len(undecided) == 1 else 'are'} undecided\n{listed}",
            hint="\n".join(
                [
                    "Decide all of them first, or some with --name NAME or --run RUN, by one of:",
                    *(f"  mainspring db restore --decide {decision}" for decision in RestoreDecision),
                ]
            ),
        )
    perform(store, act, "release", "store:held", SetMeta(HOLD_KEY, None))


def _read_restored_at(reads: ServiceReads) -> str:
    """Return the instant of the restore, as the store wrote it."""
    if reads.meta(HOLD_KEY) is None:
        raise ConflictError("the store is not on hold", hint="There is nothing to decide or release.")
    return reads.meta(RESTORED_AT) or "0"
