"""Operations on one run that need no read of it: cancel, retry, pause, resume and others. `run_recovery` has those that read first."""

from mainspring.domain.values.codec import encode
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.run_control import PauseRun, ResumeRun, RunPauseRequest
from mainspring.store.commands.runs import CancelRun, DiscardRun, MarkRunDone, ReopenRun


def cancel(store: Store, run: str, *, act: OperationContext, undo: bool | None = None) -> None:
    """Ask a run to stop. A run without a worker ends at once; another gets a CancelledError where it is and may clean up.

    `undo` = whether its steps are undone, None = as its `on_cancel` says. A run that needs attention, and with True one that failed, is
    then loaded for that alone and ends cancelled. False also ends a run that waits for its rollback.

    Raises:
        NotFoundError: there is no such run.
        ConflictError: it has ended, or its rollback runs and it cannot be kept as it is.
    """
    perform(store, act, "cancel", f"run:{run}", CancelRun(run, act.command, act.reason, undo), {"undo": undo})


def retry(store: Store, run: str, *, act: OperationContext, due_at: int | None = None) -> None:
    """Continue a failed or halted run from where it failed; finished steps stay done. `due_at` = not before (ms UTC).

    Undone steps are not done: a run that was rolled back continues, in a new generation, from the first step that was undone.

    Raises:
        NotFoundError: there is no such run.
        ConflictError: it neither failed nor needs attention.
    """
    perform(store, act, "retry", f"run:{run}", ReopenRun(run, due_at=due_at), {"due_at": due_at})


def pause(store: Store, run: str, *, act: OperationContext) -> None:
    """Pause a run: attempts under way finish, nothing else starts. What it receives waits in its inbox. Its times run on and
    act when it is resumed, and it keeps its partition.

    Raises:
        NotFoundError: there is no such run.
        ConflictError: it has ended or needs attention, or is a command of `mainspring exec`.
    """
    request = RunPauseRequest(str(act.actor), act.reason)
    perform(store, act, "pause", f"run:{run}", PauseRun(run, act.command, request))


def resume(store: Store, run: str, *, act: OperationContext) -> None:
    """Resume a paused run, or withdraw the request to pause one whose attempts still run.

    Raises:
        NotFoundError: there is no such run.
        ConflictError: it is not paused.
    """
    perform(store, act, "resume", f"run:{run}", ResumeRun(run, act.command))


def mark_done(
    store: Store, run: str, *, act: OperationContext, result: object = None, sealing: Sealing = PLAIN_SEALING
) -> None:
    """Declare an unfinished run without a worker done, with a result for its callers.

    Raises:
        NotFoundError: there is no such run.
        ConflictError: it has ended, or a worker has it.
        ValueRefusedError: the result cannot be saved.
    """
    data = None
    if result is not None:
        data = sealing.seal(encode(result, value_name=f"result of {run}", limit=sealing.limit))
    perform(store, act, "mark_done", f"run:{run}", MarkRunDone(run, data))


def discard(store: Store, run: str, *, act: OperationContext) -> None:
    """Discard a run that needs attention: it fails, with all consequences. A failed run is settled.

    Raises:
        NotFoundError: there is no such run.
        ConflictError: it neither needs attention nor failed, or is settled already.
    """
    perform(store, act, "discard", f"run:{run}", DiscardRun(run, str(act.actor)))
