"""What workers do beside their runs, and a watcher does alone: bury the dead, forget what is too old, take in the spool, do bulk acts.

A steady scan, each part on its own: an error in one neither stops the others nor the next round.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import MappingProxyType

from mainspring.app.workers.dead_sessions import declare_expired_sessions_dead, declare_session_dead
from mainspring.app.workers.upkeep_failures import UpkeepFailures
from mainspring.domain.clock import Clock
from mainspring.domain.duration import to_milliseconds
from mainspring.service.bulk_operation import run_next_piece
from mainspring.store.commands.automations import ApplyRetention, SetMeta
from mainspring.store.commands.logs import PruneLogs
from mainspring.store.liveness import find_dead, left_to_supervisor
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.bulk_operations import is_due

_LOG = logging.getLogger("mainspring.upkeep")
_ROUND_INTERVAL_S = 1.0
_ROUNDS_PER_PRUNE = 60
_MAX_PRUNES_PER_ROUND = 10
"""A round deletes no more than so many parts, and goes on in the next one: 5,000 runs a second, and others commit in between."""
_MAX_PIECES_PER_ROUND = 3
"""A round does no more pieces of bulk acts than these: who died is buried in time, and a page sees the rest go on."""
_SUPERVISOR_GRACE_ROUNDS = 5
"""A dead worker whose supervisor lives is left to it for so many rounds: it knows how the process died."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long finished runs, events, figures and lines of log are kept."""

    succeeded: timedelta = timedelta(days=30)
    failed: timedelta = timedelta(days=180)
    cancelled: timedelta = timedelta(days=30)
    events: timedelta = timedelta(days=7)
    rollups: timedelta = timedelta(days=400)
    logs: timedelta = timedelta(days=14)

    def prune(self, now: int) -> ApplyRetention:
        """Return the command that deletes what is past it."""

        def before(span: timedelta) -> int:
            return now - to_milliseconds(span)

        return ApplyRetention(
            before(self.succeeded),
            before(self.failed),
            before(self.cancelled),
            before(self.events),
            before(self.rollups),
        )

    def prune_lines(self, now: int) -> PruneLogs:
        """Return the command that deletes lines of log which are past it."""
        return PruneLogs(now - to_milliseconds(self.logs))


class Upkeep:
    """One round a second, in a thread of its own, in workers and watchers alike: each row is taken by itself, so any number may look.

    `extra` = what else is done once a minute, by its name.
    """

    def __init__(
        self,
        retention: Retention | None = None,
        extra: Mapping[str, Callable[[ProcessStore], None]] = MappingProxyType({}),
    ) -> None:
        self._retention = retention or Retention()
        self._extra = extra
        self._seen: dict[int, int] = {}
        self._rounds = 0
        self._is_behind = self._can_shrink = False
        self._failures = UpkeepFailures()
        self._takes_orders = False
        self._order: tuple[str, str] | None = None
        self._task: asyncio.Task[None] | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mainspring-upkeep")

    def start(
        self,
        loop: asyncio.AbstractEventLoop,
        store: ProcessStore,
        clock: Clock,
        on_order: Callable[[tuple[str, str] | None], None] | None = None,
    ) -> None:
        """Begin, in `loop`. `on_order` is told each round which crash was ordered (automation, step), by whoever obeys such orders."""
        self._takes_orders = on_order is not None
        self._task = loop.create_task(self._live(loop, store, clock, on_order))

    def close(self) -> None:
        """End; a round that is under way is not waited for."""
        if self._task is not None:
            self._task.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _live(
        self,
        loop: asyncio.AbstractEventLoop,
        store: ProcessStore,
        clock: Clock,
        on_order: Callable[[tuple[str, str] | None], None] | None,
    ) -> None:
        while True:
            try:
                await loop.run_in_executor(self._pool, self.run_once, store, clock.now())
                if on_order is not None:
                    on_order(self._order)
            except Exception:  # noqa: BLE001 - the scan never ends
                _LOG.exception("upkeep fails, and is tried again each second")
            await asyncio.sleep(_ROUND_INTERVAL_S)

    def run_once(self, store: ProcessStore, now: int) -> bool:
        """Make one round, in which no part stops another; True if it found work."""
        attempt = self._failures.attempt
        is_busy = attempt("dead processes", lambda: self.bury_dead(store), otherwise=False)
        is_busy |= attempt("expired leases", lambda: declare_expired_sessions_dead(store), otherwise=False)
        self._rounds += 1
        is_time = self._rounds % _ROUNDS_PER_PRUNE == 1
        attempt("retention", lambda: self._keep_small(store, now, is_time=is_time), otherwise=None)
        if is_time:
            for part, take in self._extra.items():
                attempt(part, partial(take, store), otherwise=None)
        is_busy |= attempt("bulk operations", lambda: run_bulk_pieces(store, now), otherwise=False)
        if self._takes_orders:
            self._order = attempt("crash orders", lambda: read_crash_order(store), otherwise=self._order)
        self._failures.report(store, now)
        return is_busy or is_time

    def _keep_small(self, store: ProcessStore, now: int, *, is_time: bool) -> None:
        """Delete what is past its retention, each minute and while there is more, and return its space to the disk."""
        if is_time or self._is_behind:
            self._is_behind = self._prune(store, now)
        elif self._can_shrink:
            self._can_shrink = store.give_space_back()

    def _prune(self, store: ProcessStore, now: int) -> bool:
        """Delete what is past its retention, part by part; True if there is more of it."""
        is_more = False
        for command in (self._retention.prune(now), self._retention.prune_lines(now)):
            is_more |= self._prune_by(store, command)
        return is_more

    def _prune_by(self, store: ProcessStore, command: ApplyRetention | PruneLogs) -> bool:
        for _ in range(_MAX_PRUNES_PER_ROUND):
            deleted = store.apply(command).number
            if deleted:
                self._can_shrink = store.give_space_back()
            if deleted < command.limit:
                return False
        return True

    def bury_dead(self, store: ProcessStore) -> bool:
        """Bury the sessions of this host whose process is gone; True if there was one."""
        dead = [found for found in find_dead(store.reader) if found.session != store.session]
        left = left_to_supervisor(store.reader, dead)
        self._seen = {found.session: self._seen.get(found.session, 0) + 1 for found in dead}
        buried = False
        for found in dead:
            if found.session in left and self._seen[found.session] <= _SUPERVISOR_GRACE_ROUNDS:
                continue
            buried |= declare_session_dead(store, found)
        return buried


def run_bulk_pieces(store: ProcessStore, now: int) -> bool:
    """Do what is due of bulk acts at `now`, at most a few pieces; True if there was something."""
    done = 0
    # A look costs no commit: most of the time there is no bulk act at all, or its rate makes the next piece wait.
    while done < _MAX_PIECES_PER_ROUND and is_due(store.reader, now) and run_next_piece(store):
        done += 1
    return done > 0


CRASH_ORDER_KEY, CRASH_ARMED_KEY = "crash_after", "crash_armed"
"""Entries of `meta`: the automation and step after whose commit a worker is to kill itself, and that one has heard of it."""


def read_crash_order(store: ProcessStore) -> tuple[str, str] | None:
    """Return the ordered crash, as (automation, step), and acknowledge it."""
    rows = store.reader.read("read_meta", (CRASH_ORDER_KEY,))
    if not rows:
        return None
    order = str(rows[0][0])
    automation, _, step = order.partition("\x1f")
    store.apply(SetMeta(CRASH_ARMED_KEY, order))
    return automation, step
