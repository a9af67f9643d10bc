"""Views of triggers and deliveries. Instants are ms UTC; bodies, data and headers are sealed."""

import msgspec

from mainspring.domain.states import DeliveryState


class DeliveryRow(msgspec.Struct, frozen=True):
    """A delivery in a list. `verified` = the result of its verifier; `replay_of` = the delivery that it repeats."""

    seq: int
    id: str
    trigger: str
    key: str
    state: DeliveryState
    note: str | None
    name: str
    verified: str | None
    run: str | None
    due_at: int | None
    replay_of: str | None
    received_at: int
    changed_at: int


class DeliveryView(DeliveryRow, frozen=True):
    """A delivery as it was received. `data` = JSON of the run's input, None if that is the body.

    `source` = the event or run that it reports.
    """

    body: bytes | None
    data: bytes | None
    headers: bytes | None
    source: str | None
    by_key: str
    redelivered: int


class DeliveryPage(msgspec.Struct, frozen=True):
    """Deliveries, newest first; `cursor` continues the list where it ends (None = that was all)."""

    deliveries: list[DeliveryRow]
    cursor: int | None


class DeliveryCounts(msgspec.Struct, frozen=True):
    """Counts of the deliveries of a trigger by state, and the instant of the last; `at_the_door` = those rejected on
    receipt.
    """

    states: dict[str, int] = {}
    at_the_door: int = 0
    last_at: int | None = None


class RecentDeliveryCounts(msgspec.Struct, frozen=True):
    """Deliveries since an instant, by trigger; `more` = the count stopped at its limit, so there were more."""

    by_trigger: dict[str, DeliveryCounts]
    more: bool


class ConsumerView(msgspec.Struct, frozen=True):
    """The consumer of a trigger: since when it is connected or unreachable, and why."""

    trigger: str
    session: int
    connected_at: int | None
    unreachable_at: int | None
    reason: str | None
    hostname: str | None


class JoinedRunView(msgspec.Struct, frozen=True):
    """The end of a joined run; `counts` = the gathering waits for it."""

    automation: str
    run: str
    state: str
    counts: bool
    delivery: str
    at: int


class GatheringView(msgspec.Struct, frozen=True):
    """Runs of several automations that one start waits for. `per` = the slot (ms) or the run key."""

    trigger: str
    per: str
    expected: int
    here: int
    deadline_at: int
    changed_at: int
    gathered: list[JoinedRunView] = []


class HeldGroup(msgspec.Struct, frozen=True):
    """Deliveries of one key that flow control holds; `due_at` = when the first of them is evaluated again."""

    trigger: str
    by_key: str
    number: int
    due_at: int
    first_at: int
