"""The worker: claims runs while it has free slots, holds their drivers, caches suspended ones within bounds, drains.

Invariants. All state here is used in the loop's thread only; the store's thread passes things on with `call_soon_threadsafe`. A run is
loaded once: a claimed run that is still cached here continues without replay. Each heartbeat claims what is ready or due, whether or not
the store announced a change.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from mainspring.domain.clock import Clock
from mainspring.domain.errors import CodecUnavailableError
from mainspring.domain.failures.classifier import Classifier
from mainspring.domain.runs.journal import Fact, History
from mainspring.domain.states import FailureReason
from mainspring.domain.time.clock_step import ClockStep, describe_step
from mainspring.domain.values.blob import BlobReference
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.domain.values.stored_file import StoreFileChunks
from mainspring.engine.attempts.attempt_reports import AttemptReport, ReportKind
from mainspring.engine.attempts.executor import AttemptExecutor
from mainspring.engine.attempts.logs.log_processor import LogProcessor
from mainspring.engine.attempts.logs.log_writer import LogWriter
from mainspring.engine.attempts.processes.child_pool import ChildPool
from mainspring.engine.body.programs import choose_program
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.driver.blocking_calls import BlockingCaller, executor_caller
from mainspring.engine.driver.driver import Driver
from mainspring.engine.driver.fast_path_run import FastPathRun, FastPathRuns
from mainspring.engine.worker.attempt_report_router import AttemptReportRouter
from mainspring.engine.worker.codec_outage import CodecOutage
from mainspring.engine.worker.fact_blobs import FactBlobs
from mainspring.engine.worker.history_reader import HistoryReader
from mainspring.engine.worker.inbox_reader import InboxReader
from mainspring.engine.worker.query_responder import QueryResponder
from mainspring.engine.worker.run_claimer import RunClaimer
from mainspring.engine.worker.run_services import RunServices, TransactionalCallBuilder, ignore_answer
from mainspring.engine.worker.scans import scan
from mainspring.engine.worker.stalled_attempts import StalledAttempts
from mainspring.engine.worker.suspended_run_cache import SuspendedRunCache
from mainspring.engine.worker.worker_flags import WorkerFlags
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.resources.attempt_secrets import AttemptSecrets
from mainspring.resources.effects import AttemptEffects, EffectLedger
from mainspring.resources.locks import AttemptLocks
from mainspring.store.base import CommitChanges, EngineReads, Store
from mainspring.store.commands.runs import ClaimedRun, HaltRun, ReleaseRun
from mainspring.store.commands.sessions import ClearProbation, ConfirmClockStep, RecordHeartbeat, WakeWorkers
from mainspring.store.process_usage import ProcessUsage
from mainspring.store.store_clock import StoreClock

_LOG = logging.getLogger("mainspring.worker")
_ROUND_S = 0.5
_ROUNDS_PER_BEAT = 4
_BLOB_THREADS = 16
"""For a bucket only: if it is slow, the reads of the store never wait for a thread."""


class Worker(RunServices):
    """The worker of one process; created and used in the thread of `loop`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: Store,
        reads: EngineReads,
        registry: Registry,
        clock: Clock,
        *,
        settings: WorkerOptions | None = None,
        sealing: Sealing | None = None,
        classifier: Classifier | None = None,
        children: Callable[[Callable[[Any, ReportKind, AttemptReport], None]], ChildPool] | None = None,
        transactional: TransactionalCallBuilder | None = None,
        off_loop: BlockingCaller | None = None,
        on_crash_point: Callable[[], None] = lambda: None,
        secrets: AttemptSecrets | None = None,
    ) -> None:
        sealing = (sealing or PLAIN_SEALING).with_classifier(classifier)
        self.reads, self.off_loop = reads, off_loop or executor_caller(loop)
        self._blob_threads = ThreadPoolExecutor(_BLOB_THREADS, "mainspring-blobs")
        self._off_loop_to_bucket = executor_caller(loop, self._blob_threads)
        self.codec = CodecOutage(loop, store, sealing, clock, self.request_claim, self._off_loop_to_bucket)
        super().__init__(self.codec.store, registry, clock, self.codec.sealing, classifier, transactional)
        store, self.loop, self.settings = self.store, loop, settings or WorkerOptions()
        if isinstance(clock, StoreClock):
            clock.holds_steps = True
        self.suspend_after_ms, self.stream_limits = self.settings.suspend_after_ms, self.settings.stream_limits
        self.drivers: dict[str, Driver] = {}
        self._effects = AttemptEffects(store, loop, EffectLedger(self.sealing, clock))
        self.lines = _create_log_processor(loop, store, self.sealing, clock, self.settings)
        self.flags, self._locks = WorkerFlags(store, self.settings.flag_provider), AttemptLocks(store, loop)
        on_report = AttemptReportRouter(store, self, self._locks, self._effects, self.lines, self.flags).take
        self.attempts = AttemptExecutor(
            loop,
            on_report=on_report,
            classifier=self.classifier,
            threads=self.settings.threads,
            children=children(on_report) if children is not None else None,
            clock=clock,
            secrets=secrets,
            middleware=registry.step_middleware,
            files=StoreFileChunks(sealing),
            hooks=self.settings.attempt_hooks,
        )
        self.stalled = StalledAttempts(store, clock, self.drivers, registry, self.settings.stalled_ms)
        self._suspended = SuspendedRunCache(self.settings.max_suspended, self.settings.park_bytes)
        self.claimer, self.queries = RunClaimer(self), QueryResponder(self, reads)
        self._round: asyncio.TimerHandle | None = None
        self._inboxes = InboxReader(store, reads, self, self.off_loop, self._later, self.loop.time)
        self._fact_blobs = FactBlobs(self.sealing.large, self._off_loop_to_bucket, self._fact_read)
        self._fast_path_runs = FastPathRuns(self)
        self._histories = HistoryReader(reads, self.off_loop, self._later, self._history_read)
        self._unopened: dict[str, ClaimedRun] = {}
        """Claimed runs that wait for the codec, to be loaded."""
        self._cleared, self._usage, self._rounds, self._child_queue = set[str](), ProcessUsage(), 0, ""
        self._on_crash_point = on_crash_point
        self.crash_after: tuple[str, str] | None = None
        """(automation, step): `on_crash_point` is called once, after the commit of this step."""
        self.draining = self._stopped = False
        self.on_idle: Callable[[], None] | None = None

    # -- life ----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start to claim."""
        self._round = self.loop.call_later(_ROUND_S, self._make_round)
        self.request_claim()

    def serve_only(self, run: str) -> None:
        """Take this run and the runs it starts, and no other."""
        self.claimer.request_claim(only=run)

    def drain(self) -> None:
        """Claim nothing more, and release each run as soon as its open outcomes are saved; `on_idle` is called at the end."""
        self.draining = True
        self._suspended.clear()
        self._fast_path_runs.fall_back_all()
        for driver in list(self.drivers.values()):
            driver.drain()
        for run in list(self._unopened.values()):
            self.codec.drop_load(run.id)
            self.store.submit(ReleaseRun(run.id, run.claim, run.rank, is_returned=run.is_returned), ignore_answer)
        self._unopened.clear()
        self._report_idle()

    def hurry(self) -> None:
        """Stop the attempts at the end of the time to drain; their runs continue elsewhere."""
        for driver in list(self.drivers.values()):
            driver.steps.stop_all("the worker stops")

    def stop(self) -> None:
        """Unload everything; writes nothing. For the end of the process."""
        self.draining = self._stopped = True
        self._histories.close()
        self.queries.close()
        self.claimer.close()
        if self._round is not None:
            self._round.cancel()
        self._fast_path_runs.unload_all()
        self.codec.close()
        self._blob_threads.shutdown(wait=False, cancel_futures=True)
        for driver in list(self.drivers.values()):
            driver.unload()
        self._suspended.clear()
        self._locks.close()
        self._effects.close()
        self.flags.close()
        self.attempts.close()
        self.lines.close()

    @property
    def active(self) -> int:
        """Number of runs that this worker works on now."""
        return len(self.drivers) + self._histories.count + len(self._fast_path_runs) + len(self._unopened)

    @property
    def claimed_runs(self) -> dict[str, int]:
        """The claims of the runs whose code may run here now, by run."""
        return {run_id: driver.claim for run_id, driver in self.drivers.items()} | self._fast_path_runs.claims

    @property
    def fast_path_allowed(self) -> bool:
        """Whether no one needs an outcome before the end of its run."""
        return self.crash_after is None and not self.draining and not self.settings.probation

    def changed(self, changes: CommitChanges) -> None:
        """Handle a change in the store: something may be ready, or its clock was set."""
        self._meet_clock_step(changes.clock_step)
        if changes.ready and self._round is not None:  # before `start` this worker has announced no automations
            self.request_claim()
        if changes.facts:
            self.read_inboxes()
            self.queries.poll()
        if changes.locks:
            self._locks.wake()

    def _meet_clock_step(self, step: ClockStep | None) -> None:
        """Move all waits with a step of the clock, so that each still lasts as long as intended. Cached runs are loaded again."""
        if isinstance(self.clock, StoreClock):
            step = self.clock.take_step()
            if step is not None:
                self.store.submit(ConfirmClockStep(self.clock.met_ms), ignore_answer)
        if step is None:
            return
        _LOG.warning("%s: waits, retries and deadlines move with it", describe_step(step.by_ms))
        self._histories.read_again(step)
        self._suspended.clear()
        self._fast_path_runs.fall_back_all()
        for driver in list(self.drivers.values()):
            driver.meet_clock_step(step)
        self.request_claim()

    @scan
    def _make_round(self) -> None:
        self._round = self.loop.call_later(_ROUND_S, self._make_round)
        self._meet_clock_step(None)
        now = self.clock.now()
        if self.draining and self.attempts.has_only_unstoppable:
            self.hurry()
        self._rounds += 1
        if self._rounds % _ROUNDS_PER_BEAT == 0 and self.store.session is not None:
            self.store.submit(self._usage.beat(), ignore_answer)
            self.request_claim()  # only a scan is reliable; change notifications and the timer just make it sooner
        self._record_child_queue(is_beat=self._rounds % _ROUNDS_PER_BEAT == 0)
        self.queries.poll()  # a notification may have gone to a worker that died
        self._fast_path_runs.fall_back_all(now)
        for driver in list(self.drivers.values()):
            driver.run_periodic_tasks(now)
            # While the worker drains, this very run may be the cause: do not clear it yet.
            if self.settings.probation and not self.draining and now - driver.loaded_at >= self.settings.survive_ms:
                self._clear(driver.run, progressed=False)
        if self._rounds % _ROUNDS_PER_BEAT == 0:
            self.stalled.check()
            self.flags.record()

    def _record_child_queue(self, *, is_beat: bool) -> None:
        """Record which attempts wait for a child: at once when the first waits or none waits any more, otherwise with each heartbeat."""
        queue = self.attempts.child_queue
        encoded = "" if queue is None else msgspec.json.encode(queue).decode()
        is_first_or_last = bool(encoded) != bool(self._child_queue)
        if encoded != self._child_queue and (is_first_or_last or is_beat) and self.store.session is not None:
            self._child_queue = encoded
            self.store.submit(RecordHeartbeat(child_queue=encoded), ignore_answer)

    def _later(self, call: Callable[[], None]) -> None:
        self.loop.call_later(_ROUND_S, call)

    def _report_idle(self) -> None:
        if self.draining and not self.active and self.on_idle is not None:
            self.flags.record()
            self.on_idle()

    # -- claiming ------------------------------------------------------------------------------------------------------

    def request_claim(self) -> None:
        """Claim as soon as a slot is free."""
        self.claimer.request_claim()

    @property
    def free_slots(self) -> int:
        """Number of runs that it could take now: none while the codec does not answer, because another worker may reach it.

        A run whose work is done uses no slot while its end is being committed, unless its values wait in memory.
        """
        if self.codec.stops_claims:
            return 0
        if not self.settings.probation:
            over_count = 0 if self.codec.holds_values else self._fast_path_runs.over_count
            return self.settings.concurrency - self.active + over_count
        return 1 - self._histories.count - sum(1 for run_id in self.drivers if run_id not in self._cleared)

    def progressed(self, driver: Driver, name: str = "") -> None:
        """Note that an outcome of a run was committed; this ends its probation."""
        run = driver.run
        if self.crash_after is not None and self.crash_after == (run.automation, name):
            self.crash_after = None
            self._on_crash_point()
        self._clear(run, progressed=True)

    def _clear(self, run: ClaimedRun, *, progressed: bool) -> None:
        """End the probation of a run, once."""
        if self.settings.probation and run.id not in self._cleared:
            self._cleared.add(run.id)
            self.store.submit(ClearProbation(run.id, run.claim, progressed), ignore_answer)
            self.request_claim()

    def take(self, run: ClaimedRun) -> None:
        """Start work on a claimed run, or continue it."""
        driver = self._suspended.take(run)
        if run.losses:
            self.lines.life.run_continued(run)
        if driver is not None:
            self.drivers[run.id] = driver
            driver.resume(run)
        elif run.fresh and run.fork is None:
            self._load(run, None)
        else:
            self._histories.read(run)

    def _history_read(self, run: ClaimedRun, read: History | Exception) -> None:
        if isinstance(read, Exception):
            _LOG.error("run %s cannot be loaded: %s", run.id, read)
            self.unsaved(run, read)
        else:
            self._load_after_wait(run, read)

    def _load_after_wait(self, run: ClaimedRun, history: History | None) -> None:
        """Load a run that was claimed a while ago, and deliver facts that arrived meanwhile."""
        self._load(run, history)
        self._inboxes.run_loaded(run.id)

    def _load(self, run: ClaimedRun, history: History | None) -> None:
        """Load a run. Its values that are in a bucket are read by a thread first."""
        large = self.sealing.large
        try:
            references = () if large is None else large.list_remote((run.input, history), with_inputs=run.undoing)
        except CodecUnavailableError as error:
            self.codec.begin(error)
            self._load_when_codec_answers(run, history)
            return
        if large is None or not references:
            self._open_and_begin(run, history)
            return
        self._unopened[run.id] = run
        load = partial(self._load_fetched, run, history, references[0])
        self._off_loop_to_bucket(partial(large.fetch, references), load)

    def _load_fetched(self, run: ClaimedRun, history: History | None, first: BlobReference, fetched: Any) -> None:
        if self._unopened.get(run.id) is not run or self._stopped:  # it was released meanwhile
            return
        del self._unopened[run.id]
        large = self.sealing.large
        if isinstance(fetched, CodecUnavailableError):
            self.codec.begin(fetched, first.encode())
            self._load_when_codec_answers(run, history)
        elif isinstance(fetched, Exception) or large is None:
            self.unsaved(run, fetched)
        else:
            with large.using(fetched):
                self._open_and_begin(run, history)
            self._inboxes.run_loaded(run.id)

    def _open_and_begin(self, run: ClaimedRun, history: History | None) -> None:
        try:
            opened, data = self.opened(history, reads_inputs=run.undoing), self.sealing.open(run.input)
            self.lines.life.run_started(run)
            program = choose_program(self._with_headers(run), self.registry, data, self.payload_max, opened)
            if opened is None and self._fast_path_runs.start(run, program):
                return
            driver = Driver(self, run, program, opened)
            driver.draining = self.draining
        except CodecUnavailableError:
            self._load_when_codec_answers(run, history)
            return
        except Exception as error:  # noqa: BLE001  one run that cannot be loaded must not block the others
            self.unsaved(run, error)
            return
        self._begin(driver)

    def _with_headers(self, run: ClaimedRun) -> ClaimedRun:
        """Return a run with its headers opened. Raises SealedError."""
        return run if run.headers is None else replace(run, headers=self.sealing.open(run.headers))

    def _load_when_codec_answers(self, run: ClaimedRun, history: History | None) -> None:
        def load() -> None:
            del self._unopened[run.id]
            self._load_after_wait(run, history)

        if self.draining:
            self.store.submit(ReleaseRun(run.id, run.claim, run.rank, is_returned=run.is_returned), ignore_answer)
            self._report_idle()
        else:
            self._unopened[run.id] = run
            self.codec.load_later(run.id, load)

    def open_fact(self, fact: Fact) -> Fact:
        """Open a fact. Raises CodecUnavailableError: the codec does not answer, or a thread must read a blob first."""
        try:
            fetched = self._fact_blobs.find(fact)
        except CodecUnavailableError as error:
            if not self._fact_blobs.is_reading(fact.run):
                self.codec.begin(error)
            raise
        large = self.sealing.large
        if large is None or not fetched:
            return super().open_fact(fact)
        with large.using(fetched):
            return super().open_fact(fact)

    def _fact_read(self, run: str, error: CodecUnavailableError | None) -> None:
        driver = self.drivers.get(run)
        if driver is None or self._stopped:
            self._fact_blobs.forget(run)
            return
        if error is None:
            driver.codec_answered()
        else:
            self.codec.begin(error)
            self.codec.load_later(run, driver.codec_answered)

    def await_codec(self, driver: Driver) -> None:
        """Call `codec_answered` of a driver when the codec answers, or when the blobs of its next fact were read."""
        if not self._fact_blobs.is_reading(driver.run.id):
            self.codec.load_later(driver.run.id, driver.codec_answered)

    def load_adopted(self, fast_run: FastPathRun) -> Driver | None:
        """Load a fast path run as an ordinary run that adopts its attempt; None if it cannot be loaded."""
        try:
            driver = Driver(self, fast_run.run, fast_run.program, None)
        except Exception as error:  # noqa: BLE001
            self.unsaved(fast_run.run, error)
            return None
        driver.steps.adopt(fast_run.ident, fast_run.handle, fast_run.started_at)
        return driver if self._begin(driver) else None

    def _begin(self, driver: Driver) -> bool:
        self.drivers[driver.run.id] = driver
        try:
            driver.begin()
        except Exception as error:  # noqa: BLE001
            driver.unload()
            self.unsaved(driver.run, error)
            return False
        return True

    def unsaved(self, run: ClaimedRun, error: Exception) -> None:
        """Halt a run that cannot be loaded, or one of whose commands cannot be executed."""
        halt = HaltRun(run.id, run.claim, FailureReason.BODY_ERROR, run.rank, self.seal_failure(self.failure_of(error)))
        self.store.submit(halt, ignore_answer)

    # -- for drivers (DriverHost; the rest is in RunServices) ------------------------------------------------------------

    def park(self, driver: Driver) -> None:
        """Keep a suspended driver in memory; the oldest ones are unloaded if there are too many."""
        run_id = driver.run.id
        if self.drivers.get(run_id) is driver:
            del self.drivers[run_id]
        if self.draining:
            driver.unload()
        else:
            self.claimer.plan_also(driver.wakeups.next())
            self._suspended.park(driver)
        self.freed()

    def driver_unloaded(self, driver: Driver) -> None:
        """Drop an unloaded driver."""
        run_id = driver.run.id
        if self.drivers.get(run_id) is driver:
            del self.drivers[run_id]
        self._suspended.forget(driver)
        self.freed()

    def freed(self) -> None:
        """Claim again: a slot is free for another run."""
        if self.draining:
            if not self._stopped:
                self.store.submit(WakeWorkers(), ignore_answer)
            self._report_idle()
        else:
            self.claimer.claim_after_end()

    def broken(self, driver: Driver, error: Exception) -> None:
        """Unload and halt a run with a command that cannot be executed, so that a person sees it."""
        _LOG.error("run %s was released: a command of it cannot be executed: %s", driver.run.id, error)
        driver.unload()
        self.unsaved(driver.run, error)

    def driver_of(self, run: str) -> Driver | None:
        """Return the driver of a loaded run that something happened to; a fast path run becomes an ordinary one first."""
        self._fast_path_runs.fall_back_run(run)
        return self.drivers.get(run)

    def read_inboxes(self) -> None:
        """Read the inboxes of loaded runs."""
        self._inboxes.poll()


def _create_log_processor(
    loop: asyncio.AbstractEventLoop, store: Store, sealing: Sealing, clock: Clock, settings: WorkerOptions
) -> LogProcessor:
    """Return the log processor of a worker."""
    writer = LogWriter(loop, store, sealing, settings.max_lines)
    return LogProcessor(
        loop,
        writer,
        clock,
        environment=settings.environment,
        worker=settings.name,
        sealing=sealing,
        values=settings.values,
    )
