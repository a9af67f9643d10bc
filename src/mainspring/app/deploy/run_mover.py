"""The mover of runs: after an abort or a rollback, it moves unfinished runs of the new version back to the version in force.

A run moves only if the old code replays its journal without a difference; otherwise it stays. The replay runs in a process of its own,
so code that hangs or dies harms no worker. Invariant: a run moves as it was replayed, or not at all.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgspec

from mainspring.app.replay.replay_protocol import ReplaySpec
from mainspring.app.replay.replay_session import ReplayAbortedError, ReplaySession
from mainspring.app.replay.run_sources import read_saved_runs
from mainspring.domain.errors import ConflictError
from mainspring.domain.rollouts.rollout import Rollout
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.driver.replay import ReplayVerdict, SavedRun
from mainspring.service.actor import Actor, operation_context
from mainspring.service.perform import perform
from mainspring.store.commands.automations import AcquireLock, ReleaseLock
from mainspring.store.commands.results import LockGranted
from mainspring.store.commands.rollouts import MoveRun
from mainspring.store.process_store import ProcessStore
from mainspring.store.read import rollouts

_LOG = logging.getLogger("mainspring.rollouts")
_ACTOR = Actor("worker", "rollouts")
_INTERVAL_S = 5.0
_REPLAY_LIMIT_S, _LOAD_LIMIT_S = 10.0, 60.0
_PAGE = 500


class RunMover:
    """Moves runs in a thread of its own, until the process ends."""

    def __init__(self, store: ProcessStore, sealing: Sealing, registry: Registry, spec: ReplaySpec) -> None:
        self._store = store
        self._sealing = sealing
        self._registry = registry
        self._spec = spec
        self._stayed: set[str] = set()
        """Runs that this process could not move."""
        self._ended = threading.Event()
        self._fault = ""

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="mainspring-run-mover", daemon=True).start()

    def close(self) -> None:
        """Begin no other round."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(_INTERVAL_S):
            try:
                self.run_once()
                self._fault = ""
            except Exception as error:  # noqa: BLE001 - the next round tries again
                fault = f"{type(error).__name__}: {error}"
                if fault != self._fault:
                    _LOG.warning("runs of an aborted version cannot be moved now: %s", fault)
                self._fault = fault

    def run_once(self) -> None:
        """Move the runs of each rollout that ended, and that moves them.

        Raises:
            StoreError: the store cannot be read or written.
        """
        for rollout in rollouts.list_rollouts_to_undo(self._store.reader):
            old = self._registry.find(rollout.automation, rollout.old_version)
            if old is not None and old.version == rollout.old_version:
                self._move_runs(rollout)

    def _move_runs(self, rollout: Rollout) -> None:
        most = _PAGE + len(self._stayed)
        idle_runs = rollouts.list_idle_runs(self._store.reader, rollout.automation, rollout.new_version, most)
        runs = [run for run in idle_runs if run not in self._stayed][:_PAGE]
        if not runs:
            return
        with self._hold_lock(rollout) as is_held:
            if not is_held:
                return
            with ReplaySession(self._spec, limit_s=_REPLAY_LIMIT_S, load_limit_s=_LOAD_LIMIT_S) as session:
                for run, saved in read_saved_runs(self._store.reader, RowUnsealer(self._sealing), runs):
                    reason = str(saved) if isinstance(saved, Exception) else self._move(session, rollout, saved)
                    if reason:
                        self._stayed.add(run)
                        _LOG.info("run %s stays in version %d: %s", run, rollout.new_version, reason)

    def _move(self, session: ReplaySession, rollout: Rollout, saved: SavedRun) -> str:
        """Move a run; return why it stays, "" = it was moved, or has changed since it was read."""
        old_run = msgspec.structs.replace(saved.run, version=rollout.old_version)
        try:
            report = session.replay(msgspec.structs.replace(saved, run=old_run))
        except ReplayAbortedError as error:
            return error.message
        if report.refused:
            return f"its code calls {report.refused[0]}, which a replay refuses"
        if report.result.verdict is not ReplayVerdict.SAME:
            return report.result.text or report.result.verdict.value
        move = MoveRun(saved.run.id, saved.run.claim, rollout.new_version, rollout.old_version)
        act = operation_context(
            _ACTOR, self._store.clock, reason=f"rollout {rollout.id} is {rollout.state}".replace("_", " ")
        )
        detail = {"from_version": rollout.new_version, "to_version": rollout.old_version}
        with suppress(ConflictError):  # it has changed since it was read: the next round reads it again
            perform(self._store, act, "move to another version", f"run:{saved.run.id}", move, detail)
        return ""

    @contextmanager
    def _hold_lock(self, rollout: Rollout) -> Iterator[bool]:
        """Hold the lock of a rollout's moves: one process replays at a time."""
        name = f"rollout-moves:{rollout.id}"
        granted = self._store.apply(AcquireLock(name, f"worker {self._store.session}", "moves runs back"))
        try:
            yield isinstance(granted, LockGranted)
        finally:
            if isinstance(granted, LockGranted):
                self._store.apply(ReleaseLock(name, granted.token))
