"""The session of a supervisor: what it writes to the store and reads from it.

A thread of its own does this, so that an unreachable store does not keep the supervisor from its processes. The session owns no run, so
it survives outages of a server. If it was declared dead meanwhile, the supervisor opens another one.
"""

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from math import inf

from mainspring.app.processes.managed_process import PROBATION_ROLE
from mainspring.app.project import Project
from mainspring.app.stores.store_factory import make_store
from mainspring.app.workers.dead_sessions import declare_session_dead
from mainspring.domain.errors import FencedError, MainspringError, StoreError
from mainspring.domain.processes.crash_blame import (
    PROBATION_MS,
    REMEMBERED_LOSSES_MS,
    SHUTDOWN_WINDOW_S,
    CrashHistory,
    assign_blame,
    first_probation_ms,
    next_probation_ms,
    probation_wait_ms,
)
from mainspring.domain.states import SessionState
from mainspring.store.base import OUTAGES, StoreBrokenError
from mainspring.store.commands.sessions import EndProbation
from mainspring.store.liveness import find_dead, host_identity
from mainspring.store.process_store import ProcessStore
from mainspring.store.process_usage import ProcessUsage

_LOG = logging.getLogger("mainspring.supervisor")
_ROUND_INTERVAL_S = 0.2
_HEARTBEAT_INTERVAL_S = 10.0
"""Three of them fit into the silence after which a process counts as stopped."""
_CLOSE_TIMEOUT_S = 3.0
_MAX_BLAME_RECORDS = 20


@dataclass(frozen=True, slots=True)
class _ProcessDeath:
    """The end of a process. It is recorded from `due` on, by the machine's own clock."""

    pid: int
    counts: bool
    probation: bool
    due: float
    exit_text: str


class SupervisorSession:
    """The supervisor's session. `roles` = the roles of the processes that are kept, one for each.

    The supervisor's thread reads its attributes.
    """

    def __init__(self, project: Project, roles: tuple[str, ...]) -> None:
        self._project = project
        self._posts = roles
        self._store: ProcessStore | None = None
        self._since: int | None = None
        self._fenced = False
        self._died: deque[_ProcessDeath] = deque()
        self._blamed: list[tuple[float, tuple[str, ...]]] = []
        """When runs were put on probation, and the runs."""
        self._is_pardoned = False
        self._usage = ProcessUsage()
        self._beat_due_at = 0.0
        self._logged: str | None = None
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mainspring-record", daemon=True)
        self._probation_seen_at: float | None = None
        """When runs were first found that wait for a probation process."""
        self._wait_ms = 0
        self.is_probation_due = False
        """Whether runs that shared a crash wait for a probation process, and the time to start it has come."""
        self.quarantined: frozenset[int] = frozenset()
        """Process numbers on this host that a person quarantined."""
        self.survive_ms = PROBATION_MS
        """On probation, a run that has lived this long no longer delays the next one."""
        self.deaths = CrashHistory()
        self.failed: StoreError | None = None
        """Why the store can no longer be used."""

    def open(self) -> None:
        """Open the store and the supervisor's session, then continue in the thread.

        Raises:
            StoreError: it cannot be used.
        """
        self._open_store()
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Whether a death is not recorded yet."""
        return bool(self._died)

    def check(self) -> None:
        """Check that the store can be used, or is unreachable only for a while. Raises StoreError, StoreRemovedError."""
        if self.failed is not None:
            raise self.failed
        try:
            self.check_presence()
        except StoreBrokenError:
            raise
        except OUTAGES as error:
            self._log_change(error)

    def check_presence(self) -> None:
        """Check that the store still exists under its name. Raises StoreRemovedError."""
        store = self._store
        if store is not None:
            store.check_presence()

    def died(self, pid: int, *, counts: bool, probation: bool, exit_text: str = "") -> None:
        """Declare the session of a process dead as soon as the store accepts it. `counts` = if it owned runs, one of them may be to blame.

        A death on probation could set a run apart: it waits until it is known that not all processes are being ended.
        """
        later = SHUTDOWN_WINDOW_S if counts and probation else 0.0
        self._died.append(_ProcessDeath(pid, counts, probation, time.monotonic() + later, exit_text))
        self._wake.set()

    def pardon(self) -> None:
        """Excuse the deaths of the last two seconds as part of a common shutdown: no run is to blame for them."""
        self._is_pardoned = True
        self._wake.set()

    def close(self) -> None:
        """End the session and close the store."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_TIMEOUT_S)
        if self._store is not None:
            self._store.close()

    def _open_store(self) -> None:
        settings = self._project.settings.store
        store = make_store(
            settings.url, lease_ms=self._project.lease_ms, clock=self._project.clock, on_fatal=self._on_fatal
        )
        store.open()
        try:
            session = store.open_session("supervisor", posts=self._posts)
        except BaseException:
            store.close(drain=False)
            raise
        if self._since is None:
            self._since = session
        self._store = store

    def _on_fatal(self, error: BaseException) -> None:
        self._fenced = isinstance(error, FencedError)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(_ROUND_INTERVAL_S)
            self._wake.clear()
            try:
                self._run_round()
            except FencedError:
                self._fenced = True
            except StoreBrokenError as error:
                self.failed = error
                return
            except OUTAGES as error:
                self._log_change(error)
            except StoreError as error:
                self.failed = error
                return
            except Exception:  # noqa: BLE001  whatever fails, the processes are kept
                _LOG.exception("the record of the supervisor failed; trying again")
            else:
                self._log_change(None)

    def _run_round(self) -> None:
        if self._fenced and self._store is not None:
            _LOG.warning("this supervisor had no contact for too long: it opens another session")
            self._store.close(drain=False)
            self._store, self._fenced, self._beat_due_at = None, False, 0.0
        if self._store is None:
            self._open_store()
        store = self._store
        assert store is not None
        now = time.monotonic()
        due_deaths = [death for death in list(self._died) if self._is_pardoned or now >= death.due]
        for death in due_deaths:
            self._declare_dead(store, death)
        if self._is_pardoned and self._blamed:
            runs = tuple(run for at, runs in self._blamed if now - at <= SHUTDOWN_WINDOW_S for run in runs)
            store.apply(EndProbation(runs))
            self._blamed.clear()
        if now >= self._beat_due_at:
            self._beat_due_at = inf  # until it is answered: an unreachable store must not delay the rest
            store.submit(self._usage.beat(), self._note_beat)
        has_probation_runs = bool(store.reader.read("count_unclaimed_probation_runs")[0][0])
        self.is_probation_due = has_probation_runs and self._has_waited(store, now)
        rows = store.reader.read("list_quarantined_sessions", (self._since, host_identity()))
        self.quarantined = frozenset(int(row[0]) for row in rows)
        for death in due_deaths:  # last: until then readers know that more is to come
            self._died.remove(death)

    def _has_waited(self, store: ProcessStore, now: float) -> bool:
        """Return whether the wait for a probation process has passed since runs were first found that need one."""
        assert self._since is not None
        if self._probation_seen_at is None:
            self._probation_seen_at = now
        # First the dead sessions: one that is declared dead between the two reads is counted twice, not missed.
        dead_sessions = find_dead(store.reader)
        deaths = sum(found.role == PROBATION_ROLE and found.session < self._since for found in dead_sessions)
        since = store.clock.now() - REMEMBERED_LOSSES_MS
        deaths += store.reader.read("count_probation_deaths", (since,))[0][0]
        self.survive_ms = max(self.survive_ms, first_probation_ms(deaths))
        waited_ms = (now - self._probation_seen_at) * 1_000
        wait_ms, self._wait_ms = self._wait_ms, probation_wait_ms(deaths)
        if wait_ms < self._wait_ms and waited_ms < self._wait_ms:
            _LOG.warning(
                "%d probation processes died with their supervisor within an hour: this one starts the next after %d s",
                *(deaths, self._wait_ms // 1_000),
            )
        return waited_ms >= self._wait_ms

    def _note_beat(self, _answer: object) -> None:
        self._beat_due_at = time.monotonic() + _HEARTBEAT_INTERVAL_S

    def _log_change(self, error: MainspringError | None) -> None:
        """Log an error when it changes."""
        logged_before, self._logged = self._logged, None if error is None else error.message
        if logged_before == self._logged:
            return
        if error is None:
            _LOG.warning("the store answers again")
        else:
            _LOG.error("the store does not answer; the processes are kept running: %s", error.message)

    def _declare_dead(self, store: ProcessStore, death: "_ProcessDeath") -> None:
        for found in find_dead(store.reader):
            if found.pid != death.pid:
                continue
            run_ids = [str(row[0]) for row in store.reader.read("list_runs_of_session", (found.session,))]
            blame = assign_blame(
                is_excused=not death.counts or self._is_pardoned,
                is_at_work=store.reader.read("read_session_state", (found.session,))[0][0] == SessionState.ALIVE,
                on_probation=death.probation,
                claimed_runs=run_ids,
                probation_runs=[
                    str(row[0]) for row in store.reader.read("list_probation_runs_of_session", (found.session,))
                ],
            )
            if blame.counts:
                runs = "its run continues" if len(run_ids) == 1 else f"its {len(run_ids)} runs continue"
                suffix = f" ({death.exit_text})" if death.exit_text else ""
                _LOG.error("process %d died%s: %s in probation, one at a time", found.pid, suffix, runs)
                self._blamed = [*self._blamed[-_MAX_BLAME_RECORDS:], (death.due, tuple(run_ids))]
                self.deaths.note(death.due, blame)
                if death.probation:
                    self.survive_ms = next_probation_ms(self.survive_ms, blame)
            declare_session_dead(
                store,
                found,
                crashed=blame.counts,
                probation_run=blame.run,
                limit=self.deaths.limit(death.due),
                ending=death.exit_text,
            )
