"""The writer of one loaded run's journal: assigns ranks in the order of submission and delivers committed outcomes."""

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import History, Outcome, OutcomeKind
from mainspring.domain.runs.measurement import Measurement, StepRecord
from mainspring.domain.runs.outbox import EVENT_RETENTION_MS, QueuedMessage
from mainspring.domain.states import OutcomeState
from mainspring.engine.body.request import Request
from mainspring.engine.driver.driver_host import DriverHost
from mainspring.store.commands.inbox import PublishEvent
from mainspring.store.commands.journal import SaveOutcome
from mainspring.store.commands.results import CommandDone, Refused

if TYPE_CHECKING:
    from mainspring.engine.driver.loaded_run import LoadedRun

_ENCODE = msgspec.json.Encoder().encode


class JournalWriter:
    """Appends outcomes. `rank` = the last assigned rank, `saving` = number of pending commits, `value_bytes` = size of all outputs."""

    def __init__(self, loaded: "LoadedRun", history: History | None) -> None:
        self._loaded = loaded
        self.saving = 0
        self.rank = 0
        self.value_bytes = 0
        if history is not None:
            self.rank = max((outcome.rank for outcome in (*history.outcomes[-1:], *history.superseded)), default=0)
            self.value_bytes = sum(len(outcome.output) for outcome in history.outcomes if outcome.output is not None)

    def save(
        self,
        request: Request,
        state: OutcomeState,
        *,
        value: Any = None,
        has_value: bool = False,
        output: bytes | None = None,
        failure: Failure | None = None,
        attempt: int = 1,
        started_at: int | None = None,
        duration_us: int = 0,
        inbox: int | None = None,
        marked: bool = False,
        input: bytes | None = None,
        undo: str | None = None,
        at: int | None = None,
        records: tuple[StepRecord, ...] = (),
        first_at: int | None = None,
        name: str | None = None,
    ) -> None:
        """Submit the outcome of a request; it is delivered to the body once it is committed. `name` None = that of the request."""
        now = self._loaded.host.clock.now() if at is None else at
        outcome = Outcome(
            self.rank + 1,
            request.ident,
            request.name if name is None else name,
            request.kind,
            state,
            request.request_number,
            attempt,
            self._loaded.run.generation,
            _started_at_of(request, now) if started_at is None else started_at,
            now,
            duration_us,
            input,
            output,
            failure,
            undo,
        )
        self.append(
            outcome,
            inbox=inbox,
            marked=marked,
            value=value,
            has_value=has_value,
            requested_after=request.requested_after,
            records=records,
            first_at=first_at,
        )

    def append(
        self,
        outcome: Outcome,
        *,
        inbox: int | None = None,
        marked: bool = False,
        value: Any = None,
        has_value: bool = False,
        requested_after: int = 0,
        records: tuple[StepRecord, ...] = (),
        first_at: int | None = None,
    ) -> None:
        """Submit an outcome that carries the next rank."""
        loaded = self._loaded
        if loaded.body.notes.has_new_state:
            loaded.send_notes()
        self.rank = outcome.rank
        self.saving += 1
        self.value_bytes += len(outcome.output or b"")
        # A replay reads author and note of an answer, and leaves references of inputs unread.
        seal_input = loaded.host.seal_inline if outcome.kind is OutcomeKind.ANSWER else loaded.host.seal
        command = SaveOutcome(
            loaded.run.id,
            loaded.claim,
            outcome.rank,
            outcome.ident,
            outcome.name,
            outcome.kind,
            outcome.state,
            outcome.request_number,
            outcome.attempt,
            outcome.generation,
            outcome.started_at,
            outcome.at,
            outcome.duration_us,
            loaded.run.automation,
            seal_input(outcome.input),
            loaded.host.seal(outcome.output),
            loaded.host.seal_failure(outcome.failure),
            outcome.undo,
            inbox,
            marked,
            requested_after,
            *encode_records(loaded.host, records),
            first_at,
            loaded.spent.get(outcome.ident, 0),
        )

        def saved(result: CommandDone | Refused | BaseException) -> None:
            self.saving -= 1
            if loaded.is_unloaded:
                return
            if isinstance(result, Refused):
                loaded.unload()
            elif isinstance(result, Exception):
                loaded.fail(result)
            else:
                loaded.committed(outcome, value, has_value=has_value)

        loaded.host.store.submit(command, saved)


def _started_at_of(request: Request, now: int) -> int:
    """Return when a wait started; for a step or undo that was never attempted, its end."""
    return now if request.kind in (OutcomeKind.STEP, OutcomeKind.UNDO) else min(request.requested_at, now)


def encode_records(
    host: DriverHost, records: tuple[StepRecord, ...]
) -> tuple[tuple[PublishEvent, ...], tuple[QueuedMessage, ...], str | None]:
    """Return the events and the messages, each in order, and the numbers as JSON; None = there are no numbers.

    Raises:
        SealedError: the codec fails.
    """
    if not records:
        return (), (), None
    keep_until = host.clock.now() + EVENT_RETENTION_MS
    events: list[PublishEvent] = []
    messages: list[QueuedMessage] = []
    numbers: dict[str, float] = {}
    for record in records:
        if isinstance(record, QueuedMessage):
            sealed = host.seal(record.body) or b""
            messages.append(replace(record, body=sealed, headers=host.seal(record.headers)))
        elif isinstance(record, Measurement):
            numbers[record.name] = record.value
        else:
            events.append(
                PublishEvent(
                    record.id,
                    record.name,
                    host.seal_inline(record.data) or b"",
                    keep_until,
                    record.key,
                    headers=host.seal_inline(record.headers),
                )
            )
    return tuple(events), tuple(messages), _ENCODE(numbers).decode() if numbers else None
