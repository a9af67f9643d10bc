"""Handlers of the commands in `store/commands/runs.py`."""

from typing import Final

from mainspring.store.commands.runs import (
    AnnotateRun,
    CancelChild,
    CancelRun,
    ClaimRuns,
    CompleteRun,
    DiscardRun,
    FinishRun,
    GiveResult,
    HaltRun,
    MarkRunDone,
    ReleaseRun,
    ReopenRun,
    SaveChangeVersions,
    StartRun,
    SuspendRun,
    UndoChild,
)
from mainspring.store.transaction import HandlerTable
from mainspring.store.write.runs import claims, recover_stopped_run, run_transitions, start

HANDLERS: Final[HandlerTable] = dict(
    (
        StartRun.answered_by(start.start_run),
        ClaimRuns.answered_by(claims.claim_runs),
        SuspendRun.answered_by(run_transitions.suspend_run),
        ReleaseRun.answered_by(run_transitions.release_run),
        FinishRun.answered_by(run_transitions.finish_run),
        CompleteRun.answered_by(run_transitions.complete_run),
        HaltRun.answered_by(run_transitions.halt_run),
        AnnotateRun.answered_by(run_transitions.annotate_run),
        SaveChangeVersions.answered_by(run_transitions.save_change_versions),
        ReopenRun.answered_by(recover_stopped_run.reopen_run),
        GiveResult.answered_by(recover_stopped_run.give_result),
        CancelRun.answered_by(recover_stopped_run.cancel_run),
        CancelChild.answered_by(run_transitions.cancel_child),
        UndoChild.answered_by(run_transitions.undo_child),
        MarkRunDone.answered_by(recover_stopped_run.mark_run_done),
        DiscardRun.answered_by(recover_stopped_run.discard_run),
    )
)
