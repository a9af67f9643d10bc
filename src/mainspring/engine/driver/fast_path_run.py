"""Fresh runs of one step that go straight from their claims to their ends, without a body: the step's outcome ends the run in one commit.

The journal does not tell the difference: a replay finds the same outcome under the same identity and key. Whatever else happens (its
attempt fails, or tells of itself; a fact comes; the worker drains; it takes long) makes it an ordinary run, whose driver takes it up.
"""

from typing import TYPE_CHECKING, Any, Protocol

from mainspring.domain.ids import make_idempotency_key
from mainspring.domain.states import RunState
from mainspring.engine.attempts.attempt_end import AttemptEnd
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.executor import AttemptHandle
from mainspring.engine.body.programs import Program
from mainspring.engine.body.request import StepCall
from mainspring.engine.driver.driver_host import DriverHost
from mainspring.engine.driver.live_step import choose_step_isolation
from mainspring.engine.driver.outbox_encoding import encode_outbox
from mainspring.store.commands.results import Refused
from mainspring.store.commands.runs import ClaimedRun, CompleteRun

if TYPE_CHECKING:
    from mainspring.engine.driver.driver import Driver
    from mainspring.engine.driver.step_runner import StepRunner

FALL_BACK_AFTER_MS = 500
"""An attempt that runs longer is an ordinary one: it gets its start mark, and is looked after."""


class FastPathHost(DriverHost, Protocol):
    """The worker, as its straight runs see it."""

    @property
    def goes_straight(self) -> bool:
        """Whether nobody has to see an outcome before the end of its run."""
        ...

    def load_adopted(self, straight: "FastPathRun") -> "Driver | None":
        """Load a straight run as an ordinary one that adopts the attempt; None if it cannot be loaded."""
        ...

    def freed(self) -> None:
        """There is room for another run."""
        ...

    def unsaved(self, run: ClaimedRun, error: Exception) -> None:
        """A command of this run cannot be executed at all: it is halted, so that a person sees it."""
        ...


class FastPathRun:
    """One such run. `steps` = those of the driver that took it up. `is_over` = its end is on its way to the store, or it was let go."""

    __slots__ = (
        "_among",
        "_hosting",
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
        self, hosting: DriverHost, among: "FastPathRuns", run: ClaimedRun, program: Program, call: StepCall
    ) -> None:
        self._hosting = hosting
        self._among = among
        self.run = run
        self.program = program
        self.call = call
        self.name = call.plan.name or call.fn.__name__
        self.ident = f"{self.name}#1"
        self.started_at = hosting.clock.now()
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
            fn=call.fn,
            signature=call.signature,
            input=call.input,
            args=call.args,
            kwargs=call.kwargs,
            isolate=choose_step_isolation(call),
            timeout=call.plan.timeout,
            slot_at=run.slot_at,
            automation=run.automation,
            payload_max=self._hosting.payload_max,
        )
        self.handle = self._hosting.attempts.start(spec, self._ended)

    def let_go(self) -> None:
        """Stop the attempt; nothing more is written."""
        self.is_over = True
        if self.handle is not None:
            self.handle.cancel("the run is no longer this worker's")

    def _ended(self, end: AttemptEnd) -> None:
        if self.steps is None and not self.is_over and not (self._ends_well(end) and self._among.are_allowed):
            self._among.take_up(self)
        self.handle = None  # it holds this run: no cycle is left for the collector
        if self.steps is not None:
            self.steps.adopted_ended(self.ident, end)
        elif not self.is_over:
            self.is_over = True
            self._among.ended()
            self._hosting.lines.life.run_ended(self.run, RunState.SUCCEEDED, end.output)
            try:
                self._hosting.store.submit(self._completion(end), self._answered)
            except Exception as error:  # noqa: BLE001  a codec that fails; whatever it is, a person must see it on the run
                self._answered(error)

    def _ends_well(self, end: AttemptEnd) -> bool:
        """Whether nothing is left to do but to end; of a result that does not fit an ordinary run knows what to say."""
        return end.ok and self.program.fits(end.output)

    def _completion(self, end: AttemptEnd) -> CompleteRun:
        run, hosting = self.run, self._hosting
        return CompleteRun(
            run.id,
            run.claim,
            run.automation,
            self.ident,
            self.name,
            self.started_at,
            hosting.clock.now(),
            end.took_us,
            hosting.seal(self.call.input),
            hosting.seal(end.output),
            run.parent,
            *encode_outbox(hosting, end.outgoing),
            None if end.output is None else self.program.measure(end.output),
        )

    def _answered(self, result: Any) -> None:
        self._among.over(self, result if isinstance(result, Exception) and not isinstance(result, Refused) else None)


class FastPathRuns:
    """The straight runs of a worker: which may be, and how one becomes an ordinary run again. Used in the loop's thread."""

    def __init__(self, host: FastPathHost) -> None:
        self._host = host
        self._aboard: dict[str, FastPathRun] = {}
        self.over_count = 0
        """Of how many the work is done, and the end on its way to the store."""

    def __len__(self) -> int:
        return len(self._aboard)

    @property
    def claims(self) -> dict[str, int]:
        """The claims of the runs whose work is not done."""
        return {run_id: straight.run.claim for run_id, straight in self._aboard.items() if not straight.is_over}

    @property
    def are_allowed(self) -> bool:
        """Whether nobody has to see an outcome before the end of its run."""
        return self._host.goes_straight

    def start(self, run: ClaimedRun, program: Program) -> bool:
        """Start a freshly claimed run, if it is one step and nothing else so far.

        False also for what cannot be started: an ordinary run knows what to say of that.
        """
        if program.single is None or not run.fresh or run.generation or run.crashes or run.undoing or run.facts:
            return False
        if run.deadline_at is not None or not self.are_allowed:
            return False
        try:
            call = program.single()
            if call.plan.delivery != "at_least_once":
                return False
            straight = FastPathRun(self._host, self, run, program, call)
            straight.begin()
        except Exception:  # noqa: BLE001
            return False
        self._aboard[run.id] = straight
        return True

    def take_up(self, straight: FastPathRun) -> None:
        """Make a run an ordinary one; one that cannot be loaded is halted, and its attempt stopped."""
        del self._aboard[straight.run.id]
        driver = self._host.load_adopted(straight)
        if driver is None:
            straight.let_go()
        else:
            straight.steps = driver.steps

    def take_up_run(self, run: str) -> None:
        """Make this run an ordinary one, unless it is over."""
        straight = self._aboard.get(run)
        if straight is not None and not straight.is_over:
            self.take_up(straight)

    def take_up_all(self, now: int | None = None) -> None:
        """Make all ordinary runs that are not over; at an instant `now` only those that have run long."""
        for straight in list(self._aboard.values()):
            if not straight.is_over and (now is None or now - straight.started_at >= FALL_BACK_AFTER_MS):
                self.take_up(straight)

    def let_go(self) -> None:
        """Forget all; nothing more is written."""
        aboard, self._aboard = self._aboard, {}
        for straight in aboard.values():
            straight.let_go()

    def ended(self) -> None:
        """The work of a run is done: there is room for another one while its end is on its way."""
        self.over_count += 1
        self._host.freed()

    def over(self, straight: FastPathRun, fault: Exception | None) -> None:
        """The end of a run is committed, or it is another's; `fault`: its end cannot be committed at all."""
        if self._aboard.pop(straight.run.id, None) is not None:
            self.over_count -= 1
            if fault is not None:
                self._host.unsaved(straight.run, fault)
            self._host.freed()
