"""The outbox sender: sends the messages of the outbox to their brokers. Any number may run at once.

It leases a queue with its oldest messages and sends them in order. One commit deletes the acknowledged messages, sets refused ones
aside for a person, and releases the lease. After a lost connection or a dead sender, messages with an unknown outcome are sent again
under the same id. If a broker is unreachable, only its own queues wait, without limit.
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
from mainspring.engine.worker.scans import wait_for_change, wait_for_more, wait_for_next_round
from mainspring.integrations.base.broker import QueueSource
from mainspring.resources.error_text import MAX_ERROR_TEXT_LENGTH, ErrorText
from mainspring.store import failpoints
from mainspring.store.base import Store, StoreReader
from mainspring.store.commands.outbox import (
    LeasedQueue,
    LeaseQueues,
    MessageRefusal,
    SettleQueue,
    UnsentMessage,
)
from mainspring.store.commit_and_wait import commit_and_wait
from mainspring.store.read.outbox import can_send
from mainspring.triggers.queues.broker_connections import BrokerConnections
from mainspring.triggers.queues.cancellation import reraise_cancellation

_LOG = logging.getLogger("mainspring.sender")
_LEASE_S = 60.0
_SEND_BUDGET_S = 25.0
"""How long to send to a leased queue; with a slow connection before and a slow message after it this still ends within the lease."""
_ACK_TIMEOUT_S = 10.0
_MAX_QUEUES = 16
_BATCH_SIZE = 200
_CHECK_EVERY_S = 1.0
_COALESCE_S = 0.01
"""Several changes within this time make one read."""
_CLOSE_TIMEOUT_S = 3.0

_HEADERS = msgspec.json.Decoder(dict[str, str]).decode
_BYTES = msgspec.json.Decoder(bytes).decode


class OutboxSender:
    """Created and used in the thread of `loop`. `connections` read their secrets through `error_text` too."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: Store,
        reader: StoreReader,
        clock: Clock,
        sealing: Sealing,
        connections: BrokerConnections,
        error_text: ErrorText,
    ) -> None:
        self._loop = loop
        self._store = store
        self._reader = reader
        self._clock = clock
        self._sealing = sealing
        self._connections = connections
        self._error_text = error_text
        self._changed = asyncio.Event()
        self._at_work: dict[str, asyncio.Task[None]] = {}
        self._logged_errors: dict[str, str] = {}
        self._closing = False
        self._poll_task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to send."""
        self._poll_task = self._loop.create_task(self._poll_forever())

    def changed(self) -> None:
        """Read the outbox again: the store has changed."""
        self._changed.set()

    async def close(self) -> None:
        """Stop: wait a moment for running sends; another sender sends the rest."""
        self._closing = True
        if self._poll_task is not None:
            self._poll_task.cancel()
            await asyncio.gather(self._poll_task, return_exceptions=True)
        if self._at_work:
            await asyncio.wait(self._at_work.values(), timeout=_CLOSE_TIMEOUT_S)
        for task in self._at_work.values():
            task.cancel()
        await asyncio.gather(*self._at_work.values(), return_exceptions=True)
        await self._connections.close()

    async def _poll_forever(self) -> None:
        """Lease and send messages whenever there are some."""
        while True:
            self._changed.clear()
            try:
                await self._lease_queues()
            except FencedError:
                return
            except Exception as error:  # noqa: BLE001  the store is unreachable: its messages wait
                _LOG.warning("the outbox cannot be read: %s", self._error_text.of(error))
                await wait_for_next_round(_CHECK_EVERY_S)
            await self._connections.tidy()
            if await wait_for_change(self._changed, _CHECK_EVERY_S):
                await wait_for_more(_COALESCE_S)

    async def _lease_queues(self) -> None:
        while (free_slots := _MAX_QUEUES - len(self._at_work)) > 0:
            if not await asyncio.to_thread(can_send, self._reader, self._clock.now()):
                return
            since = time.monotonic()
            lease = make_id("l", self._clock.now(), self._clock.random_bits(80))
            leased = await commit_and_wait(
                self._store, LeaseQueues(lease, round(_LEASE_S * 1000), free_slots, _BATCH_SIZE)
            )
            if not leased.queues:
                return
            failpoints.hit("sender.taken")
            for queue in leased.queues:
                task = self._loop.create_task(self._serve(lease, queue, since, self._at_work.get(queue.name)))
                self._at_work[queue.name] = task
                task.add_done_callback(lambda done, name=queue.name: self._served(name, done))  # type: ignore[misc]

    def _served(self, name: str, task: "asyncio.Task[None]") -> None:
        if self._at_work.get(name) is task:
            del self._at_work[name]
        self._changed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.warning("the outcome of messages to %s could not be saved: %s", name, self._error_text.of(error))

    async def _serve(self, lease: str, queue: LeasedQueue, since: float, before: "asyncio.Task[None] | None") -> None:
        """Send the leased messages and commit their outcome, after the task `before` for the same queue.

        That task has released the queue without its answer yet, or was blocked for longer than its lease.
        """
        if before is not None:
            with contextlib.suppress(Exception):  # logged by `_served`
                await before
        batch = _SendBatch(queue, since + _SEND_BUDGET_S)
        source: QueueSource | None = None
        error_reason: str | None = None
        try:
            try:
                source = await self._connections.take(queue.name)
            except (OptionError, UnknownNameError) as error:
                batch.refuse_all(self._error_text.of(error))
            else:
                await self._send_all(source, batch)
        except Exception as error:  # noqa: BLE001  a broker's library may raise anything
            reraise_cancellation()
            error_reason = self._error_text.of(error) or type(error).__name__
        self._log_change(queue.name, error_reason)
        retry_s = (
            0.0
            if error_reason is None
            else backoff_seconds(0 if batch.sent else queue.failures, draw_share(self._clock))
        )
        if source is not None:
            if error_reason is None:
                self._connections.give_back(queue.name, source)
            else:
                await self._connections.drop(source)
        failpoints.hit("sender.sent")
        settle = SettleQueue(
            lease, queue.name, tuple(batch.sent), tuple(batch.refused), error_reason, round(retry_s * 1000)
        )
        await commit_and_wait(self._store, settle)
        failpoints.hit("sender.settled")

    async def _send_all(self, source: QueueSource, batch: "_SendBatch") -> None:
        """Send in order; any exception leaves the rest unsent."""
        for message in batch.queue.messages:
            if self._closing or time.monotonic() > batch.until:
                return
            try:
                async with asyncio.timeout(_ACK_TIMEOUT_S):
                    await source.publish(message.key or message.id, *self._opened(message))
            except ValueRefusedError as error:
                reason = self._error_text.of(error)
                _LOG.error("message %s to %s is refused: %s", message.id, batch.queue.name, reason)
                batch.refused.append(MessageRefusal(message.seq, reason))
            else:
                batch.sent.append(message.seq)
            failpoints.hit("sender.message")

    def _opened(self, message: UnsentMessage) -> tuple[bytes, dict[str, str]]:
        """Return body and headers for the broker. Raises SealedError if the codec is not available."""
        body = self._sealing.open(message.body)
        headers = self._sealing.open_if(message.headers)
        return _BYTES(body) if message.is_raw else body, {} if headers is None else _HEADERS(headers)

    def _log_change(self, queue: str, error_reason: str | None) -> None:
        """Log when sending to a queue starts to fail, or works again."""
        if error_reason is None:
            if self._logged_errors.pop(queue, None) is not None:
                _LOG.info("messages to %s are sent again", queue)
        elif self._logged_errors.get(queue) != error_reason:
            self._logged_errors[queue] = error_reason
            _LOG.warning("messages to %s wait: %s", queue, error_reason)


class _SendBatch:
    """The outcome of a leased queue's messages; `until` = when to stop, on the monotonic clock."""

    def __init__(self, queue: LeasedQueue, until: float) -> None:
        self.queue = queue
        self.until = until
        self.sent: list[int] = []
        self.refused: list[MessageRefusal] = []

    def refuse_all(self, reason: str) -> None:
        """Refuse all messages, because the queue's address is invalid."""
        self.refused = [
            MessageRefusal(message.seq, escape(reason, MAX_ERROR_TEXT_LENGTH)) for message in self.queue.messages
        ]
