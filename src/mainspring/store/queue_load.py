"""Load of queues for autoscaling: how many runs wait in each queue, and which workers could claim them. Counts stop at
their limits.
"""

import msgspec

from mainspring.store.views import Capped, QueueView

MOST_COUNTED = 10_000
"""Limit of the count of claimable runs of one automation."""


class ReadyGroup(msgspec.Struct, frozen=True):
    """Ready runs that differ only in place: how many (capped), and since when (ms) the first is ready."""

    queue: str
    automation: str
    version: int
    tag: str
    number: Capped
    since_at: int


class TagLoad(msgspec.Struct, frozen=True):
    """Runs of a queue that a worker with this tag ('' = any worker) can claim now, and how long (s) the oldest has
    waited.
    """

    claimable: int
    oldest_s: float


class QueueLoad(QueueView, frozen=True, kw_only=True):
    """A queue with its load. A paused queue or automation has no claimable runs.

    `workers` = live workers of the queue, `capacity` = how many runs they execute at once, at most the queue's own
    limit. `oldest_s` None = no run waits; `tags` = the same by tag.
    """

    claimable: int
    oldest_s: float | None
    workers: int
    capacity: int
    tags: dict[str, TagLoad]
