"""Selection of the deliveries of a replay: those that match, without rejected, undecided and replayed ones."""

from collections.abc import Callable
from typing import Final

import msgspec

from mainspring.domain.states import UNDECIDED_STATES, DeliveryState
from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.service.runs.run_selection import RunSelection
from mainspring.store.base import StoreReader
from mainspring.store.read.triggers import deliveries, replayed_deliveries, trigger_names
from mainspring.store.trigger_views import DeliveryRow
from mainspring.store.write.triggers.rejected_deliveries import key_of_rejected

_PAGE: Final = 500
_MAX_ROWS_READ: Final = 20_000
"""Most rows of one read, however rare the matches are."""


class DeliveryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """A filter of deliveries: for `trigger`, in `state`, received from `since_at` to before `until_at` (ms); the newest `limit`.

    `verified` = the result of their verifier.
    """

    trigger: str | None = None
    state: DeliveryState | None = None
    since_at: int = 0
    until_at: int | None = None
    verified: str | None = None
    limit: int | None = None


def select_deliveries(
    reader: StoreReader, delivery_filter: DeliveryFilter, may_view: Callable[[str], bool] = lambda _: True
) -> RunSelection:
    """Return the matching deliveries that can be replayed, of automations that the caller may see.

    It leaves out rejected, undecided and replayed ones: the replay stands for its original, so that a failed replay does not count an event
    a third time.
    """
    names = trigger_names(reader) if delivery_filter.trigger is None else [delivery_filter.trigger]
    names = [name for name in names if may_view(split_trigger_name(name)[0])]
    found: list[DeliveryRow] = []
    left_out, cursor = 0, None
    while delivery_filter.limit is None or len(found) < delivery_filter.limit:
        page = deliveries(
            reader,
            triggers=names,
            state=delivery_filter.state,
            since_at=delivery_filter.since_at,
            until_at=delivery_filter.until_at,
            verified=delivery_filter.verified,
            limit=_PAGE,
            cursor=cursor,
            at_most=_MAX_ROWS_READ,
        )
        replayed = replayed_deliveries(reader, [row.id for row in page.deliveries if _may_replay(row)])
        for row in page.deliveries:
            if len(found) == delivery_filter.limit:
                break
            if _may_replay(row) and row.id not in replayed:
                found.append(row)
            else:
                left_out += 1
        cursor = page.cursor
        if cursor is None:
            break
    automations = {split_trigger_name(row.trigger)[0] for row in found}
    return RunSelection(tuple(row.id for row in reversed(found)), tuple(sorted(automations)), left_out)


def _may_replay(row: DeliveryRow) -> bool:
    return row.state not in UNDECIDED_STATES and row.key != key_of_rejected(row.id)
