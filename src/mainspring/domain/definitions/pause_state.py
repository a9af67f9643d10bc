"""Whether somebody keeps an automation from starting, until an instant or until it is resumed. Pure."""

from typing import Protocol


class Pausable(Protocol):
    """What can be paused. `paused_at` None = it is not; `paused_until` None = until somebody resumes it."""

    @property
    def paused_at(self) -> int | None: ...
    @property
    def paused_until(self) -> int | None: ...


def is_paused(one: Pausable, now: int) -> bool:
    """Tell whether it is paused at an instant."""
    return one.paused_at is not None and (one.paused_until is None or one.paused_until > now)
