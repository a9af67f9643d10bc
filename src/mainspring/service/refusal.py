"""Errors for refusals of the store: what is in the way, and the fix."""

import re
from datetime import timedelta

from mainspring.domain.errors import (
    AlreadyExistsError,
    BusyError,
    ConflictError,
    KeyConflictError,
    MainspringError,
    NotFoundError,
    Throttled,
    ValueRefusedError,
)
from mainspring.store.commands.results import Refused

_MISSING_HINTS = {
    "not_found": "Check the name or id in the list.",
    "no_version": "Start a worker with the code of that version: `mainspring up`.",
    "no_rollout": "Start one: `mainspring rollout start NAME --to VERSION`.",
    "no_schedule": "`mainspring schedules list` lists schedules.",
    "no_automation": "Start a worker that has it: `mainspring up`; `mainspring auto list` lists automations.",
    "no_trigger": "It is no longer declared; `mainspring triggers list` lists triggers.",
    "no_such_step": "`mainspring runs show RUN` lists the steps of the run.",
    "no_such_question": "`mainspring runs show RUN` lists the open questions of the run.",
    "question_over": "An answer counts only before the time ends. Start another run to decide again.",
}
_CONFLICT_HINTS = {
    "nothing_rejected": "There is nothing to do: `mainspring runs show RUN` lists what a run has rejected.",
    "finished": "A run that ended accepts nothing; a failed one can be continued with `mainspring runs retry RUN`.",
    "wrong_state": "`mainspring explain RUN` shows what you can do with it now.",
    "command_used": "Use another command id, or none.",
    "claim_lost": "Try again: another holder has it now.",
    "wrapped": "Run its command again: mainspring exec -n NAME ... -- COMMAND",
    "unsettled": "Check the target system, then `mainspring runs give-result RUN JSON`, or `runs retry RUN "
    "--again STEP`.",
    "effect_in_doubt": "`mainspring explain RUN` lists what decides on the effect: the run that has it, or `mainspring "
    "effects confirm KEY`, `mainspring effects forget KEY`.",
    "undone": "Run them again: `mainspring runs retry RUN`; it starts at the first undone step.",
    "retired": "End the retirement with `mainspring auto resume NAME`, or start another automation.",
    "after_stop": "Fork from a step before that, or from its end: `mainspring runs fork RUN --from-end`.",
    **dict.fromkeys(("undone_before", "unsettled_before"), "`mainspring runs show RUN` lists the steps."),
    "sealed_otherwise": 'Use a process with that codec: [store] codec = "module:name", MAINSPRING_STORE_CODEC, or '
    "App(codec=...).",
    "held": "Decide on the unfinished runs, then `mainspring db restore --release`.",
    "holder_live": "Wait for its outcome, or stop its run; `mainspring effects show KEY` names the holder.",
    "not_done": "There is nothing to do: a later call of the key counts.",
    "not_in_doubt": "There is nothing to do: its outcome is known. `mainspring effects forget KEY` lets it happen again.",
    "no_workflow": "Only a workflow has handlers: @run.on_update(NAME), @run.on_query(NAME).",
    "update_conflict": "Use another id for another update, or the same name and value.",
    "has_run": "There is nothing to do; `mainspring runs retry RUN` continues one that failed.",
    "not_past": "There is nothing to do: `mainspring auto next NAME` shows when it starts.",
    "not_kept": "Fix the cause of the rejection, then let its sender send it again.",
    "not_paused": "There is nothing to do: it is not paused.",
    "not_held": "There is nothing to do: no holder has this token.",
    "last_admin": "Make another person an admin first: otherwise no one could manage people.",
    "somebody_else": "An admin can remove the person with that name.",
    "over": "`mainspring open` prints a new one.",
    "in_force": "There is nothing to do: new runs get it.",
    "no_worker": "Start a worker with that version in its code: `mainspring up`; `mainspring workers list` lists workers.",
    "rollout_active": "Finish or abort it first: `mainspring rollout finish NAME`, `mainspring rollout abort NAME`.",
    "same_code": "Deploy another version, or try this code again: `mainspring rollout start NAME --to VERSION --again`.",
    "only_candidate": "Remove rollout=True from its declaration and restart the worker: then it takes force at once.",
    "rollout_finished": "The way back is a rollout, too: `mainspring rollout start NAME --to VERSION --steps 100% --hold 1m`.",
    **dict.fromkeys(("stale", "rollout_state"), "`mainspring rollout status NAME` shows its state now."),
    "declared": "Change its code, or pause the automation: `mainspring auto pause NAME`.",
    "version_conflict": "Read it again with `mainspring schedules show NAME`, then decide again.",
    "wrong_schedule": "Change the option, then try again.",
    "unserved_changes": "Resume it if it is paused, or start a scheduler (`mainspring up`); or delete the schedule and create it again.",
    "not_alive": "There is nothing to do: that process ended.",
}
_NO_RUN = re.compile(r"(bulk operation|incident) (\S+)")
_COMMAND_GROUPS = {"bulk operation": "bulk", "incident": "incidents"}
_DEFAULT_WAIT_MS = 1_000
_RUN_ID = re.compile(r"\br_[0-9a-z]{26}\b")


def error_for_refusal(refused: Refused, operation: str) -> MainspringError:
    """Return the error for a refusal; `operation` names it, for a refusal without a text."""
    code, text = refused.code, refused.text or f"{operation}: {refused.code.replace('_', ' ')}"
    if code == "busy":
        wait = refused.retry_after_ms or _DEFAULT_WAIT_MS
        return BusyError(timedelta(milliseconds=wait), text)
    if code == "throttled":
        return Throttled(timedelta(milliseconds=refused.retry_after_ms or _DEFAULT_WAIT_MS), text)
    if code == "key_conflict":
        return KeyConflictError(text, hint=_hint_for_key(text))
    if code == "taken":
        return AlreadyExistsError(text, hint="Choose another name or id.")
    if code == "unreadable":
        path, _, reason = text.partition(": ")
        return ValueRefusedError(
            operation,
            path,
            reason,
            hint="Send valid data; or change the type in the code so that it reads this, and restart the worker.",
        )
    if code in _MISSING_HINTS:
        return NotFoundError(text, hint=_MISSING_HINTS[code])
    hint = _CONFLICT_HINTS.get(code, "Check its present state, then decide again.")
    if code == "wrong_state" and (found := _NO_RUN.match(text)):
        hint = f"`mainspring {_COMMAND_GROUPS[found[1]]} show {found[2]}` shows its state."
    return ConflictError(text, hint=hint)


def _hint_for_key(text: str) -> str:
    """Return the fix for a key that was used with another input; names the run that has the key."""
    found = _RUN_ID.search(text)
    command = f" `mainspring runs show {found[0]}` prints the first input." if found else ""
    return f"Start it with another key, or with the same input.{command}"
