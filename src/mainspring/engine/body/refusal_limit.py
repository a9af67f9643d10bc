"""Whoever asks for something although the body was told to end is refused; a body that will not hear it is left standing.

A loop of `try: ... except BaseException: pass` swallows every refusal and asks again, for ever and in one go, so that
the worker's loop would never turn again. Code that cleans up is refused now and then; after far more than that the
refusals stop, and who asks gets no answer at all: he waits, which gives the worker its loop back.
"""

import asyncio
from typing import TYPE_CHECKING

from mainspring.engine.body.request import Unloaded

if TYPE_CHECKING:
    from mainspring.engine.body.body import Body

_MAX_REFUSALS, _MAX_REFUSALS_PER_TASK = 1_000, 100


class RefusalLimit:
    """Of one body. `are_over` = it fights its end: nothing that it asks for is taken up any more."""

    def __init__(self) -> None:
        self.are_over = False
        self._left: int | None = None

    def refuse(self, body: "Body") -> None:
        """Raise what tells whoever asks now that the body ends, unless it goes on, is shielded, or has heard it too often."""
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
        """Count anew: from a cancel on, then from the unloading on."""
        self._left = None
