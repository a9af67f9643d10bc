"""Services for all runs of a worker that need no state of the worker: sealing of values, failures as data, starts of other runs."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from mainspring.domain.clock import Clock
from mainspring.domain.definitions.start_options import CONTINUES, StartOptions
from mainspring.domain.errors import DefinitionError
from mainspring.domain.failures.classifier import Classifier
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.ids import derive_id
from mainspring.domain.runs.journal import Fact, History
from mainspring.domain.runs.unsealing import RowUnsealer
from mainspring.domain.values.sealing import FILE_MARK, PLAIN_SEALING, Sealing
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.body.child_runs import build_child_start
from mainspring.engine.body.programs import Program
from mainspring.engine.body.request import ChildCall, Request, StartCall
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.definitions.run_start import build_start_command
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.base import Store
from mainspring.store.commands.results import Refused
from mainspring.store.commands.runs import CancelChild, ClaimedRun, StartRun

TransactionalCallBuilder = Callable[[AttemptSpec], Callable[..., Any]]


class RunServices:
    """The part of `DriverHost` that only reads and builds commands."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        clock: Clock,
        sealing: Sealing | None,
        classifier: Classifier | None,
        transactional: TransactionalCallBuilder | None,
    ) -> None:
        self.store = store
        self.registry = registry
        self.clock = clock
        self.sealing = sealing or PLAIN_SEALING
        self.payload_max = self.sealing.limit
        self._unchanged_size = self.sealing.unchanged_size
        self._unsealer = RowUnsealer(self.sealing)
        self.classifier = classifier or Classifier()
        self._transactional = transactional

    def seal(self, data: bytes | None) -> bytes | None:
        """Seal the bytes of a value for the store."""
        if data is None or (len(data) <= self._unchanged_size and FILE_MARK not in data):
            return data
        return self.sealing.seal(data)

    def seal_inline(self, data: bytes | None) -> bytes | None:
        """Seal the bytes of a value that stays in its column."""
        return None if data is None else self.sealing.seal_inline(data)

    def seal_now(self, data: bytes | None) -> bytes | None:
        """Seal the bytes of a value now; see DriverHost. Raises SealedError."""
        return None if data is None else self.sealing.seal_now(data)

    def seal_failure(self, failure: Failure | None) -> Failure | None:
        """Seal a failure for the store."""
        return self.sealing.seal_failure(failure)

    def open_fact(self, fact: Fact) -> Fact:
        """Open a sealed fact of the inbox."""
        return self._unsealer.fact(fact)

    def opened(self, history: History | None, *, reads_inputs: bool = False) -> History | None:
        """Return a history with its values opened; see `RowUnsealer.history`."""
        return None if history is None else self._unsealer.history(history, reads_inputs=reads_inputs)

    def failure_of(self, error: BaseException) -> Failure:
        """Return an exception as a failure."""
        verdict = self.classifier.classify(error, datetime.fromtimestamp(self.clock.now() // 1000, UTC))
        return KNOWN_SECRETS.redactor.redact_failure(Failure.of(error, verdict))

    def refusal_of(self, name: str, refused: Refused) -> Failure:
        """Return a refused start of a child as a failure."""
        message = f"child {name!r} was not started: {refused.text or refused.code}"
        return Failure(type="Refused", code=refused.code, message=message, kind=FailureKind.PERMANENT, not_sent=True)

    def child_of(self, run: ClaimedRun, request: Request, call: ChildCall | StartCall) -> StartRun:
        """Return the command that starts a child, or a run of its own."""
        other = [] if call.definition is None else self.registry.list_other_versions(call.definition)
        definitions = [automation.definition for automation in other]
        return build_child_start(run, request, call, self.clock.now(), self.sealing, definitions)

    def cancel_child(self, run: ClaimedRun, request: Request, *, undo: bool | None) -> None:
        """Cancel a child that no code awaits any more; `undo` = whether it undoes its steps, None = as its definition says."""
        self.store.submit(CancelChild(run.id, run.claim, request.ident, undo), ignore_answer)

    def restart_of(self, run: ClaimedRun, program: Program, data: bytes) -> StartRun:
        """Return the run that continues `run` with a new input."""
        assert program.automation is not None
        options = StartOptions(
            key=run.run_key, key_policy=CONTINUES, queue=run.queue, priority=run.priority, tag=run.tag
        )
        now_at = self.clock.now()
        return build_start_command(
            program.automation.definition,
            data,
            run=derive_id("r", now_at, run.id, "restart"),
            now_at=now_at,
            trigger=f"restart of {run.id}",
            options=options,
            sealing=self.sealing,
            headers=run.headers,
        )

    def transactional(self, spec: AttemptSpec) -> Callable[..., Any]:
        """Return the call that runs a step in the user's own database.

        Raises:
            DefinitionError: this worker has no databases.
        """
        if self._transactional is None:
            raise DefinitionError(
                f"step {spec.name!r} is transactional, but no database is configured",
                hint='Add to mainspring.toml: [databases] default = "sqlite:///app.db"',
            )
        return self._transactional(spec)


def ignore_answer(_answer: object) -> None:
    """Ignore an answer that changes nothing."""
