"""Reads of queue loads. Each uses an index: its cost depends on the waiting runs, never on history."""

from collections.abc import Sequence

import msgspec

from mainspring.domain.states import SessionState
from mainspring.store.base import StoreReader
from mainspring.store.queue_load import MOST_COUNTED, QueueLoad, TagLoad
from mainspring.store.read.list_bounds import GROUPS
from mainspring.store.read.status.status import meta, queue_views, sessions
from mainspring.store.restore_hold import HOLD_KEY
from mainspring.store.session_views import SessionView
from mainspring.store.views import QueueView

_WORKS = frozenset({"worker", "app"})
_MOST_SESSIONS = 10_000


def queue_loads(reader: StoreReader, now_at: int) -> list[QueueLoad]:
    """Return the load of each queue at the instant `now_at` (ms), by name."""
    live = sessions(reader, limit=_MOST_SESSIONS)
    claimable = _claimable(reader, now_at)
    return [_load_of(view, live, claimable.get(view.name, {})) for view in queue_views(reader)]


def _claimable(reader: StoreReader, now_at: int) -> dict[str, dict[str, TagLoad]]:
    """Return the claimable runs of each queue, by tag; none in a store on hold."""
    if meta(reader, HOLD_KEY) is not None:
        return {}
    loads: dict[str, dict[str, TagLoad]] = {}
    groups = reader.read("measure_ready_groups", (now_at, MOST_COUNTED, GROUPS))
    for queue, _, _, tag, paused_until, number, since in groups:
        if paused_until is not None and paused_until > now_at:
            continue
        tags = loads.setdefault(queue, {})
        load = tags.get(tag, TagLoad(0, 0.0))
        tags[tag] = TagLoad(load.claimable + number, max(load.oldest_s, max(0, now_at - since) / 1000))
    return loads


def _load_of(view: QueueView, live: Sequence[SessionView], tags: dict[str, TagLoad]) -> QueueLoad:
    workers = [
        session
        for session in live
        if session.role in _WORKS
        and session.state == SessionState.ALIVE
        and session.automations
        and (session.queues is None or view.name in session.queues)
    ]
    capacity = sum(worker.capacity or 0 for worker in workers)
    counted = {} if view.paused_at is not None else tags
    return QueueLoad(
        **msgspec.structs.asdict(view),
        claimable=sum(load.claimable for load in counted.values()),
        oldest_s=max((load.oldest_s for load in counted.values()), default=None),
        workers=len(workers),
        capacity=capacity if view.concurrency is None else min(capacity, view.concurrency),
        tags=counted,
    )
