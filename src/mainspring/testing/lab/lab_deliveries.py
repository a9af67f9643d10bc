"""The deliveries of a lab: what comes in from webhooks, folders and brokers, and what goes out to brokers. Nothing reaches any of them."""

import asyncio
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mainspring.app.workers.intake_and_delivery import IntakeAndDelivery
from mainspring.domain.errors import OptionError
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.domain.triggers.queues.queue_message import QueueMessage, make_delivery
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.domain.triggers.watched_folder import WatchedFolder
from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.domain.triggers.webhooks.webhook_body import InvalidRequest
from mainspring.domain.values.file import File, make_file_key
from mainspring.integrations.base.broker import QueueSource
from mainspring.integrations.webhooks.webhook_delivery import ReadDelivery, read_webhook_request
from mainspring.store.commands.results import DeliveryStored, Refused
from mainspring.testing.lab.lab_loop import LabError
from mainspring.triggers.consumer import Consumer
from mainspring.triggers.intake import DeliveryIntake
from mainspring.triggers.queues.broker_connections import BrokerConnections
from mainspring.triggers.trigger_cache import CachedTrigger, TriggerCache

_JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery of a test. `data` = a value for JSON, or `body` = the bytes; `file` = a file of the test."""

    data: Any = None
    body: bytes | None = None
    headers: Mapping[str, str] | None = None
    key: str | None = None
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message that a run sent to a queue of a broker."""

    queue: str
    key: str
    body: bytes
    headers: dict[str, str]


class LabDeliveries:
    """Creates the intake of a lab, and delivers to it. `sent` = the messages to brokers, oldest first."""

    def __init__(self) -> None:
        self.sent: list[SentMessage] = []
        self._numbers = 0
        self._parts: IntakeAndDelivery | None = None

    def make_intake(self, *parts: Any) -> IntakeAndDelivery:
        """Return the intake and delivery of the worker, which reach nothing outside."""
        connections = _RecordedBrokers(self.sent)
        self._parts = IntakeAndDelivery(*parts, make_consumer=_make_idle_consumer, connections=connections)
        return self._parts

    async def deliver(self, target: str, delivery: Delivery) -> str | None:
        """Deliver to the trigger of an automation; return the id of the run that it started, None = it waits, or starts none.

        `target` = the automation, the name of its trigger, or the path of its webhook.

        Raises:
            LabError: there is no such trigger, or it rejects this.
            OptionError: this is no delivery for such a trigger.
        """
        assert self._parts is not None
        ingest = self._parts.ingest
        await asyncio.to_thread(ingest.known.refresh)
        known = self._find_trigger(target, ingest.known, has_file=delivery.file is not None)
        incoming, data = self._read(known, delivery)
        prepared = ingest.intake.prepare(known, incoming, data)
        answer = prepared if isinstance(prepared, Refused) else await ingest.intake.store(prepared)
        if isinstance(answer, Refused):
            raise LabError(f"{known.name} rejects the delivery: {answer.text or answer.code}")
        assert isinstance(answer, DeliveryStored)
        return answer.run

    def _find_trigger(self, target: str, known: TriggerCache, *, has_file: bool) -> CachedTrigger:
        kinds = WatchedFolder if has_file else (Webhook, BrokerQueue)
        triggers = [
            trigger for trigger in known if isinstance(trigger.trigger.source, (Webhook, BrokerQueue, WatchedFolder))
        ]
        matches = [trigger for trigger in triggers if target in (trigger.name, trigger.definition.name, trigger.path)]
        found = [trigger for trigger in matches if isinstance(trigger.trigger.source, kinds)]
        if len(found) == 1:
            return found[0]
        names = ", ".join(sorted(trigger.name for trigger in (matches or triggers))) or "none"
        if not found and matches:
            expected = "takes no file" if has_file else "takes a file: file=PATH"
            raise OptionError(f"deliver({target!r}): its trigger {expected}", hint=f"Triggers: {names}.")
        problem = (
            "several triggers have this automation: name one" if found else "no webhook, queue or folder has this name"
        )
        raise LabError(f"deliver({target!r}): {problem}. Triggers: {names}")

    def _read(self, known: CachedTrigger, delivery: Delivery) -> tuple[IncomingDelivery, Any]:
        source = known.trigger.source
        if isinstance(source, WatchedFolder):
            return self._read_file(delivery)
        if delivery.data is not None and delivery.body is not None:
            raise OptionError("deliver: data and body= were both given", hint="Keep one of them.")
        body = msgspec.json.encode(delivery.data) if delivery.body is None else delivery.body
        headers = {name.lower(): value for name, value in (delivery.headers or {}).items()}
        if isinstance(source, Webhook):
            request = read_webhook_request(source, body, _JSON | headers)
            if not isinstance(request, ReadDelivery):
                reason = request.text if isinstance(request, InvalidRequest) else "it is the handshake of a set-up"
                raise LabError(f"{known.name} rejects the delivery: {reason}")
            incoming, data = request.delivery, request.data
        else:
            assert isinstance(source, BrokerQueue)
            self._numbers += 1
            incoming = make_delivery(source, QueueMessage(id=f"message-{self._numbers}", body=body, headers=headers))
            data = msgspec.json.decode(incoming.json)
        return incoming if delivery.key is None else msgspec.structs.replace(incoming, key=delivery.key), data

    def _read_file(self, delivery: Delivery) -> tuple[IncomingDelivery, Any]:
        assert delivery.file is not None
        path = delivery.file.absolute()
        content, found = path.read_bytes(), path.stat()
        digest = hashlib.sha256(content).hexdigest()
        file = msgspec.json.encode(
            File.at(os.fsencode(path), size=len(content), sha256=digest, modified_ns=found.st_mtime_ns)
        )
        key = delivery.key or make_file_key(path.name, digest)
        incoming = IncomingDelivery(key=key, body=digest.encode(), data=file, was_stored=True, stays=True)
        return incoming, msgspec.json.decode(file)


class _IdleConsumer:
    """Fetches nothing: a lab gets its deliveries from the test."""

    async def run(self) -> None:
        """Wait until it is cancelled."""
        await asyncio.get_running_loop().create_future()


def _make_idle_consumer(_known: CachedTrigger, _intake: DeliveryIntake) -> Consumer:
    return _IdleConsumer()


class _RecordedBrokers(BrokerConnections):
    """Connections to brokers that keep what they would send."""

    def __init__(self, sent: list[SentMessage]) -> None:
        super().__init__({}, str)
        self._sent = sent

    async def take(self, queue: str) -> QueueSource:
        """Return the record of a queue."""
        return _RecordedQueue(queue, self._sent)


class _RecordedQueue:
    """A queue that keeps what it would send, and delivers nothing."""

    def __init__(self, queue: str, sent: list[SentMessage]) -> None:
        self._queue = queue
        self._sent = sent

    async def publish(self, key: str, body: bytes, headers: dict[str, str]) -> None:
        """Keep a message."""
        self._sent.append(SentMessage(self._queue, key, body, headers))

    async def connect(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    async def fetch(self, limit: int) -> list[QueueMessage]:
        """Return no message."""
        return []

    async def keep(self, messages: Sequence[QueueMessage]) -> None:
        """Do nothing: it delivers no message."""

    async def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        """Do nothing: it delivers no message."""

    async def give_back(self, message: QueueMessage, after_s: float) -> None:
        """Do nothing: it delivers no message."""

    async def dead_letter(self, message: QueueMessage, reason: str) -> None:
        """Do nothing: it delivers no message."""
