"""Commands for the control of single runs by persons and programs: pause and resume one, fork one, download one of its files."""

import msgspec

from mainspring.store.commands.base import PersonalCommand, StoreCommand
from mainspring.store.commands.results import CommandDone, Refused, StartAnswer
from mainspring.store.commands.runs import StartRun


class ForkRun(StoreCommand[StartAnswer | Refused], frozen=True):
    """Start a new run with the outcomes that the finished run `source` had requested before its request `step`.

    They are renumbered without gaps. The fork has the version in force, no child, no fact and no undo of its source. `step`
    None = it inherits all. If the key of `start` finds a run, that is the answer.

    Answer: StartAnswer, Refused not_found | wrong_state | no_such_step | after_stop | unsettled_before | undone_before |
    sealed_otherwise, or as StartRun.
    """

    start: StartRun
    source: str
    step: str | None


class RunPauseRequest(msgspec.Struct, frozen=True):
    """The payload of a PAUSE fact, as JSON: who pauses the run, and why."""

    by: str
    reason: str | None = None


class PauseRun(StoreCommand[CommandDone | Refused], frozen=True):
    """Pause a run: at once if no session owns it, else by a PAUSE fact in its inbox. A run that has ended leads to the run that
    continues it.

    Answer: CommandDone, Refused not_found | finished | wrong_state.
    """

    run: str
    command: str
    request: RunPauseRequest


class EnterPause(StoreCommand[CommandDone | Refused], frozen=True):
    """Pause a run as its PAUSE fact requests, by its owner. `is_returned` = nothing is under way. Answer: CommandDone, PAUSE_WITHDRAWN,
    Refused claim_lost.
    """

    run: str
    claim: int
    rank: int
    waiting_for: bytes | None = None
    is_returned: bool = True


class ResumeRun(StoreCommand[CommandDone | Refused], frozen=True):
    """Resume a paused run, or withdraw the request to pause one that still runs. Answer: CommandDone, Refused not_found | not_paused."""

    run: str
    command: str


class RecordFileDownload(PersonalCommand[CommandDone | Refused], frozen=True):
    """Change nothing: only the audit row is needed. Answer: CommandDone."""
