"""Requests that wait for the end of a run: answered when the process hears that the store changed, and looked for now and then besides.

They hold no request place while they wait; their number has a bound of its own. A request that finds no room is answered at once.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from concurrent.futures import Executor
from typing import Final

from starlette.requests import Request

from mainspring.domain.access import Visitor
from mainspring.domain.errors import MainspringError
from mainspring.domain.states import TERMINAL, RunState
from mainspring.store.reads.runs import newest_of, run_view
from mainspring.web.api.call import Site
from mainspring.web.places import leave_place

MOST: Final = 256
"""Requests that wait at a time; the server takes so many connections more (web/process.py)."""
MOST_OF_ONE: Final = 64
"""Of them, those of one visitor."""
EVERY_S = 0.25
"""Between two looks where no push comes; a push comes with nearly every end."""
_AT_MOST_EVERY_S = 0.01
_LOG = logging.getLogger("mainspring.web.api")


class RunWaits:
    """Used in the loop's thread; the store is read in threads of `threads`."""

    def __init__(self, site: Site, threads: Executor) -> None:
        self._site = site
        self._threads = threads
        self._waiting: dict[asyncio.Future[None], tuple[str, str]] = {}
        """The run and the visitor of each request, in the order in which they came."""
        self._soon = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self.closed = False

    @property
    def open(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def hurry(self) -> None:
        """A run may have ended."""
        self._soon.set()

    def has_room(self, visitor: Visitor) -> bool:
        """Whether one more request of this visitor may wait."""
        of = Counter(who for _, who in self._waiting.values())
        return not self.closed and len(self._waiting) < MOST and of[str(visitor)] < MOST_OF_ONE

    async def wait(self, run: str, visitor: Visitor, request: Request, within_s: float) -> bool:
        """Return when the run, or its successor, has ended or needs a person; or the time is over, or the client gone.

        Return False at once if there is no room; only a request that waits leaves its place.
        """
        if not self.has_room(visitor):
            return False
        leave_place(request.scope)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = (run, str(visitor))
        self._soon.set()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look())
        gone = asyncio.get_running_loop().create_task(_disconnected(request))
        try:
            await asyncio.wait({future, gone}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting.pop(future, None)
            gone.cancel()
        return True

    def close(self) -> None:
        """Let no one wait any more."""
        self.closed = True
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        if self._looking is not None:
            self._looking.cancel()

    async def _look(self) -> None:
        """Look until no one waits any more."""
        while self._waiting:
            self._soon.clear()
            runs = {run for run, _ in self._waiting.values()}
            over = await asyncio.get_running_loop().run_in_executor(self._threads, self._over, runs)
            for future, (run, _) in list(self._waiting.items()):
                if run in over and not future.done():
                    future.set_result(None)
            await asyncio.sleep(_AT_MOST_EVERY_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._soon.wait()

    def _over(self, runs: set[str]) -> set[str]:
        """Return those of the runs that no one has to wait for any more; also what cannot be read: its request says why."""
        return {run for run in runs if self._is_over(run)}

    def _is_over(self, run: str) -> bool:
        try:
            view = run_view(self._site.reader, newest_of(self._site.reader, run))
        except MainspringError:
            return True
        except Exception:  # noqa: BLE001 - one that cannot be read must not keep the others waiting
            _LOG.exception("run %s, for which a request waits, cannot be read", run)
            return True
        return view.state in TERMINAL or view.state is RunState.NEEDS_ATTENTION


async def _disconnected(request: Request) -> None:
    """Return when the client is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
