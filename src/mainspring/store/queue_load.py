"""Load of queues: how many runs wait in each queue and which workers could take them, for autoscaling. Counts stop at their limits."""

import msgspec

from mainspring.store.views import Capped, QueueView

MOST_COUNTED = 10_000
"""Where the runs of one automation that can be claimed are counted no further."""


class ReadyGroup(msgspec.Struct, frozen=True):
    """Runs that are ready and only differ in place: how many (capped), and since when (ms) the first of them is."""

    queue: str
    automation: str
    version: int
    tag: str
    number: Capped
    since_at: int


class TagLoad(msgspec.Struct, frozen=True):
    """Runs of a queue that can be claimed now by a worker with this tag ('' = by any), and since when (s) the oldest of them can."""

    claimable: int
    oldest_s: float


class QueueLoad(QueueView, frozen=True, kw_only=True):
    """A queue with its load. What is paused cannot be claimed, so it counts as nothing.

    `workers` = live workers that take from it, `capacity` = how many runs they take at once, at most the queue's own limit. `oldest_s`
    None = nothing waits; `tags` = the same by tag.
    """

    claimable: int
    oldest_s: float | None
    workers: int
    capacity: int
    tags: dict[str, TagLoad]
