"""The queue for a child process of a worker: the attempts that wait until one of its children is free."""

import msgspec

MAX_LISTED_ATTEMPTS = 100


class WaitingAttempt(msgspec.Struct, frozen=True, array_like=True):
    """An attempt in the queue."""

    run: str
    step: str


class ChildQueue(msgspec.Struct, frozen=True):
    """`children` = how many there are, all busy; `waiting` = the first of the `count` attempts that wait, in order."""

    children: int
    count: int
    waiting: list[WaitingAttempt]

    def place_of(self, run: str) -> tuple[int, str] | None:
        """Return the place (from 1) and the step of a run in the queue; None if it is not listed."""
        places = ((position, attempt.step) for position, attempt in enumerate(self.waiting, 1) if attempt.run == run)
        return next(places, None)
