"""Reads of triggers, their deliveries, and the deliveries they hold. Counts are capped, lists are pages."""

from collections.abc import Iterable, Sequence

import msgspec

from mainspring.domain.errors import NotFoundError
from mainspring.domain.ids import make_id
from mainspring.domain.states import DeliveryState
from mainspring.domain.triggers.flow_control import FlowControlState, HeldDeliveries
from mainspring.store.base import StoreReader
from mainspring.store.read.list_bounds import LAST, NEWEST
from mainspring.store.read.short_ids import IdKind, ambiguous, ids_ending
from mainspring.store.read.time_search import number_at
from mainspring.store.schema.row import first_value, first_values
from mainspring.store.schema.triggers.deliveries import DELIVERY_ROW, DELIVERY_VIEW
from mainspring.store.transaction import Row
from mainspring.store.trigger_views import (
    ConsumerView,
    DeliveryCounts,
    DeliveryPage,
    DeliveryRow,
    DeliveryView,
    GatheringView,
    HeldGroup,
    JoinedRunView,
    RecentDeliveryCounts,
)

CAP = 10_000
"""Limit of counts."""
_SKEW_MS = 3_600_000
"""Ids are made by the clocks of many machines; the search in commit order starts this much earlier."""
_OVERLAP_MS = 10_000
"""Commits of several processes overlap, so received rows may be out of order by this much."""
_MOST_LISTED = 5


def deliveries(
    reader: StoreReader,
    *,
    trigger: str | None = None,
    triggers: Sequence[str] | None = None,
    state: DeliveryState | None = None,
    since_at: int = 0,
    until_at: int | None = None,
    verified: str | None = None,
    limit: int = 50,
    cursor: int | None = None,
    at_most: int | None = None,
) -> DeliveryPage:
    """Return a page of deliveries, newest first, for one trigger or for these; received at or after `since_at`, before
    `until_at`.

    `verified` = those with this result of their verifier: whose they are, or why they were rejected. `at_most` = how
    many are searched: a page of a rare kind may have fewer rows than `limit`, or none, and still continues.
    """
    first = _first_from(reader, since_at) if since_at else 0
    if first is None:
        return DeliveryPage([], None)
    before = NEWEST if cursor is None else cursor
    if until_at is not None:
        with reader.snapshot() as read:
            end_at = until_at + _OVERLAP_MS
            before = min(
                before, number_at(read, end_at, newest="find_newest_delivery_number", time_at="find_delivery_time")
            )
    low = first
    if at_most is not None:
        top = (first_value(reader.read("find_newest_delivery_number"), int) or 0) + 1 if before == NEWEST else before
        low = max(first, top - at_most)
    state_value = None if state is None else state.value
    names = None if triggers is None else msgspec.json.encode(triggers).decode()
    rows = reader.read(
        "list_deliveries", (before, trigger, state_value, since_at, limit + 1, low, names, until_at, verified)
    )
    delivery_rows = DELIVERY_ROW.read_all(rows)
    if len(delivery_rows) > limit:
        return DeliveryPage(delivery_rows[:limit], delivery_rows[limit - 1].seq)
    return DeliveryPage(delivery_rows, low if low > max(first, 1) else None)


def replayed_deliveries(reader: StoreReader, ids: Sequence[str]) -> set[str]:
    """Return those of these deliveries that were replayed."""
    return set(first_values(reader.read("list_replayed_deliveries", (msgspec.json.encode(ids).decode(),)), str))


def trigger_names(reader: StoreReader) -> list[str]:
    """Return the names of all triggers, ended ones too."""
    return first_values(reader.read("list_trigger_names"), str)


def delivery(reader: StoreReader, text: str) -> DeliveryView:
    """Return the delivery with this id, or the only one whose id begins or ends so.

    Raises:
        NotFoundError: none matches.
        ConflictError: several match.
    """
    rows = reader.read("read_delivery", (text,))
    if not rows:
        delivery_ids = first_values(reader.read("list_delivery_ids_from", (text, text + LAST, _MOST_LISTED + 1)), str)
        delivery_ids += [ending.id for ending in ids_ending(reader, IdKind.DELIVERY, text)]
        if len(delivery_ids) > 1:
            raise ambiguous(IdKind.DELIVERY, text, delivery_ids)
        rows = [row for id in delivery_ids for row in reader.read("read_delivery", (id,))]
    if not rows:
        raise NotFoundError(f"there is no delivery {text}", hint="See: mainspring triggers show NAME")
    return DELIVERY_VIEW.read(rows[0])


def delivery_outcome(reader: StoreReader, delivery: str) -> tuple[DeliveryState, str | None]:
    """Return the state of the delivery with this id, and the run that it started.

    Raises:
        NotFoundError: there is none.
    """
    rows = reader.read("read_delivery_state", (delivery,))
    if not rows:
        raise NotFoundError(f"there is no delivery {delivery}")
    state, run, *_ = rows[0]
    return DeliveryState(state), run


def delivered_for(reader: StoreReader, run: str, limit: int = 20) -> list[DeliveryRow]:
    """Return the deliveries that started a run, oldest first."""
    return _read_rows(reader, first_values(reader.read("list_deliveries_of_run", (run, limit)), str))


def deliveries_of_event(reader: StoreReader, event: str, name: str) -> list[DeliveryRow]:
    """Return the deliveries of an event of this name for each subscribed trigger: their key is the event's id."""
    subscribed = first_values(reader.read("list_subscribed_triggers", ("event", name)), str)
    ids = [id for trigger in subscribed for id in first_values(reader.read("find_delivery", (trigger, event)), str)]
    return _read_rows(reader, ids)


def _read_rows(reader: StoreReader, ids: Iterable[str]) -> list[DeliveryRow]:
    """Return these deliveries as rows of a list."""
    views = [view for id in ids for view in DELIVERY_VIEW.read_all(reader.read("read_delivery", (id,)))]
    return [DeliveryRow(*(getattr(view, name) for name in DeliveryRow.__struct_fields__)) for view in views]


def delivery_of_key(reader: StoreReader, trigger: str, key: str) -> str | None:
    """Return the delivery that counts for a trigger under this key; a refused one does not."""
    rows = reader.read("find_delivery", (trigger, key))
    return next((str(id) for id, state, *_ in rows if state != DeliveryState.REFUSED), None)


def count_deliveries_since(reader: StoreReader, since_at: int) -> RecentDeliveryCounts:
    """Return the counts of deliveries since an instant; above the cap, of the newest."""
    first = _first_from(reader, since_at)
    if first is None:
        return RecentDeliveryCounts({}, more=False)
    counts: dict[str, DeliveryCounts] = {}
    counted = 0
    for trigger, state, is_rejected, number, last_at in reader.read(
        "count_deliveries_by_state", (first, since_at, CAP + 1)
    ):
        trigger_counts = counts.get(trigger, DeliveryCounts())
        counted += number
        counts[trigger] = DeliveryCounts(
            {**trigger_counts.states, state: number},
            trigger_counts.at_the_door + int(is_rejected),
            max(trigger_counts.last_at or 0, last_at),
        )
    return RecentDeliveryCounts(counts, counted > CAP)


def undecided_since(reader: StoreReader, *, filtered: bool) -> dict[str, int]:
    """Return since when the oldest delivery of each trigger waits for a decision: by a filter, or by the router."""
    with reader.snapshot() as read:
        names = first_values(read("list_waiting_triggers", (int(filtered),)), str)
        oldest = {name: read("list_received_deliveries", (int(filtered), name, 0, 1)) for name in names}
    return {name: received_at for name, rows in oldest.items() for *_, received_at in rows}


def last_delivery_at(reader: StoreReader, trigger: str) -> int | None:
    """Return when the last delivery of a trigger was received."""
    return first_value(reader.read("find_last_delivery_time", (trigger,)), int)


def consumers(reader: StoreReader) -> list[ConsumerView]:
    """Return the consumers of brokers and folders, by trigger."""
    return [ConsumerView(*row) for row in reader.read("list_consumers")]


def held_groups(reader: StoreReader, trigger: str, limit: int = 50) -> list[HeldGroup]:
    """Return the deliveries that a trigger's flow control holds, by key, the first due first."""
    return [HeldGroup(*row) for row in reader.read("list_held_groups", (trigger, limit))]


def open_gatherings(reader: StoreReader, trigger: str | None = None, limit: int = 50) -> list[GatheringView]:
    """Return starts that wait for runs of other automations, the first deadline first, each with the ends so far."""
    with reader.snapshot() as read:
        return [
            _gathering(row, [_gathered(joined_row) for joined_row in read("list_joined_runs", row[:2])])
            for row in read("list_open_gatherings", (trigger, limit))
        ]


def gathering(reader: StoreReader, trigger: str, per: str) -> tuple[int, str | None] | None:
    """Return the deadline of one gathering and the run that it started; None = it has no ends."""
    rows = reader.read("read_gathering", (trigger, per))
    return next(((deadline_at, run) for _, _, deadline_at, run in rows), None)


def joined_runs(reader: StoreReader, trigger: str, per: str) -> list[JoinedRunView]:
    """Return the ends of one slot or key so far."""
    return [_gathered(row) for row in reader.read("list_joined_runs", (trigger, per))]


def run_of_key(reader: StoreReader, automation: str, key: str, now: int) -> str | None:
    """Return the run that has a run key at the instant `now` (ms)."""
    return first_value(reader.read("find_counting_run_of_key", (automation, key, now)), str)


def flow_control_state(reader: StoreReader, trigger: str, by: str) -> tuple[HeldDeliveries, FlowControlState]:
    """Return the input of flow control for a key: the held deliveries, and its state."""
    held, marks = reader.read("count_held_deliveries", (trigger, by)), reader.read("read_flow_control", (trigger, by))
    return HeldDeliveries(*held[0]), flow_control_of_row(marks[0]) if marks else FlowControlState()


def flow_control_of_row(row: Row) -> FlowControlState:
    """Return the state of a row of `read_flow_control`."""
    counted_at, started_at, starts, since_at = row
    return FlowControlState(counted_at=counted_at, started_at=started_at, starts=starts, since_at=since_at)


def _first_from(reader: StoreReader, since_at: int) -> int | None:
    """Return a place in commit order before which nothing was received since an instant; None = nothing was."""
    return first_value(reader.read("find_first_delivery_from", (make_id("d", max(0, since_at - _SKEW_MS), 0),)), int)


def _gathering(row: Row, ends: list[JoinedRunView]) -> GatheringView:
    trigger, per, required, joined, deadline_at, changed_at = row
    return GatheringView(trigger, per, required, joined, deadline_at, changed_at, ends)


def _gathered(row: Row) -> JoinedRunView:
    automation, run, state, counts, delivery_id, at = row
    return JoinedRunView(automation, run, state, bool(counts), delivery_id, at)
