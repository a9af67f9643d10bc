"""Which deliveries a replay of many is for: what a filter means, without those that were turned away, go on, or came once more already."""

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
_LOOKED_AT: Final = 20_000
"""So many rows are looked at in one read, however seldom what is asked for is among them."""


class DeliveryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries: for `trigger`, in `state`, received from `since_at` to before `until_at` (ms); the newest `limit`.

    `verified` = what their verifier said of them.
    """

    trigger: str | None = None
    state: DeliveryState | None = None
    since_at: int = 0
    until_at: int | None = None
    verified: str | None = None
    limit: int | None = None


def select_deliveries(
    reader: StoreReader, wanted: DeliveryFilter, sees: Callable[[str], bool] = lambda _: True
) -> RunSelection:
    """Return the deliveries that the filter means and that can be let arrive once more, of automations that whoever asks `sees`.

    Left out is what was turned away at a door, what nobody has decided on yet, and what came once more already: its repeat stands for it,
    so that an event counts no third time because its replay failed too.
    """
    names = trigger_names(reader) if wanted.trigger is None else [wanted.trigger]
    names = [name for name in names if sees(split_trigger_name(name)[0])]
    found: list[DeliveryRow] = []
    left_out, cursor = 0, None
    while wanted.limit is None or len(found) < wanted.limit:
        page = deliveries(
            reader,
            triggers=names,
            state=wanted.state,
            since_at=wanted.since_at,
            until_at=wanted.until_at,
            verified=wanted.verified,
            limit=_PAGE,
            cursor=cursor,
            at_most=_LOOKED_AT,
        )
        again = replayed_deliveries(reader, [row.id for row in page.deliveries if _may_replay(row)])
        for row in page.deliveries:
            if len(found) == wanted.limit:
                break
            if _may_replay(row) and row.id not in again:
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
