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
    ValueRefusedError,
)
from mainspring.store.commands.results import Refused

_MISSING_HINTS = {
    "not_found": "List what there is; a name or id may be misspelt.",
    "no_trigger": "It is not declared any more; `mainspring triggers list` shows what is.",
    "no_such_step": "`mainspring runs show RUN` lists the steps of the run.",
    "no_such_question": "`mainspring runs show RUN` lists the open questions of the run.",
    "question_over": "An answer counts if it comes before the end of the time. Start another run to decide again.",
}
_CONFLICT_HINTS = {
    "nothing_rejected": "Nothing has to be done: `mainspring runs show RUN` lists what a run has rejected.",
    "finished": "A run that ended takes nothing in; a failed one can be continued with `mainspring runs retry RUN`.",
    "wrong_state": "`mainspring explain RUN` says what can be done with it now.",
    "command_used": "Use another command id, or none.",
    "claim_lost": "Try again: it changed hands meanwhile.",
    "wrapped": "Run its line again: mainspring exec -n NAME ... -- COMMAND",
    "unsettled": "Look at the target, then `mainspring runs give-result RUN JSON`, or `runs retry RUN --again STEP`.",
    "undone": "Run them again: `mainspring runs retry RUN`; it begins at the first step that was taken back.",
    "retired": "Take `retire` back with `mainspring auto resume NAME`, or start another automation.",
    "sealed_otherwise": 'Act with that codec: [store] codec = "module:name", MAINSPRING_STORE_CODEC, or App(codec=...).',
    "held": "Decide the runs that were unfinished, then `mainspring db restore --release`.",
    "has_run": "Nothing has to be done; `mainspring runs retry RUN` continues one that failed.",
    "not_past": "Nothing has to be done: `mainspring auto next NAME` shows when it is made.",
    "not_kept": "Mend what turned it away, then let its sender send it again.",
    "not_paused": "Nothing has to be done: it is not paused.",
    "not_held": "Nothing has to be done: nobody holds it with this token.",
    "last_admin": "Make somebody else an admin first: else nobody could say who may come in.",
    "somebody_else": "An admin can remove the person of that name: then it is whom the provider means.",
    "over": "`mainspring open` prints a new one.",
    "not_alive": "Nothing has to be done: that process ended.",
}
_NO_RUN = re.compile(r"(bulk act|incident) (\S+)")
_COMMAND_GROUPS = {"bulk act": "bulk", "incident": "incidents"}
_DEFAULT_WAIT_MS = 1_000
_RUN_ID = re.compile(r"\br_[0-9a-z]{26}\b")


def error_for_refusal(refused: Refused, operation: str) -> MainspringError:
    """Return the error for a refusal; `operation` names it, for a refusal without a text."""
    code, text = refused.code, refused.text or f"{operation}: {refused.code.replace('_', ' ')}"
    if code == "busy":
        wait = refused.retry_after_ms or _DEFAULT_WAIT_MS
        return BusyError(timedelta(milliseconds=wait), text)
    if code == "key_conflict":
        return KeyConflictError(text, hint=_hint_for_key(text))
    if code == "taken":
        return AlreadyExistsError(text, hint="Take another name or id.")
    if code == "unreadable":
        path, _, reason = text.partition(": ")
        return ValueRefusedError(
            operation,
            path,
            reason,
            hint="Send data that fits; or let the type in the code read this, and start the worker anew.",
        )
    if code in _MISSING_HINTS:
        return NotFoundError(text, hint=_MISSING_HINTS[code])
    hint = _CONFLICT_HINTS.get(code, "Look at its present state, then decide again.")
    if code == "wrong_state" and (found := _NO_RUN.match(text)):
        hint = f"`mainspring {_COMMAND_GROUPS[found[1]]} show {found[2]}` says how it stands."
    return ConflictError(text, hint=hint)


def _hint_for_key(text: str) -> str:
    """Return the fix for a key that was used with another input; names the run that has the key."""
    found = _RUN_ID.search(text)
    command = f" `mainspring runs show {found[0]}` prints the first input." if found else ""
    return f"Start it under another key, or with the same input.{command}"
