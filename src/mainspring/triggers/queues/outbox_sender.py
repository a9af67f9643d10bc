"""The Sender: hands the messages of the outbox to their brokers. Any number may run at once.

A queue is leased with its oldest messages; they are sent one after the other; what the broker acknowledged is deleted, what it will not
take is set aside for a person, and the lease given back, in one commit. Whatever is unknown is sent again under the same id: a connection
that broke, a Sender that died. A broker that is away makes its own queues wait, for ever.
"""

import asyncio
import contextlib
import logging
import time

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.errors import FencedError, OptionError, UnknownNameError, ValueRefusedError
from mainspring.domain.failures.backoff import backoff_seconds, draw_share
from mainspring.domain.ids import make_id
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.sealing import Sealing
from mainspring.resources.error_text import MAX_ERROR_TEXT_LENGTH, ErrorText
from mainspring.store import failpoints
from mainspring.store.base import Store, StoreReader
from mainspring.store.commands.outbox import (
    LeasedQueue,
    LeasedQueues,
    LeaseQueues,
    MessageRefusal,
    SettleQueue,
    UnsentMessage,
)
from mainspring.store.commit_and_wait import commit_and_wait
from mainspring.store.read.outbox import can_send
from mainspring.triggers.queues.broker_connections import BrokerConnections
from mainspring.triggers.queues.cancellation import reraise_cancellation
from mainspring.triggers.queues.queue_sources import QueueSource

_LOG = logging.getLogger("mainspring.sender")
_LEASE_S = 60.0
_SEND_BUDGET_S = 25.0
"""So long a leased queue is sent to; with a connection before it and a message after it that take their time it ends within the lease."""
_ACK_TIMEOUT_S = 10.0
_MAX_QUEUES = 16
_BATCH_SIZE = 200
_CHECK_EVERY_S = 1.0
_COALESCE_S = 0.01
"""Many changes make one look."""
_CLOSE_TIMEOUT_S = 3.0

_HEADERS = msgspec.json.Decoder(dict[str, str]).decode
_BYTES = msgspec.json.Decoder(bytes).decode


class OutboxSender:
    """Made and used in `loop`'s thread. `faults` is also where `links` ask for secrets."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: Store,
        reader: StoreReader,
        clock: Clock,
        sealing: Sealing,
        links: BrokerConnections,
        faults: ErrorText,
    ) -> None:
        self._loop = loop
        self._store = store
        self._reader = reader
        self._clock = clock
        self._sealing = sealing
        self._links = links
        self._faults = faults
        self._changed = asyncio.Event()
        self._at_work: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, str] = {}
        self._closing = False
        self._keeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send."""
        self._keeping = self._loop.create_task(self._keep())

    def changed(self) -> None:
        """Something may be new in the store."""
        self._changed.set()

    async def close(self) -> None:
        """End: what is being sent is waited for a moment, the rest is another Sender's."""
        self._closing = True
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._at_work:
            await asyncio.wait(self._at_work.values(), timeout=_CLOSE_TIMEOUT_S)
        for task in self._at_work.values():
            task.cancel()
        await asyncio.gather(*self._at_work.values(), return_exceptions=True)
        await self._links.close()

    async def _keep(self) -> None:
        """Take what can be sent, whenever there is something."""
        while True:
            self._changed.clear()
            try:
                await self._look()
            except FencedError:
                return
            except Exception as error:  # noqa: BLE001  the store is away: what it holds waits
                _LOG.warning("the outbox cannot be looked at: %s", self._faults.of(error))
                await asyncio.sleep(_CHECK_EVERY_S)
            await self._links.tidy()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CHECK_EVERY_S):
                    await self._changed.wait()
                await asyncio.sleep(_COALESCE_S)

    async def _look(self) -> None:
        while (room := _MAX_QUEUES - len(self._at_work)) > 0:
            if not await asyncio.to_thread(can_send, self._reader, self._clock.now()):
                return
            since = time.monotonic()
            lease = make_id("l", self._clock.now(), self._clock.random_bits(80))
            taken = await commit_and_wait(self._store, LeaseQueues(lease, round(_LEASE_S * 1000), room, _BATCH_SIZE))
            if not isinstance(taken, LeasedQueues) or not taken.queues:
                return
            failpoints.hit("sender.taken")
            for queue in taken.queues:
                task = self._loop.create_task(self._serve(lease, queue, since, self._at_work.get(queue.name)))
                self._at_work[queue.name] = task
                task.add_done_callback(lambda done, name=queue.name: self._served(name, done))  # type: ignore[misc]

    def _served(self, name: str, task: "asyncio.Task[None]") -> None:
        if self._at_work.get(name) is task:
            del self._at_work[name]
        self._changed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.warning("what became of messages to %s could not be saved: %s", name, self._faults.of(error))

    async def _serve(self, lease: str, queue: LeasedQueue, since: float, before: "asyncio.Task[None] | None") -> None:
        """Send what was leased, and say what became of it; after whoever is `before` with the same queue.

        That one has given it back and its answer is not heard of yet, or it stood still for longer than its lease.
        """
        if before is not None:
            with contextlib.suppress(Exception):  # told by `_served`
                await before
        batch = _SendBatch(queue, since + _SEND_BUDGET_S)
        source: QueueSource | None = None
        away: str | None = None
        try:
            try:
                source = await self._links.take(queue.name)
            except (OptionError, UnknownNameError) as error:
                batch.refuse_all(self._faults.of(error))
            else:
                await self._send_all(source, batch)
        except Exception as error:  # noqa: BLE001  a broker's library may raise anything
            reraise_cancellation()
            away = self._faults.of(error) or type(error).__name__
        self._tell(queue.name, away)
        retry_s = 0.0 if away is None else backoff_seconds(0 if batch.sent else queue.failures, draw_share(self._clock))
        if source is not None:
            if away is None:
                self._links.give_back(queue.name, source)
            else:
                await self._links.drop(source)
        failpoints.hit("sender.sent")
        settle = SettleQueue(lease, queue.name, tuple(batch.sent), tuple(batch.refused), away, round(retry_s * 1000))
        await commit_and_wait(self._store, settle)
        failpoints.hit("sender.settled")

    async def _send_all(self, source: QueueSource, batch: "_SendBatch") -> None:
        """Send in order; whatever is raised leaves the rest unsent."""
        for message in batch.queue.messages:
            if self._closing or time.monotonic() > batch.until:
                return
            try:
                async with asyncio.timeout(_ACK_TIMEOUT_S):
                    await source.publish(message.key or message.id, *self._opened(message))
            except ValueRefusedError as error:
                why = self._faults.of(error)
                _LOG.error("message %s to %s is refused: %s", message.id, batch.queue.name, why)
                batch.refused.append(MessageRefusal(message.seq, why))
            else:
                batch.sent.append(message.seq)
            failpoints.hit("sender.message")

    def _opened(self, message: UnsentMessage) -> tuple[bytes, dict[str, str]]:
        """Return body and headers as the broker gets them. Raises SealedError where the codec is not at hand."""
        body = self._sealing.open(message.body)
        headers = self._sealing.open_if(message.headers)
        return _BYTES(body) if message.is_raw else body, {} if headers is None else _HEADERS(headers)

    def _tell(self, queue: str, away: str | None) -> None:
        """Tell the log when a queue can no longer be sent to, or can again."""
        if away is None:
            if self._told.pop(queue, None) is not None:
                _LOG.info("messages to %s are sent again", queue)
        elif self._told.get(queue) != away:
            self._told[queue] = away
            _LOG.warning("messages to %s wait: %s", queue, away)


class _SendBatch:
    """What became of the messages of a leased queue; `until` = when to stop, on the monotonic clock."""

    def __init__(self, queue: LeasedQueue, until: float) -> None:
        self.queue = queue
        self.until = until
        self.sent: list[int] = []
        self.refused: list[MessageRefusal] = []

    def refuse_all(self, why: str) -> None:
        """The queue's address leads nowhere, for none of its messages."""
        self.refused = [
            MessageRefusal(message.seq, escape(why, MAX_ERROR_TEXT_LENGTH)) for message in self.queue.messages
        ]
