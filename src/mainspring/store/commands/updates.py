"""Commands for updates: requests to a run, each with a reply."""

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.results import CommandDone, Refused, UpdateStored
from mainspring.store.commands.runs import StartRun


class UpdateRequest(msgspec.Struct, frozen=True):
    """A request to a run. `request_id` counts once in the runs that continue each other; `input_hash` = that of the plain
    input.
    """

    name: str
    request_id: str
    input: bytes
    input_hash: str


class RequestUpdate(StoreCommand[UpdateStored | Refused], frozen=True):
    """Store an update of a run and wake the run. A run that has ended leads to the run that continues it.

    Answer: UpdateStored, Refused not_found | finished | no_workflow | update_conflict | sealed_otherwise.
    """

    run: str
    update: UpdateRequest


class StartWithUpdate(StoreCommand[UpdateStored | Refused], frozen=True):
    """Start a run, or find the one of its key, and store an update of it: both or nothing.

    Answer: UpdateStored, Refused as StartRun or RequestUpdate.
    """

    start: StartRun
    update: UpdateRequest


class RejectUpdate(StoreCommand[CommandDone | Refused], frozen=True):
    """Reject an update of the inbox, by the code of its run; the reason is the reply. Answer: CommandDone, Refused claim_lost."""

    run: str
    claim: int
    seq: int
    failure: Failure
