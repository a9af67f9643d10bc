"""Commands on triggers and their deliveries."""

import msgspec

from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.domain.triggers.trigger_source import TriggerTopic
from mainspring.store.commands.base import BookkeepingCommand, StoreCommand
from mainspring.store.commands.results import CommandDone, DeliveryStored, Refused, StartAnswer
from mainspring.store.commands.runs import StartRun


class TriggerRow(msgspec.Struct, frozen=True):
    """A trigger as data: domain.triggers.trigger.Trigger as JSON, its webhook's path, and its topics."""

    name: str
    automation: str
    kind: str
    definition: bytes
    path: str | None = None
    topics: tuple[TriggerTopic, ...] = ()
    version: int = 1
    """The version of the automation that has it."""


class AcceptDelivery(StoreCommand[DeliveryStored | Refused], frozen=True, kw_only=True):
    """Store a delivery and, without a filter, let its flow control decide at once. Answer: DeliveryStored, Refused
    other_body | no_trigger | busy.

    A key counts once for its trigger; a key whose value was refused counts when its value fits. With a filter the first
    delivery that passes it holds the key, and until then each body counts once. `body`, `data` and `headers` are
    sealed.

    `start` = the run that it starts, if it may. `refused` = why it may not count (it is stored all the same, for
    people). `was_stored` and `happened_at` are those of the incoming delivery: one that a store, since replaced by its
    backup, may have accepted already, fails. `stays` = its source keeps it, as a folder does: a store that does not
    know it gets it again.
    """

    id: str
    trigger: str
    key: str
    body_hash: str
    body: bytes
    data: bytes | None = None
    headers: bytes | None = None
    name: str = ""
    by: str = ""
    pace: FlowControl = FlowControl()
    filtered: bool = False
    start: StartRun | None = None
    refused: str | None = None
    verified: str | None = None
    redelivered: int = 0
    was_stored: bool = False
    stays: bool = False
    happened_at: int | None = None

    def accepts_input(self) -> bool:
        """Whether its source would not deliver it again."""
        return not self.stays


class RejectDelivery(BookkeepingCommand[CommandDone], frozen=True, kw_only=True):
    """Store a delivery that was rejected on receipt, for people: the newest hundred of a trigger. Answer: CommandDone."""

    id: str
    trigger: str
    why: str
    note: str
    body: bytes
    headers: bytes | None = None


class DecideDelivery(BookkeepingCommand[DeliveryStored | Refused], frozen=True, kw_only=True):
    """Decide on a received delivery. Answer: DeliveryStored, Refused changed | busy.

    `state` STARTED = let its flow control decide, with the run `start`; else FILTERED, DROPPED, REFUSED or FAILED, with
    the reason in `note`. `key` = the key that the delivery must hold to start a run: REFUSED if another delivery holds
    it. Empty = it needs none.
    """

    trigger: str
    delivery: str
    state: DeliveryState
    key: str = ""
    by: str = ""
    pace: FlowControl = FlowControl()
    start: StartRun | None = None
    note: str | None = None


class RecordFilterCall(BookkeepingCommand[CommandDone], frozen=True):
    """Record that this session starts to call the filters of these deliveries, so that a filter that ends the process
    cannot do so forever.

    Answer: CommandDone.
    """

    deliveries: tuple[str, ...]


class ReleaseHeldDeliveries(BookkeepingCommand[StartAnswer | CommandDone | Refused], frozen=True, kw_only=True):
    """Start one run for held deliveries. Answer: StartAnswer, CommandDone (its rate starts it later), Refused changed.

    `start` None = none can be started (`note` is the reason): they failed.
    """

    trigger: str
    by: str
    deliveries: tuple[str, ...]
    pace: FlowControl
    start: StartRun | None
    note: str | None = None


class JoinRun(StoreCommand[StartAnswer | CommandDone | Refused], frozen=True, kw_only=True):
    """Add the end of a run to the others of its slot or key; start `start` when all are complete.

    Answer: CommandDone, StartAnswer, Refused changed | busy (the end is stored, and the start must be tried again).
    `delivery` None = no new end: start what is complete. `counts` = the run ended in an awaited state. `note` = why
    none can be started.
    """

    trigger: str
    per: str
    expected: int
    deadline_at: int
    delivery: str | None = None
    automation: str = ""
    run: str = ""
    state: str = ""
    counts: bool = False
    start: StartRun | None = None
    note: str | None = None


class ReplayDelivery(StoreCommand[DeliveryStored | Refused], frozen=True):
    """Repeat a delivery as a new one. Answer: DeliveryStored, Refused not_found | not_kept | no_trigger."""

    id: str
    delivery: str


class DismissDelivery(StoreCommand[CommandDone | Refused], frozen=True):
    """Decide that a delivery of the lost interval starts nothing. Answer: CommandDone, Refused not_found (it needs no
    decision).
    """

    delivery: str
    note: str


class ReleaseSourceKey(StoreCommand[CommandDone | Refused], frozen=True):
    """Release a key so that it counts again: the earlier delivery keeps its row, but not its key. Answer: CommandDone,
    Refused not_found.
    """

    trigger: str
    key: str


class ReportConsumer(BookkeepingCommand[CommandDone], frozen=True):
    """Record since when this session's consumer of a trigger is connected or unreachable. Answer: CommandDone."""

    trigger: str
    connected_at: int | None
    unreachable_at: int | None
    reason: str | None
