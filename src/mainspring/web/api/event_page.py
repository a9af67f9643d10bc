"""A page of numbered events, for a response that sends them as a run makes them: records of a stream, or lines of its log."""

from typing import Any

import msgspec


class NumberedEvent(msgspec.Struct, frozen=True):
    """An event: its number, the name of its kind, and what it shows."""

    id: int
    kind: str
    data: Any


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """Events of a run, in order. The next page begins after the number `next`, in the run `continued_by` if that is set.

    `place` = the id by which `RunEndWaiters` waits for more. `is_over` = there will be no more. `pause_s` > 0 = the run has ended, but more
    may come for so long.
    """

    run: str
    place: str
    events: list[NumberedEvent]
    next: int
    is_over: bool
    continued_by: str | None = None
    pause_s: float = 0
