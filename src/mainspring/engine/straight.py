"""A fresh run of one step that goes straight from its claim to its end, without a body: the step's outcome ends the run in one commit.

The journal does not tell the difference: a replay finds the same outcome under the same identity and key. Whatever else happens (its
attempt fails, or tells of itself; a fact comes; the worker drains; it takes long) makes it an ordinary run, whose driver takes it up.
"""

from typing import TYPE_CHECKING, Any

from mainspring.domain.ids import idempotency_key
from mainspring.domain.states import RunState
from mainspring.engine.attempt import AttemptHandle
from mainspring.engine.attempt_end import AttemptEnd
from mainspring.engine.attempt_spec import AttemptSpec
from mainspring.engine.hosting import Hosting
from mainspring.engine.live_step import isolation_of
from mainspring.engine.posting import split
from mainspring.engine.programs import Program
from mainspring.engine.requests import StepCall
from mainspring.store.commands.results import Refused
from mainspring.store.commands.runs import ClaimedRun, Complete

if TYPE_CHECKING:
    from mainspring.engine.steps import Steps
    from mainspring.engine.straights import Straights


class Straight:
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

    def __init__(self, hosting: Hosting, among: "Straights", run: ClaimedRun, program: Program, call: StepCall) -> None:
        self._hosting = hosting
        self._among = among
        self.run = run
        self.program = program
        self.call = call
        self.name = call.plan.name or call.fn.__name__
        self.ident = f"{self.name}#1"
        self.started_at = hosting.clock.now()
        self.handle: AttemptHandle | None = None
        self.steps: Steps | None = None
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
            key=idempotency_key(run.id, self.ident, 0),
            attempt=1,
            fn=call.fn,
            signature=call.signature,
            input=call.input,
            args=call.args,
            kwargs=call.kwargs,
            isolate=isolation_of(call),
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

    def _completion(self, end: AttemptEnd) -> Complete:
        run, hosting = self.run, self._hosting
        return Complete(
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
            *split(hosting, end.outgoing),
            None if end.output is None else self.program.measure(end.output),
        )

    def _answered(self, result: Any) -> None:
        self._among.over(self, result if isinstance(result, Exception) and not isinstance(result, Refused) else None)
