"""The consumer of one queue: fetches a bounded batch, accepts all of it, acknowledges after the commit, and retries without limit.

A repeated message has the same key and counts once, so every unknown outcome is retried: after a lost broker with a new connection,
after a lost store with the same delivery. Nothing is fetched while messages are held: that is the backpressure.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import NoReturn

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.errors import FencedError, OptionError, StoreError
from mainspring.domain.failures.backoff import backoff_seconds, draw_share
from mainspring.domain.redaction.secret_name import SecretReader
from mainspring.domain.text.escaping import escape
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.domain.triggers.queues.queue_address import BrokerServer
from mainspring.domain.triggers.queues.queue_message import QueueMessage, make_delivery, make_display_delivery
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.integrations.base.broker import QueueSource
from mainspring.integrations.base.queue_address import resolve_server
from mainspring.integrations.brokers import open_source
from mainspring.resources.error_text import MAX_ERROR_TEXT_LENGTH, ErrorText
from mainspring.store.base import UnwritableCommandError
from mainspring.store.commands.results import Refused
from mainspring.triggers.intake import DeliveryReceiver
from mainspring.triggers.queues.cancellation import reraise_cancellation
from mainspring.triggers.queues.consumer_state import QueueConsumerState, StateReporter

_LOG = logging.getLogger("mainspring.queues")
_CONNECT_TIMEOUT_S = 20.0
_ANSWER_TIMEOUT_S = 60.0
_CLOSE_TIMEOUT_S = 3.0
_BUSY_RETRY_MS = 1_000

PartitionBatch = list[tuple[QueueMessage, IncomingDelivery | str]]
"""Messages in the order of the broker, each with its delivery, or the reason why it has none."""

_MAX_REMEMBERED = 10_000


class RedeliveryLimit:
    """Counts refusals by message, in addition to the broker's own count; remembers the newest ten thousand.

    A refused message is retried some times, because the code may be replaced.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._used: dict[str, int] = {}

    def used(self, message: QueueMessage) -> int:
        """Return how often a message was refused and given back."""
        return self._used.get(message.id, 0)

    def use(self, message: QueueMessage) -> bool:
        """Count one more refusal; return whether the limit is reached."""
        times = max(self.used(message), message.redelivered) + 1
        self.forget(message)
        if times >= self._most:
            return True
        self._used[message.id] = times
        if len(self._used) > _MAX_REMEMBERED:
            del self._used[next(iter(self._used))]
        return False

    def forget(self, message: QueueMessage) -> None:
        """Drop the count of an accepted message."""
        self._used.pop(message.id, None)


class _MessageOutcome(StrEnum):
    """The outcome of a message for the broker. STOPPED = given back without its own fault, with all later messages of its partition."""

    DONE = "done"
    RETURNED = "returned"
    STOPPED = "stopped"
    DEAD_LETTERED = "dead_lettered"


_SourceOpener = Callable[[BrokerQueue, BrokerServer, str | None], QueueSource]
_Sleeper = Callable[[float], Awaitable[None]]


class QueueConsumer:
    """`run` accepts messages until it is cancelled; then messages that were not accepted are given back.

    Messages of one partition are accepted one after the other, in the order of the broker; with a partition the trigger must have
    only one consumer at a time.
    """

    def __init__(
        self,
        trigger: str,
        queue: BrokerQueue,
        intake: DeliveryReceiver,
        secrets: SecretReader,
        *,
        report: StateReporter,
        clock: Clock,
        sleep: _Sleeper = asyncio.sleep,
        opens: _SourceOpener = open_source,
    ) -> None:
        self._trigger = trigger
        self._queue = queue
        self._intake = intake
        self._text = ErrorText(secrets)
        self._report = report
        self._clock = clock
        self._sleep = sleep
        self._opens = opens
        self._failures = 0
        self._redelivery_limit = RedeliveryLimit(queue.max_deliveries)
        self._source: QueueSource | None = None
        self._held: list[QueueMessage] = []
        self._is_refusing = False
        """Whether a message of the current batch was refused."""
        self.state = QueueConsumerState(
            trigger=trigger, queue=queue.label, connected=False, since_at=clock.now(), reason="it has not connected yet"
        )

    async def run(self) -> NoReturn:
        """Accept messages without end.

        Raises:
            FencedError: this process may write nothing more.
        """
        while True:
            try:
                await self._serve()
            except FencedError:
                raise
            except Exception as error:  # noqa: BLE001 - a broker may raise anything, and the consumer must survive it
                reraise_cancellation()
                self._report_unreachable(error)
            finally:
                await self._release()
            await self._sleep(self._pause(self._failures))
            self._failures += 1

    async def _serve(self) -> NoReturn:
        """Connect, and accept messages until an error."""
        server = resolve_server(self._queue.server, self._text.get)
        self._source = source = self._opens(self._queue, server, self._queue.group_of(self._automation))
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            await source.connect()
        self._report_changes(connected=True, since_at=self._clock.now(), reason="")
        while True:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                self._held = await source.fetch(self._queue.prefetch)
            self._failures = 0
            if self._held:
                await self._accept_all(source)

    async def _accept_all(self, source: QueueSource) -> None:
        """Accept the held messages, and report the outcomes to the broker."""
        self._is_refusing = False
        keeping = asyncio.create_task(self._extend_hold(source))
        tasks = [
            asyncio.create_task(self._accept_batch(batch)) for batch in batch_by_partition(self._queue, self._held)
        ]
        try:
            settled = [pair for batch in await asyncio.gather(*tasks) for pair in batch]
        finally:
            for task in (keeping, *tasks):
                task.cancel()
        self._report_wait("")
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            done = [message for message, _, outcome in settled if outcome is _MessageOutcome.DONE]
            if done:
                await source.acknowledge(done)
            stopped_for_s = self._pause(2)  # the same delay for all, or their order would change
            for message, reason, outcome in settled:
                if outcome is _MessageOutcome.STOPPED:
                    await source.give_back(message, stopped_for_s)
                elif outcome is _MessageOutcome.RETURNED:
                    await source.give_back(message, self._pause(2 + self._redelivery_limit.used(message)))
                elif outcome is _MessageOutcome.DEAD_LETTERED:
                    await source.dead_letter(message, reason)
        self._held = []
        self.state = msgspec.structs.replace(self.state, accepted=self.state.accepted + len(done))
        if self.state.last_refusal and not self._is_refusing:
            self._report_changes(last_refusal="")

    async def _accept_batch(self, batch: PartitionBatch) -> list[tuple[QueueMessage, str, _MessageOutcome]]:
        """Accept messages one after the other. Return for each the reason of a refusal, and the outcome for the broker."""
        settled: list[tuple[QueueMessage, str, _MessageOutcome]] = []
        for message, delivery in batch:
            reason, outcome = await self._accept(message, delivery)
            if outcome is _MessageOutcome.STOPPED:
                return settled + [(left, reason, outcome) for left, _ in batch[len(settled) :]]
            settled.append((message, reason, outcome))
        return settled

    async def _accept(self, message: QueueMessage, delivery: IncomingDelivery | str) -> tuple[str, _MessageOutcome]:
        """Accept one message; wait while the store is unreachable or busy. Return the reason of a refusal and the outcome."""
        if isinstance(delivery, str):
            return await self._refused_as(message, "misfit", delivery)
        tries = 0
        while True:
            try:
                answer = await self._intake.accept(self._trigger, delivery)
            except FencedError:
                raise
            except UnwritableCommandError as error:
                return await self._refused_as(message, "not_written", self._text.of(error))
            except StoreError as error:
                self._report_wait(f"the store: {self._text.of(error)}")
                await self._sleep(self._pause(tries))
            except Exception as error:  # noqa: BLE001 - a defect of Mainspring: nothing is lost, and the others continue
                self._refuses(self._text.of(error))
                return "", _MessageOutcome.STOPPED
            else:
                if not isinstance(answer, Refused):
                    self._redelivery_limit.forget(message)
                    return "", _MessageOutcome.DONE
                if answer.code == "other_body":
                    await self._store_rejected(message, answer.code, answer.text)
                if answer.code != "busy":
                    return self._outcome_of_refusal(message, answer)
                self._report_wait(answer.text or "the store accepts no more deliveries now")
                wait_s = (answer.retry_after_ms or _BUSY_RETRY_MS) / 1000
                await self._sleep(wait_s + draw_share(self._clock) * wait_s / 2)
            tries += 1

    async def _store_rejected(self, message: QueueMessage, code: str, reason: str) -> None:
        """Store a message that leaves the queue as rejected, for people to see; wait while the store is unreachable."""
        for tries in itertools.count():
            try:
                await self._intake.refuse(self._trigger, code, reason, make_display_delivery(message))
                break
            except FencedError:
                raise
            except UnwritableCommandError as error:  # waiting does not help
                text = self._describe(message, reason)
                _LOG.error(
                    "trigger %s drops message %s; its text is not logged: %s", self._trigger, text, self._text.of(error)
                )
                return
            except StoreError as error:
                self._report_wait(f"the store: {self._text.of(error)}")
            await self._sleep(self._pause(tries))

    def _outcome_of_refusal(self, message: QueueMessage, answer: Refused) -> tuple[str, _MessageOutcome]:
        """Return the outcome of a refusal that waiting does not change."""
        reason = f"{answer.code}: {answer.text}" if answer.text else answer.code
        match answer.code:
            case "other_body":
                self._refuses(self._describe(message, reason), leaves=True)
                return reason, _MessageOutcome.DONE
            case "no_trigger":
                self._refuses(self._describe(message, reason))
                return reason, _MessageOutcome.STOPPED
            case _:
                return self._refused(message, reason)

    async def _refused_as(self, message: QueueMessage, code: str, reason: str) -> tuple[str, _MessageOutcome]:
        """Refuse a message that the store does not have, and store it as rejected before it leaves."""
        _, outcome = self._refused(message, reason)
        if outcome is _MessageOutcome.DEAD_LETTERED:
            await self._store_rejected(message, code, reason)
        return reason, outcome

    def _refused(self, message: QueueMessage, reason: str) -> tuple[str, _MessageOutcome]:
        """Count a refused message; it leaves the queue when it reaches the redelivery limit."""
        is_last = self._redelivery_limit.use(message)
        self._refuses(self._describe(message, reason), leaves=is_last)
        return reason, _MessageOutcome.DEAD_LETTERED if is_last else _MessageOutcome.RETURNED

    def _refuses(self, text: str, *, leaves: bool = False) -> None:
        self._is_refusing = True
        self._report_changes(refused=self.state.refused + leaves, last_refusal=text)

    async def _extend_hold(self, source: QueueSource) -> None:
        """Keep the broker from delivering held messages to other readers. The next call detects an unreachable broker."""
        while True:
            await self._sleep(self._queue.ack_wait.total_seconds() / 3)
            try:
                async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                    await source.keep(self._held)
            except Exception:  # noqa: BLE001 - see above
                reraise_cancellation()
                return

    async def _release(self) -> None:
        """Give back the held messages, and close the connection, with a time limit, because the broker may be unreachable."""
        source, self._source = self._source, None
        held, self._held = self._held, []
        if source is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                try:
                    for message in held:
                        await source.give_back(message, 0.0)
                finally:
                    await source.close()
        except Exception:  # noqa: BLE001 - the broker delivers messages again that were not given back
            reraise_cancellation()

    def _report_unreachable(self, error: Exception) -> None:
        reason = self._text.of(error)
        if self.state.connected:
            self._report_changes(connected=False, since_at=self._clock.now(), reason=reason, waits_for="")
        elif reason != self.state.reason:
            self._report_changes(reason=reason)

    def _report_wait(self, cause: str) -> None:
        if cause != self.state.waits_for:
            self._report_changes(waits_for=cause)

    def _report_changes(self, **changes: object) -> None:
        self.state = msgspec.structs.replace(self.state, **changes)
        self._report(self.state)

    def _describe(self, message: QueueMessage, reason: str) -> str:
        return escape(f"{message.id[:100]}: {reason}", MAX_ERROR_TEXT_LENGTH)

    @property
    def _automation(self) -> str:
        return split_trigger_name(self._trigger)[0] or self._trigger

    def _pause(self, failures: int) -> float:
        return backoff_seconds(failures, draw_share(self._clock))


def batch_by_partition(queue: BrokerQueue, messages: Sequence[QueueMessage]) -> list[PartitionBatch]:
    """Return a batch for each partition, and one for each message without a partition.

    Messages of one batch are accepted one after the other, the batches at the same time.
    """
    batches: dict[str, PartitionBatch] = {}
    for number, message in enumerate(messages):
        delivery = _read_delivery(queue, message)
        partition = delivery.partition if isinstance(delivery, IncomingDelivery) else None
        batches.setdefault(f"#{number}" if partition is None else f"={partition}", []).append((message, delivery))
    return list(batches.values())


def _read_delivery(queue: BrokerQueue, message: QueueMessage) -> IncomingDelivery | str:
    try:
        return make_delivery(queue, message)
    except OptionError as error:
        return error.message
