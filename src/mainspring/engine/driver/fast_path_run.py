"""The fast path of new runs with one step: no body is driven, and the step's outcome ends the run in the same commit.

The journal is the same as without the fast path: a replay finds the same outcome under the same identity and key. In every other case
(the attempt fails or reports, a fact arrives, the worker drains, the attempt takes long) the run becomes an ordinary one with a driver.
"""

from typing import TYPE_CHECKING, Protocol

from mainspring.domain.ids import make_idempotency_key
from mainspring.domain.states import RunState
from mainspring.engine.attempts.attempt_end import AttemptEnd
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.executor import AttemptHandle
from mainspring.engine.body.programs import Program
from mainspring.engine.body.request import StepCall
from mainspring.engine.driver.driver_host import DriverHost
from mainspring.engine.driver.journal_writer import encode_records
from mainspring.engine.driver.live_step import choose_step_isolation
from mainspring.store.commands.results import CommandDone, Refused
from mainspring.store.commands.runs import ClaimedRun, CompleteRun

if TYPE_CHECKING:
    from mainspring.engine.driver.driver import Driver
    from mainspring.engine.driver.step_runner import StepRunner

FALL_BACK_AFTER_MS = 500
"""A longer attempt becomes part of an ordinary run: it gets its start mark and is monitored."""


class FastPathHost(DriverHost, Protocol):
    """The worker as its fast path runs use it."""

    @property
    def fast_path_allowed(self) -> bool:
        """Whether no one needs an outcome before the end of its run."""
        ...

    def load_adopted(self, fast_run: "FastPathRun") -> "Driver | None":
        """Load a fast path run as an ordinary run that adopts its attempt; None if it cannot be loaded."""
        ...

    def freed(self) -> None:
        """Claim again: a slot is free for another run."""
        ...

    def unsaved(self, run: ClaimedRun, error: Exception) -> None:
        """Halt a run with a command that can never be executed, so that a person sees it."""
        ...


class FastPathRun:
    """One run on the fast path. `steps` = those of the driver after a fallback. `is_over` = its end is being saved, or unloaded."""

    __slots__ = (
        "_fast_path_runs",
        "_host",
        "call",
        "handle",
        "ident",
        "is_over",
        "name",
        "program",
        "run",
        "started_at",
        "steps",
    )

    def __init__(
        self, host: DriverHost, fast_path_runs: "FastPathRuns", run: ClaimedRun, program: Program, call: StepCall
    ) -> None:
        self._host = host
        self._fast_path_runs = fast_path_runs
        self.run = run
        self.program = program
        self.call = call
        self.name = call.plan.name or call.fn.__name__
        self.ident = f"{self.name}#1"
        self.started_at = host.clock.now()
        self.handle: AttemptHandle | None = None
        self.steps: StepRunner | None = None
        self.is_over = False

    def begin(self) -> None:
        """Start the attempt.

        Raises:
            DefinitionError: it cannot be started.
        """
        run, call = self.run, self.call
        spec = AttemptSpec(
            run_id=run.id,
            ident=self.ident,
            name=self.name,
            key=make_idempotency_key(run.id, self.ident, 0),
            attempt=1,
            generation=run.generation,
            fn=call.fn,
            signature=call.signature,
            input=call.input,
            args=call.args,
            kwargs=call.kwargs,
            isolate=choose_step_isolation(call),
            timeout=call.plan.timeout,
            heartbeat=call.plan.heartbeat,
            overlaps=call.plan.overlaps,
            slot_at=run.slot_at,
            automation=run.automation,
            version=run.version,
            payload_max=self._host.payload_max,
            is_first=True,
            headers=self.program.headers,
        )
        self.handle = self._host.attempts.start(spec, self._ended)

    def unload(self) -> None:
        """Unload the run and stop its attempt; nothing more is written."""
        self.is_over = True
        if self.handle is not None:
            self.handle.cancel("the run is no longer this worker's")

    def _ended(self, end: AttemptEnd) -> None:
        if (
            self.steps is None
            and not self.is_over
            and not (self._may_complete(end) and self._fast_path_runs.is_allowed)
        ):
            self._fast_path_runs.fall_back(self)
        self.handle = None  # it holds this run: no cycle is left for the collector
        if self.steps is not None:
            self.steps.adopted_ended(self.ident, end)
        elif not self.is_over:
            self.is_over = True
            self._fast_path_runs.ended()
            self._host.lines.life.run_ended(self.run, RunState.SUCCEEDED, end.output)
            try:
                self._host.store.submit(self._completion(end), self._answered)
            except Exception as error:  # noqa: BLE001  a codec that fails, or any other error: a person must see it on the run
                self._answered(error)

    def _may_complete(self, end: AttemptEnd) -> bool:
        """Whether this end completes the run. An ordinary run reports a result that does not fit."""
        return end.ok and self.program.fits(end.output)

    def _completion(self, end: AttemptEnd) -> CompleteRun:
        run, host = self.run, self._host
        return CompleteRun(
            run.id,
            run.claim,
            run.automation,
            self.ident,
            self.name,
            self.started_at,
            host.clock.now(),
            end.duration_us,
            host.seal(self.call.input),
            host.seal(end.output),
            run.parent,
            *encode_records(host, end.records),
            None if end.output is None else self.program.measure(end.output),
        )

    def _answered(self, result: CommandDone | Refused | BaseException) -> None:
        self._fast_path_runs.drop(self, result if isinstance(result, Exception) else None)


class FastPathRuns:
    """The fast path runs of a worker: starts them, and makes them ordinary runs again. Used in the loop's thread."""

    def __init__(self, host: FastPathHost) -> None:
        self._host = host
        self._runs: dict[str, FastPathRun] = {}
        self.over_count = 0
        """Number of runs whose work is done and whose end is being committed."""

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def claims(self) -> dict[str, int]:
        """The claims of the runs whose work is not done."""
        return {run_id: fast_run.run.claim for run_id, fast_run in self._runs.items() if not fast_run.is_over}

    @property
    def is_allowed(self) -> bool:
        """Whether no one needs an outcome before the end of its run."""
        return self._host.fast_path_allowed

    def start(self, run: ClaimedRun, program: Program) -> bool:
        """Start a newly claimed run, if it has one step and nothing else so far.

        False also if it cannot be started: an ordinary run reports why.
        """
        if program.single is None or not run.fresh or run.generation or run.crashes or run.undoing or run.facts:
            return False
        if run.deadline_at is not None or not self.is_allowed:
            return False
        try:
            call = program.single()
            if call.plan.delivery != "at_least_once":
                return False
            fast_run = FastPathRun(self._host, self, run, program, call)
            fast_run.begin()
        except Exception:  # noqa: BLE001
            return False
        self._runs[run.id] = fast_run
        return True

    def fall_back(self, fast_run: FastPathRun) -> None:
        """Make a run an ordinary one; if it cannot be loaded, it is halted and its attempt stopped."""
        del self._runs[fast_run.run.id]
        driver = self._host.load_adopted(fast_run)
        if driver is None:
            fast_run.unload()
        else:
            fast_run.steps = driver.steps

    def fall_back_run(self, run: str) -> None:
        """Make the run of this id an ordinary one, unless it is over."""
        fast_run = self._runs.get(run)
        if fast_run is not None and not fast_run.is_over:
            self.fall_back(fast_run)

    def fall_back_all(self, now: int | None = None) -> None:
        """Make all runs that are not over ordinary ones; with `now`, only those that have run long."""
        for fast_run in list(self._runs.values()):
            if not fast_run.is_over and (now is None or now - fast_run.started_at >= FALL_BACK_AFTER_MS):
                self.fall_back(fast_run)

    def unload_all(self) -> None:
        """Unload all runs; nothing more is written."""
        fast_runs, self._runs = self._runs, {}
        for fast_run in fast_runs.values():
            fast_run.unload()

    def ended(self) -> None:
        """Free the slot of a run whose work is done, while its end is being committed."""
        self.over_count += 1
        self._host.freed()

    def drop(self, fast_run: FastPathRun, error: Exception | None) -> None:
        """Drop a run whose end is committed, or that another worker owns; `error` = its end can never be committed."""
        if self._runs.pop(fast_run.run.id, None) is not None:
            self.over_count -= 1
            if error is not None:
                self._host.unsaved(fast_run.run, error)
            self._host.freed()
