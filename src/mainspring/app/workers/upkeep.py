"""Upkeep by workers next to their runs, and by a watcher alone.

It declares dead processes dead, applies retention, imports the spool and runs bulk operations. It is a steady scan: an error in one part
stops neither the other parts nor the next round.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import TypeVar

from mainspring.app.workers.dead_sessions import declare_expired_sessions_dead, declare_session_dead
from mainspring.domain.clock import Clock
from mainspring.domain.duration import to_milliseconds
from mainspring.domain.errors import MainspringError
from mainspring.domain.processes.process_finding import ProcessFinding, ProcessFindingKind
from mainspring.engine.worker.scans import wait_for_next_round
from mainspring.service.bulk_operation import run_next_piece
from mainspring.store.commands.automations import ApplyRetention, SetMeta
from mainspring.store.commands.logs import PruneLogs
from mainspring.store.commands.sessions import RecordProcessFindings
from mainspring.store.liveness import find_dead, left_to_supervisor
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.bulk_operations import is_due

_LOG = logging.getLogger("mainspring.upkeep")
_ROUND_INTERVAL_S = 1.0
_ROUNDS_PER_PRUNE = 60
_MAX_PRUNES_PER_ROUND = 10
"""A round deletes at most this many parts and continues in the next one: 5,000 runs a second, with commits of others in between."""
_MAX_PIECES_PER_ROUND = 3
"""At most this many pieces of bulk operations in a round, so that deaths are declared in time and pages see the progress."""
_SUPERVISOR_GRACE_ROUNDS = 5
"""A dead worker is left to its live supervisor for this many rounds: the supervisor knows how the process died."""

_RECORD_AFTER_MS = 30_000
"""A shorter failure costs no commit."""
_MAX_TEXT_LENGTH = 300

T = TypeVar("T")


class UpkeepFailures:
    """The failures of the parts of a round, for one thread: `attempt` each part, then `report`."""

    def __init__(self) -> None:
        self._errors: dict[str, Exception] = {}
        """The latest failure, by part."""
        self._since: dict[str, int] = {}
        self._logged: str | None = None
        self._recorded: frozenset[str] = frozenset()

    def attempt(self, part: str, work: Callable[[], T], otherwise: T) -> T:
        """Return what `work` returns, or `otherwise` if it fails."""
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - the other parts continue
            self._errors[part] = error
            return otherwise
        self._errors.pop(part, None)
        return result

    def report(self, store: ProcessStore, now: int) -> None:
        """End a round at `now`: log changes and record lasting failures. Never raises."""
        errors = self._errors
        self._since = {part: self._since.get(part, now) for part in errors}
        self._log(errors)
        lasting = [part for part in sorted(errors) if now - self._since[part] >= _RECORD_AFTER_MS]
        if self._recorded == frozenset(lasting):
            return
        findings = [
            ProcessFinding(
                ProcessFindingKind.UPKEEP, part, _one_line(errors[part])[:_MAX_TEXT_LENGTH], self._since[part]
            )
            for part in lasting
        ]
        with contextlib.suppress(Exception):  # the store is away: the next round writes it
            store.apply(RecordProcessFindings(tuple(findings), (ProcessFindingKind.UPKEEP,)))
            self._recorded = frozenset(lasting)

    def _log(self, errors: dict[str, Exception]) -> None:
        """Log the failures when they change, not each second. Add a traceback only for a fault in the code."""
        parts: dict[str, list[str]] = {}
        for part, error in errors.items():
            parts.setdefault(f"{type(error).__name__}: {error}", []).append(part)
        text = "\n".join(f"{', '.join(names)}: {failure}" for failure, names in parts.items()) or None
        logged, self._logged = self._logged, text
        if text == logged:
            return
        if text is None:
            _LOG.warning("upkeep works again")
            return
        faults = [error for error in errors.values() if not isinstance(error, MainspringError | OSError)]
        _LOG.error("upkeep fails, next attempt each second: %s", text, exc_info=faults[0] if faults else None)


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


@dataclass(frozen=True, slots=True)
class Retention:
    """How long finished runs, events, rollups and log lines are kept."""

    succeeded: timedelta = timedelta(days=30)
    failed: timedelta = timedelta(days=180)
    cancelled: timedelta = timedelta(days=30)
    events: timedelta = timedelta(days=7)
    rollups: timedelta = timedelta(days=400)
    logs: timedelta = timedelta(days=14)

    def prune(self, now: int) -> ApplyRetention:
        """Return the command that deletes what is past its retention."""

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
        """Return the command that deletes log lines past their retention."""
        return PruneLogs(now - to_milliseconds(self.logs))


class Upkeep:
    """Runs one round a second, in a thread of its own. Any number of workers and watchers may run it: each row is claimed by itself.

    `extra` = more work for each minute, by name.
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
        self._obeys_orders = False
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
        """Start in `loop`. Each round calls `on_order` with the ordered crash (automation, step), for processes that obey such orders."""
        self._obeys_orders = on_order is not None
        self._task = loop.create_task(self._live(loop, store, clock, on_order))

    def close(self) -> None:
        """Stop, without waiting for a round in progress."""
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
                _LOG.exception("upkeep fails, next attempt each second")
            await wait_for_next_round(_ROUND_INTERVAL_S)

    def run_once(self, store: ProcessStore, now: int) -> bool:
        """Run one round, in which no part stops another. Return True if it found work."""
        attempt = self._failures.attempt
        is_busy = attempt("dead processes", lambda: self.declare_dead_sessions(store), otherwise=False)
        is_busy |= attempt("expired leases", lambda: declare_expired_sessions_dead(store), otherwise=False)
        self._rounds += 1
        is_time = self._rounds % _ROUNDS_PER_PRUNE == 1
        attempt("retention", lambda: self._apply_retention(store, now, is_time=is_time), otherwise=None)
        if is_time:
            for part, work in self._extra.items():
                attempt(part, partial(work, store), otherwise=None)
        is_busy |= attempt("bulk operations", lambda: run_bulk_pieces(store, now), otherwise=False)
        if self._obeys_orders:
            self._order = attempt("crash orders", lambda: read_crash_order(store), otherwise=self._order)
        self._failures.report(store, now)
        return is_busy or is_time

    def _apply_retention(self, store: ProcessStore, now: int, *, is_time: bool) -> None:
        """Delete what is past its retention, each minute and while there is more, and return its space to the disk."""
        if is_time or self._is_behind:
            self._is_behind = self._prune(store, now)
        elif self._can_shrink:
            self._can_shrink = store.give_space_back()

    def _prune(self, store: ProcessStore, now: int) -> bool:
        """Delete what is past its retention, part by part. Return True if more is left."""
        is_behind = False
        for command in (self._retention.prune(now), self._retention.prune_lines(now)):
            is_behind |= self._prune_by(store, command)
        return is_behind

    def _prune_by(self, store: ProcessStore, command: ApplyRetention | PruneLogs) -> bool:
        for _ in range(_MAX_PRUNES_PER_ROUND):
            deleted = store.apply(command).number
            if deleted:
                self._can_shrink = store.give_space_back()
            if deleted < command.limit:
                return False
        return True

    def declare_dead_sessions(self, store: ProcessStore) -> bool:
        """Declare the sessions of this host dead whose process has ended. Return True if there was one."""
        dead = [found for found in find_dead(store.reader) if found.session != store.session]
        left = left_to_supervisor(store.reader, dead)
        self._seen = {found.session: self._seen.get(found.session, 0) + 1 for found in dead}
        is_any_dead = False
        for found in dead:
            if found.session in left and self._seen[found.session] <= _SUPERVISOR_GRACE_ROUNDS:
                continue
            is_any_dead |= declare_session_dead(store, found)
        return is_any_dead


def run_bulk_pieces(store: ProcessStore, now: int) -> bool:
    """Run due pieces of bulk operations at `now`, up to a few. Return True if there was one."""
    done = 0
    # The check costs no commit: most of the time there is no bulk operation, or its rate delays the next piece.
    while done < _MAX_PIECES_PER_ROUND and is_due(store.reader, now) and run_next_piece(store):
        done += 1
    return done > 0


CRASH_ORDER_KEY, CRASH_ARMED_KEY = "crash_after", "crash_armed"
"""Entries of `meta`: the automation and step after whose commit a worker must kill itself, and the order that a worker has received."""


def read_crash_order(store: ProcessStore) -> tuple[str, str] | None:
    """Return the ordered crash, as (automation, step), and acknowledge it."""
    rows = store.reader.read("read_meta", (CRASH_ORDER_KEY,))
    if not rows:
        return None
    order = str(rows[0][0])
    automation, _, step = order.partition("\x1f")
    store.apply(SetMeta(CRASH_ARMED_KEY, order))
    return automation, step
