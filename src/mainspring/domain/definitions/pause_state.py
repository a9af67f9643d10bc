"""Pause state of an automation or queue: until an instant, or until it is resumed. Pure."""

from typing import Protocol


class Pausable(Protocol):
    """An object that can be paused. `paused_at` None = it is not; `paused_until` None = until a person resumes it."""

    @property
    def paused_at(self) -> int | None: ...
    @property
    def paused_until(self) -> int | None: ...


def is_paused(pausable: Pausable, now: int) -> bool:
    """Return whether it is paused at an instant."""
    return pausable.paused_at is not None and (pausable.paused_until is None or pausable.paused_until > now)
