"""The limit of refusals: requests of a body that must end are refused; a body that ignores this gets no answer any more.

A loop of `try: ... except BaseException: pass` swallows every refusal and repeats its request without end, so that
the worker's loop would never turn again. Code that cleans up gets a few refusals; far beyond that number the
refusals stop, and a request gets no answer at all: the code waits, and the worker's loop turns again.
"""

import asyncio
from typing import TYPE_CHECKING

from mainspring.engine.body.request import Unloaded

if TYPE_CHECKING:
    from mainspring.engine.body.body import Body

_MAX_REFUSALS, _MAX_REFUSALS_PER_TASK = 1_000, 100


class RefusalLimit:
    """The refusals of one body. `are_over` = the limit is reached: none of its requests is registered any more."""

    def __init__(self) -> None:
        self.are_over = False
        self._left: int | None = None

    def refuse(self, body: "Body") -> None:
        """Raise the error that ends the requesting code, unless the body may continue, is shielded, or reached the limit."""
        task = body.loop.current()
        if body.loop.closed:
            refusal: BaseException = Unloaded()
        elif body.stopping is not None and not body.rolling_back and task is not None and not task.shields:
            refusal = asyncio.CancelledError(str(body.stopping))
        else:
            return
        if self._left is None:
            self._left = _MAX_REFUSALS + _MAX_REFUSALS_PER_TASK * len(body.loop.tasks)
        self._left -= 1
        self.are_over = self.are_over or self._left < 0
        if not self.are_over:
            raise refusal

    def renew(self) -> None:
        """Reset the count: it starts at a cancel, and again at the unloading."""
        self._left = None
