"""Bulk operations: one operation on many runs or deliveries, done in batches by any process that has time."""

import msgspec

from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.states import BulkMove
from mainspring.store.commands.base import BookkeepingCommand, StoreCommand
from mainspring.store.commands.results import CommandDone, Refused


class BeginBulkOperation(StoreCommand[CommandDone], frozen=True, kw_only=True):
    """Record a new bulk operation; its first batch is due at once. Answer: CommandDone.

    `id` = the command id of the request; the same id again begins no second one. `parts` = ids of runs, or of
    deliveries for a replay; `selection` = JSON, how they were selected; `automations` = their automations. `rate` is for
    people; a batch of `piece` parts every `every_ms` keeps it.
    """

    id: str
    verb: BulkVerb
    selection: bytes
    automations: tuple[str, ...]
    parts: tuple[str, ...]
    actor: str
    reason: str | None
    rate: str | None
    piece: int
    every_ms: int


class BulkBatch(msgspec.Struct, frozen=True, tag="bulk_piece"):
    """The next batch of a bulk operation: `verb` for each of `parts`, which follow `reached`. None = nothing is due.

    `at` = when it was leased, by the store's clock (ms).
    """

    bulk: str | None = None
    verb: BulkVerb = BulkVerb.RETRY
    actor: str = ""
    reason: str | None = None
    reached: str = ""
    parts: tuple[str, ...] = ()
    at: int = 0


class LeaseBulkBatch(BookkeepingCommand[BulkBatch], frozen=True):
    """Lease the first due batch without a lease, for `lease_ms` from the commit on. Answer: BulkBatch.

    `lease` = an id of this lease: sent again, it gets the same batch.
    """

    lease: str
    lease_ms: int


class RecordBulkBatch(StoreCommand[CommandDone], frozen=True):
    """Record the result of a batch: its parts follow `reached` and end with `to`; `refused` = part -> reason. Answer:
    CommandDone.

    A batch that two processes executed counts once: each of its operations has a command id of its own, so both got the
    same answers.
    """

    bulk: str
    reached: str
    to: str
    done: int
    refused: dict[str, str]


class ChangeBulkOperation(StoreCommand[CommandDone | Refused], frozen=True):
    """Pause, resume or stop a bulk operation. Answer: CommandDone, Refused not_found | wrong_state."""

    bulk: str
    move: BulkMove
