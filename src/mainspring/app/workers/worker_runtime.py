"""Runtime of a worker, in one event loop: store, session, engine, scheduler and upkeep.

The worker process, `App.running()` and `mainspring run` are made of it. It is opened and closed in the loop's thread.
"""

import asyncio
import logging
import os
import shlex
import signal
import threading
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.app.stores.store_factory import make_effect_database, make_store
from mainspring.app.workers.intake_and_delivery import IntakeAndDelivery
from mainspring.app.workers.upkeep import CRASH_ORDER_KEY, Upkeep
from mainspring.domain.clock import Clock, SystemClock
from mainspring.domain.failures.classifier import Classifier
from mainspring.domain.processes.process_finding import ProcessFindingKind
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.isolation import import_name_of
from mainspring.engine.attempts.logs.log_capture import OUTPUT_CAPTURE
from mainspring.engine.attempts.processes.child_pool import ChildPool, compute_child_limit, read_memory_limit
from mainspring.engine.attempts.processes.child_process import ChildSettings
from mainspring.engine.attempts.transactional_call import TransactionalCall, build_transactional_call, find_database
from mainspring.engine.definitions.announcement import (
    build_announcement,
    encode_problems,
    find_load_findings,
    find_unloaded_automations,
)
from mainspring.engine.definitions.load_problem import PROBLEMS_KEY
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.scheduler import Scheduler
from mainspring.engine.worker.stall_watch import StallWatch
from mainspring.engine.worker.stalled_attempts import StallRecord
from mainspring.engine.worker.worker import Worker
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.integrations.brokers import check_broker
from mainspring.resources.attempt_secrets import AttemptSecrets
from mainspring.resources.database_places import DATABASE_PLACES
from mainspring.resources.process_output import redact_process_output
from mainspring.resources.secret_store import SecretStore
from mainspring.store.base import CommitChanges, Database
from mainspring.store.commands.automations import SetMeta, SetQueue
from mainspring.store.commands.base import Answer, StoreCommand
from mainspring.store.commands.sessions import CloseSession, RecordProcessFindings
from mainspring.store.commit_and_wait import commit_and_wait
from mainspring.store.commit_callbacks import CallbackBatch
from mainspring.store.effect_database import EffectDatabase
from mainspring.store.read.runs.worker_reads import WorkerReads
from mainspring.store.read.status import status
from mainspring.store.write.command_handlers import HANDLERS
from mainspring.triggers.filter_runner import FilterRunner

if TYPE_CHECKING:
    from mainspring.app.setup.tracing import Tracing

_LOG = logging.getLogger("mainspring.worker")
_LOGGED_HINTS: set[str] = set()
"""Hints that this process has logged."""


class StalledError(Exception):
    """The loop was blocked for too long, by something in this process."""


def _make_databases(places: Mapping[str, str | Path], secrets: SecretStore) -> dict[str, EffectDatabase]:
    """Return the databases of transactional steps, and let actions find them by name."""
    DATABASE_PLACES.add(places)
    return {name: make_effect_database(name, place, secrets.get) for name, place in places.items()}


class WorkerRuntime:
    """A worker, opened by `open()`, ended by `close()`. `on_fatal` is called, from any thread, when this process must stop working.

    `processes` = most child processes; None = as many as threads.
    """

    make_intake: Callable[..., IntakeAndDelivery] = IntakeAndDelivery

    def __init__(
        self,
        store: str | Path,
        registry: Registry,
        *,
        clock: Clock | None = None,
        sealing: Sealing = PLAIN_SEALING,
        classifier: Classifier | None = None,
        settings: WorkerOptions | None = None,
        role: str = "worker",
        processes: int | None = None,
        databases: Mapping[str, str | Path] | None = None,
        queues: tuple[SetQueue, ...] = (),
        upkeep: Upkeep | None = None,
        schedules: bool = True,
        stall_limit: float = 300.0,
        lease_ms: int | None = None,
        secrets: SecretStore | None = None,
        brokers: Mapping[str, str] | None = None,
        tracing: "Tracing | None" = None,
    ) -> None:
        self.registry = registry
        self.sealing = sealing
        self._classifier = classifier
        self._settings = settings or WorkerOptions()
        self._role = role
        self._processes = self._settings.threads if processes is None else processes
        self._queues = queues
        self._upkeep = upkeep
        self._schedules = schedules
        self._stall_limit = stall_limit
        self._secrets = secrets or SecretStore.of(None, os.environ)
        self._databases = _make_databases(databases or {}, self._secrets)
        self._brokers = brokers or {}
        for name, url in self._brokers.items():
            check_broker(name, url)
        self.on_fatal: Callable[[BaseException], None] = lambda error: None
        self.changed = asyncio.Event()
        self.commit_error: str | None = None
        self._tracing = tracing
        self.store = make_store(
            store,
            lease_ms=lease_ms,
            clock=clock or SystemClock(),
            sealing=sealing,
            deliver=self._deliver,
            on_change=self._on_change,
            on_outage=self._on_commit_error,
            on_fatal=self._fatal,
            wrap=_keep_database if tracing is None else tracing.wrap,
        )
        self.clock = self.store.clock
        self.loop: asyncio.AbstractEventLoop
        self.worker: Worker
        self._scheduler: Scheduler | None = None
        self._intake_and_delivery: IntakeAndDelivery | None = None
        self._filter_runner: FilterRunner | None = None
        self._stall: StallWatch | None = None
        self._pool: ChildPool | None = None
        self._captures = False

    async def open(self) -> None:
        """Open the store, announce the automations, start to work.

        Raises:
            StoreError: the store cannot be used.
        """
        self.loop = asyncio.get_running_loop()
        HANDLERS.load_all()  # a process that stays imports nothing later: its package may be replaced until then
        self.store.open()
        self.store.open_session(self._role, capacity=self._settings.concurrency)
        reads = WorkerReads(self.store.reader)
        self.worker = Worker(
            self.loop,
            self.store,
            reads,
            self.registry,
            self.clock,
            settings=self._settings,
            sealing=self.sealing,
            classifier=self._classifier,
            on_crash_point=self._crash,
            children=None if self._settings.threads_only else self._children,
            transactional=self._transactional,
            secrets=self._make_attempt_secrets(),
        )
        redact_process_output()
        if self._settings.max_lines:
            # In a worker process output is captured only. In a user's program or a terminal, it also appears where it did before.
            OUTPUT_CAPTURE.begin(echo=self._role not in ("worker", "probation"))
            self._captures = True
        # Before the first commit that can wake the worker: from then on code of users runs in this loop.
        self._watch_loop()
        if self._upkeep is not None:
            self._upkeep.start(
                self.loop, self.store, self.clock, self._set_crash_order if self._role == "worker" else None
            )
        is_new_code = await self._announce()
        self._log_hints(is_new_code=is_new_code)
        self.worker.start()
        if self._schedules:
            off_loop = self.worker.off_loop
            self._scheduler = Scheduler(
                self.loop, self.store, reads, self.clock, self.sealing, off_loop, only=self.registry
            )
            self._scheduler.start()
            parts = (self.store, self.clock, self.sealing, off_loop, self._brokers, self._secrets)
            self._intake_and_delivery = self.make_intake(self.loop, *parts)
            self._intake_and_delivery.start()
        if self._role != "run":
            read, off_loop = self.store.reader, self.worker.off_loop
            self._filter_runner = FilterRunner(
                self.loop, self.store, read, self.registry, self.clock, self.sealing, off_loop
            )
            self._filter_runner.poll()

    def _set_crash_order(self, order: tuple[str, str] | None) -> None:
        self.worker.crash_after = order

    def _watch_loop(self) -> None:
        record = StallRecord(self.store)
        self._stall = StallWatch(
            self.loop,
            threading.get_ident(),
            on_stall=record.started,
            on_limit=lambda since: self._fatal(StalledError(f"the loop has not turned for {since:.0f} s")),
            on_turn=record.ended,
            limit_after=self._stall_limit,
        )
        self._stall.start()

    def _make_attempt_secrets(self) -> AttemptSecrets:
        actor = f"{self._role} {self._settings.name or 'in a program'}"
        is_listed_only = self._settings.secrets_listed_only
        return AttemptSecrets(self._secrets, self._find_allow_list, actor, is_listed_only=is_listed_only)

    def _find_allow_list(self, automation: str, version: int) -> frozenset[str] | None:
        known = self.registry.find(automation, version)
        names = None if known is None else known.definition.option("secrets")
        return None if names is None else frozenset(names)

    def _transactional(self, spec: AttemptSpec) -> TransactionalCall:
        return build_transactional_call(find_database(spec.fn, self._databases), spec, self.clock, self.sealing)

    async def apply(self, command: StoreCommand[Answer]) -> Answer:
        """Commit a command without blocking the loop."""
        return await commit_and_wait(self.store, command)

    def _log_hints(self, *, is_new_code: bool) -> None:
        """Log the hints about code that the store sees for the first time, each once per process; `doctor` always has them.

        In a user's program, only warnings are read.
        """
        level = logging.WARNING if self._role == "app" else logging.INFO
        for hint in dict.fromkeys(self.registry.hints) if is_new_code else ():
            if hint not in _LOGGED_HINTS:
                _LOGGED_HINTS.add(hint)
                _LOG.log(level, "hint: %s", hint)

    async def _announce(self) -> bool:
        """Announce the definitions. Return whether the store sees this code for the first time."""
        for queue in self._queues:
            await self.apply(queue)
        announcement = build_announcement(self.registry, self.clock.now(), self.sealing)
        if self._role == "worker":
            known = status.automations(self.store.reader)
            missing = find_unloaded_automations(self.registry, known)
            findings = find_load_findings(self.registry, known, self.clock.now())
            await self.apply(RecordProcessFindings(findings, (ProcessFindingKind.LOAD,)))
            announcement = msgspec.structs.replace(announcement, automations=announcement.automations + missing)
        is_new_code = not self.store.reader.read("find_deployment", (announcement.fingerprint,))
        await self.apply(announcement)
        self._warn_of_versions_not_in_force()
        await self.apply(SetMeta(PROBLEMS_KEY, encode_problems(self.registry)))
        return is_new_code

    def _warn_of_versions_not_in_force(self) -> None:
        """Warn of versions that take no run although their author may expect it: their rollout failed, or they are alone."""
        if self._role != "worker":
            return
        in_force = {view.name: view.version for view in status.automations(self.store.reader)}
        for automation in self.registry.automations.values():
            version = in_force.get(automation.name, automation.version)
            if automation.version > version:
                _LOG.warning(
                    "version %d of %s is not in force, although it has no rollout=True: version %d is. "
                    "See: mainspring rollout status %s",
                    *(automation.version, automation.name, version, shlex.quote(automation.name)),
                )
        for name, version in self.registry.candidates:
            if name not in in_force:
                _LOG.warning(
                    "version %d of %s waits for a rollout, and no other version is in force: nothing starts it. "
                    "Remove rollout=True from its declaration and restart the worker.",
                    *(version, name),
                )

    def child_pids(self) -> list[int]:
        """Return the process numbers of the live children."""
        return self._pool.pids if self._pool is not None else []

    def _children(self, on_report: Any) -> ChildPool:
        lock = self.store.lock
        fds = (lock.descriptor,) if lock is not None else ()
        rules = tuple(import_name_of(rule) for rule in self._classifier.rules) if self._classifier is not None else ()
        settings = ChildSettings(pass_fds=fds, rules=rules, log_level=self._settings.log_level)
        size = compute_child_limit(self._processes, self._settings.concurrency, read_memory_limit())
        self._pool = ChildPool(self.loop, size=size, on_report=on_report, settings=settings)
        return self._pool

    async def drain(self, within: float) -> None:
        """Wait up to `within` seconds for running attempts to end, then stop them. Their runs continue elsewhere."""
        idle = asyncio.Event()
        self.worker.on_idle = idle.set
        if self._scheduler is not None:
            self._scheduler.close()
        self.worker.drain()
        for span, on_timeout in ((within, self.worker.hurry), (2.0, lambda: None)):
            try:
                await asyncio.wait_for(idle.wait(), span)
            except TimeoutError:
                on_timeout()
            else:
                return

    @property
    def is_open(self) -> bool:
        """Whether the worker exists."""
        return hasattr(self, "worker")

    async def close(self, *, drain: float = 5.0, end: Callable[[], Awaitable[CloseSession]] | None = None) -> None:
        """Drain, end the session, close the store. `end` returns the command that closes the session."""
        if self._upkeep is not None:
            self._upkeep.close()
        if self.store.committer.fatal is None:
            await self.drain(drain)
        if self._scheduler is not None:
            self._scheduler.close()
        if self._intake_and_delivery is not None:
            await self._intake_and_delivery.close()
        if self._filter_runner is not None:
            self._filter_runner.close()
        self.worker.stop()
        self.release_output()
        close = self.store.close if end is None else partial(self.store.close, end=await end())
        await asyncio.get_running_loop().run_in_executor(None, close)
        if self.sealing.large is not None:
            self.sealing.large.contents.close()
        if self._tracing is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._tracing.close)
        if self._stall is not None:  # last: code that runs during the drain can block the loop too
            self._stall.close()

    def release_output(self) -> None:
        """Restore the destination of prints and logs."""
        if self._captures:
            self._captures = False
            OUTPUT_CAPTURE.end()

    # -- from the committing thread ------------------------------------------------------------------------------------

    def _deliver(self, answers: CallbackBatch) -> None:
        try:
            self.loop.call_soon_threadsafe(_run_callbacks, answers)
        except RuntimeError:  # the loop is closed: no one awaits these answers
            if not self.loop.is_closed():
                raise

    def _on_change(self, changes: CommitChanges) -> None:
        if hasattr(self, "loop") and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.check, changes)

    def check(self, changes: CommitChanges) -> None:
        """Check for what these changes make possible. Used in the loop's thread."""
        self.changed.set()
        self.changed.clear()
        if self.is_open:
            self.worker.changed(changes)
        if self._scheduler is not None and changes.triggers:
            self._scheduler.poll()
        if self._intake_and_delivery is not None and changes.triggers:
            self._intake_and_delivery.changed()
        if self._filter_runner is not None and changes.triggers:
            self._filter_runner.poll()

    def _on_commit_error(self, text: str | None) -> None:
        self.commit_error = text
        if text is not None:
            _LOG.error("the store does not accept commits: %s", text)
        else:
            _LOG.warning("the store accepts commits again")

    def _crash(self) -> None:
        """Obey the order to crash. Delete the order first, so that the next worker survives."""
        self.store.submit(SetMeta(CRASH_ORDER_KEY, None), lambda _result: os.kill(os.getpid(), signal.SIGKILL))

    def _fatal(self, error: BaseException) -> None:
        _LOG.critical("this process stops: %s", error)
        self.on_fatal(error)


def _keep_database(database: Database) -> Database:
    return database


def _run_callbacks(answers: CallbackBatch) -> None:
    for on_done, result in answers:
        try:
            on_done(result)
        except Exception:  # noqa: BLE001  one answer must not keep the others from being heard
            _LOG.exception("an answer of the store could not be processed")
