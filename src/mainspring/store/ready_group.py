"""Runs that wait for a worker, as a group: what a claim steps over as one."""

import msgspec

from mainspring.store.views import Capped


class ReadyGroup(msgspec.Struct, frozen=True):
    """Runs that are ready and only differ in place: how many (capped), and since when (ms) the first of them is."""

    queue: str
    automation: str
    version: int
    tag: str
    number: Capped
    since_at: int
