"""The desk of one queue: fetches a bounded batch, takes all of it in, acknowledges after the commit, and never gives up.

What may come twice comes with the same key and counts once, so every doubt is answered by doing it again: a broker that is away by
another connection, a store that is away by the same arrival. Nothing is fetched while something is held: that is the back-pressure.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import NoReturn

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.errors import FencedError, StoreError
from mainspring.domain.failures.backoff import backoff_seconds, draw_share
from mainspring.domain.redaction.secret_name import SecretReader
from mainspring.domain.text.escaping import escape
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.domain.triggers.queues.queue_address import BrokerServer, resolve_server
from mainspring.domain.triggers.queues.queue_message import QueueMessage, make_display_delivery
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.domain.triggers.trigger import split_trigger_name
from mainspring.resources.error_text import MAX_ERROR_TEXT_LENGTH, ErrorText
from mainspring.store.base import UnwritableCommandError
from mainspring.store.commands.results import Refused
from mainspring.triggers.intake import DeliveryReceiver
from mainspring.triggers.queues.cancellation import reraise_cancellation
from mainspring.triggers.queues.consumer_state import QueueConsumerState, StateReporter
from mainspring.triggers.queues.partition_batches import PartitionBatch, batch_by_partition
from mainspring.triggers.queues.queue_sources import QueueSource, open_source
from mainspring.triggers.queues.redelivery_limit import RedeliveryLimit

_LOG = logging.getLogger("mainspring.queues")
_CONNECT_TIMEOUT_S = 20.0
_ANSWER_TIMEOUT_S = 60.0
_CLOSE_TIMEOUT_S = 3.0
_BUSY_RETRY_MS = 1_000


class _MessageOutcome(StrEnum):
    """What the broker is told of a message. STOPPED = given back for no fault of its own, with all that came after it in its partition."""

    DONE = "done"
    RETURNED = "returned"
    STOPPED = "stopped"
    ASIDE = "aside"


_SourceOpener = Callable[[BrokerQueue, BrokerServer, str | None], QueueSource]
_Sleeper = Callable[[float], Awaitable[None]]


class QueueConsumer:
    """`run` it for as long as messages are to be taken in; cancel it to stop: what was not taken in is given back.

    Messages of one partition are taken in one after the other, in the order in which the broker gives them out; with a partition there
    must be one desk at a time for the trigger.
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
        self._chances = RedeliveryLimit(queue.max_deliveries)
        self._source: QueueSource | None = None
        self._held: list[QueueMessage] = []
        self._is_refusing = False
        """Whether something of the present batch could not be taken in."""
        self.state = QueueConsumerState(
            trigger=trigger, queue=queue.shown, connected=False, since_at=clock.now(), why="it has not connected yet"
        )

    async def run(self) -> NoReturn:
        """Take in what comes, for ever.

        Raises:
            FencedError: this process may write nothing more.
        """
        while True:
            try:
                await self._serve()
            except FencedError:
                raise
            except Exception as error:  # noqa: BLE001 - a broker may raise anything, and this desk has to outlive it
                reraise_cancellation()
                self._is_away(error)
            finally:
                await self._let_go()
            await self._sleep(self._pause(self._failures))
            self._failures += 1

    async def _serve(self) -> NoReturn:
        """Connect, and take in until something fails."""
        server = resolve_server(self._queue.server, self._text.get)
        self._source = source = self._opens(self._queue, server, self._queue.group_of(self._automation))
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            await source.connect()
        self._tell(connected=True, since_at=self._clock.now(), why="")
        while True:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                self._held = await source.fetch(self._queue.prefetch)
            self._failures = 0
            if self._held:
                await self._take_in_all(source)

    async def _take_in_all(self, source: QueueSource) -> None:
        """Take in what is held, and tell the broker."""
        self._is_refusing = False
        keeping = asyncio.create_task(self._keep(source))
        lanes = [asyncio.create_task(self._take_in_lane(lane)) for lane in batch_by_partition(self._queue, self._held)]
        try:
            settled = [pair for lane in await asyncio.gather(*lanes) for pair in lane]
        finally:
            for task in (keeping, *lanes):
                task.cancel()
        self._waits("")
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            done = [message for message, _, outcome in settled if outcome is _MessageOutcome.DONE]
            if done:
                await source.acknowledge(done)
            stopped_for_s = self._pause(2)  # the same for all, or they would change places
            for message, why, outcome in settled:
                if outcome is _MessageOutcome.STOPPED:
                    await source.give_back(message, stopped_for_s)
                elif outcome is _MessageOutcome.RETURNED:
                    await source.give_back(message, self._pause(2 + self._chances.used(message)))
                elif outcome is _MessageOutcome.ASIDE:
                    await source.set_aside(message, why)
        self._held = []
        self.state = msgspec.structs.replace(self.state, taken_in=self.state.taken_in + len(done))
        if self.state.last_refusal and not self._is_refusing:
            self._tell(last_refusal="")

    async def _take_in_lane(self, lane: PartitionBatch) -> list[tuple[QueueMessage, str, _MessageOutcome]]:
        """Take messages in, one after the other. Returns of each why it could not be, and what the broker is told."""
        settled: list[tuple[QueueMessage, str, _MessageOutcome]] = []
        for message, arrival in lane:
            why, outcome = await self._take_in(message, arrival)
            if outcome is _MessageOutcome.STOPPED:
                return settled + [(left, why, outcome) for left, _ in lane[len(settled) :]]
            settled.append((message, why, outcome))
        return settled

    async def _take_in(self, message: QueueMessage, arrival: IncomingDelivery | str) -> tuple[str, _MessageOutcome]:
        """Take one message in; wait as long as the store is away or busy. Returns why it could not be, and what the broker is told."""
        if isinstance(arrival, str):
            return await self._refused_as(message, "misfit", arrival)
        tries = 0
        while True:
            try:
                answer = await self._intake.take_in(self._trigger, arrival)
            except FencedError:
                raise
            except UnwritableCommandError as error:
                return await self._refused_as(message, "not_written", self._text.of(error))
            except StoreError as error:
                self._waits(f"the store: {self._text.of(error)}")
                await self._sleep(self._pause(tries))
            except Exception as error:  # noqa: BLE001 - a fault of ours: nothing is lost, and the others go on
                self._refuses(self._text.of(error))
                return "", _MessageOutcome.STOPPED
            else:
                if not isinstance(answer, Refused):
                    self._chances.forget(message)
                    return "", _MessageOutcome.DONE
                if answer.code == "other_body":
                    await self._show(message, answer.code, answer.text)
                if answer.code != "busy":
                    return self._answered(message, answer)
                self._waits(answer.text or "the store takes in no more for now")
                wait_s = (answer.retry_after_ms or _BUSY_RETRY_MS) / 1000
                await self._sleep(wait_s + draw_share(self._clock) * wait_s / 2)
            tries += 1

    async def _show(self, message: QueueMessage, code: str, why: str) -> None:
        """Keep a message that is about to leave the queue where people see it; a store that is away is waited for."""
        for tries in itertools.count():
            try:
                await self._intake.refuse(self._trigger, code, why, make_display_delivery(message))
                break
            except FencedError:
                raise
            except UnwritableCommandError as error:  # waiting does not help
                said = self._told(message, why)
                _LOG.error(
                    "trigger %s lets go of message %s; it is not shown: %s", self._trigger, said, self._text.of(error)
                )
                return
            except StoreError as error:
                self._waits(f"the store: {self._text.of(error)}")
            await self._sleep(self._pause(tries))

    def _answered(self, message: QueueMessage, answer: Refused) -> tuple[str, _MessageOutcome]:
        """Return what follows from a refusal that waiting does not change."""
        why = f"{answer.code}: {answer.text}" if answer.text else answer.code
        match answer.code:
            case "other_body":
                self._refuses(self._told(message, why), leaves=True)
                return why, _MessageOutcome.DONE
            case "no_trigger":
                self._refuses(self._told(message, why))
                return why, _MessageOutcome.STOPPED
            case _:
                return self._refused(message, why)

    async def _refused_as(self, message: QueueMessage, code: str, why: str) -> tuple[str, _MessageOutcome]:
        """Refuse a message that the store does not know, and show it before it leaves."""
        _, outcome = self._refused(message, why)
        if outcome is _MessageOutcome.ASIDE:
            await self._show(message, code, why)
        return why, outcome

    def _refused(self, message: QueueMessage, why: str) -> tuple[str, _MessageOutcome]:
        """Count a message that cannot be taken in as it is; it leaves the queue with its last chance."""
        is_last = self._chances.use(message)
        self._refuses(self._told(message, why), leaves=is_last)
        return why, _MessageOutcome.ASIDE if is_last else _MessageOutcome.RETURNED

    def _refuses(self, said: str, *, leaves: bool = False) -> None:
        self._is_refusing = True
        self._tell(refused=self.state.refused + leaves, last_refusal=said)

    async def _keep(self, source: QueueSource) -> None:
        """Keep the broker from giving what is held to somebody else. A broker that is away is found by what is told it next."""
        while True:
            await self._sleep(self._queue.ack_wait.total_seconds() / 3)
            try:
                async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                    await source.keep(self._held)
            except Exception:  # noqa: BLE001 - see above
                reraise_cancellation()
                return

    async def _let_go(self) -> None:
        """Give back what was not taken in, and end the connection; within a bound, for the broker may be away."""
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
        except Exception:  # noqa: BLE001 - what is not given back comes again by itself
            reraise_cancellation()

    def _is_away(self, error: Exception) -> None:
        why = self._text.of(error)
        if self.state.connected:
            self._tell(connected=False, since_at=self._clock.now(), why=why, waits_for="")
        elif why != self.state.why:
            self._tell(why=why)

    def _waits(self, what: str) -> None:
        if what != self.state.waits_for:
            self._tell(waits_for=what)

    def _tell(self, **changes: object) -> None:
        self.state = msgspec.structs.replace(self.state, **changes)
        self._report(self.state)

    def _told(self, message: QueueMessage, why: str) -> str:
        return escape(f"{message.id[:100]}: {why}", MAX_ERROR_TEXT_LENGTH)

    @property
    def _automation(self) -> str:
        return split_trigger_name(self._trigger)[0] or self._trigger

    def _pause(self, failures: int) -> float:
        return backoff_seconds(failures, draw_share(self._clock))
