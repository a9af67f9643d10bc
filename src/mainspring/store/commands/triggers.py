"""Commands on triggers and what arrives for them."""

import msgspec

from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.flow_control import FlowControl
from mainspring.store.commands.runs import StartRun


class TriggerTopic(msgspec.Struct, frozen=True):
    """What a trigger listens for inside. kind: event or run; `condition` = JSON: an event's values by path, or the states of an end."""

    kind: str
    name: str
    condition: str


class TriggerRow(msgspec.Struct, frozen=True):
    """A trigger as data: domain.trigger.Trigger as JSON, its webhook's path, and what it listens for inside."""

    name: str
    automation: str
    kind: str
    definition: bytes
    path: str | None = None
    topics: tuple[TriggerTopic, ...] = ()


class AcceptDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """Store what arrived and, without a filter, let its pace decide at once. Answer: DeliveryStored, Refused
    other_body | no_trigger | busy.

    A key counts once for its trigger; one whose value was refused counts when it fits. With a filter the key is held by the first
    delivery that passes it, and until then each body counts once. `body`, `data` and `headers` are sealed.
    `start` = the run that it starts, if it may. `refused` = why it may not count (it is kept all the same, for people to see).
    `was_kept` and `happened_at` are those of the arrival: what a store that was replaced by its backup may have taken in already, fails.
    `stays` = its source keeps it, as a folder does: a store that does not know it gets it again.
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
    was_kept: bool = False
    stays: bool = False
    happened_at: int | None = None


class RejectDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """Keep what was refused at the door, for people to see: the newest hundred of a trigger. Answer: Done."""

    id: str
    trigger: str
    why: str
    note: str
    body: bytes
    headers: bytes | None = None


class DecideDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """Decide on a delivery that was received. Answer: DeliveryStored, Refused changed | busy.

    `state` STARTED = let its pace decide, with the run `start`; else FILTERED, DROPPED, REFUSED or FAILED, with the reason in `note`.
    `key` = the key that the delivery has to hold in order to start a run: REFUSED if another delivery holds it. Empty = it needs none.
    """

    trigger: str
    delivery: str
    state: DeliveryState
    key: str = ""
    by: str = ""
    pace: FlowControl = FlowControl()
    start: StartRun | None = None
    note: str | None = None


class RecordFilterCall(msgspec.Struct, frozen=True):
    """Remember that this session begins to ask the filters of these deliveries, lest one that ends the process does so for ever.

    Answer: Done.
    """

    deliveries: tuple[str, ...]


class ReleaseHeldDeliveries(msgspec.Struct, frozen=True, kw_only=True):
    """Start one run for deliveries that were held for it. Answer: Started, Done (its rate lets it start later), Refused changed.

    `start` None = none can be started (`note` says why): they failed.
    """

    trigger: str
    by: str
    deliveries: tuple[str, ...]
    pace: FlowControl
    start: StartRun | None
    note: str | None = None


class JoinRun(msgspec.Struct, frozen=True, kw_only=True):
    """Put the end of a run to the others of its slot or key; when all are there, start `start`.

    Answer: Done, Started, Refused changed | busy (the end is put there, and the start has to be tried again). `delivery` None = nothing new
    came: start what is complete. `counts` = the run ended as is wanted. `note` = why none can be started.
    """

    trigger: str
    per: str
    wanted: int
    deadline_at: int
    delivery: str | None = None
    automation: str = ""
    run: str = ""
    state: str = ""
    counts: bool = False
    start: StartRun | None = None
    note: str | None = None


class ReplayDelivery(msgspec.Struct, frozen=True):
    """Let a delivery arrive once more, as a new one. Answer: DeliveryStored, Refused not_found | not_kept | no_trigger."""

    id: str
    delivery: str


class DismissDelivery(msgspec.Struct, frozen=True):
    """Decide that a delivery of the lost interval starts nothing. Answer: Done, Refused not_found (it needs no decision)."""

    delivery: str
    note: str


class ReleaseSourceKey(msgspec.Struct, frozen=True):
    """Let a key count anew: what arrived under it keeps its row, but not its key. Answer: Done, Refused not_found."""

    trigger: str
    key: str


class ReportConsumer(msgspec.Struct, frozen=True):
    """Say since when this session's desk of a trigger can, or cannot, fetch. Answer: Done."""

    trigger: str
    connected_at: int | None
    away_since: int | None
    why: str | None
