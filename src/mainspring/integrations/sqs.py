"""Amazon SQS: an existing queue, polled through boto3 in threads of its own.

Bodies of SQS are text that is not empty. Any other body is sent as base64, which the attribute `mainspring-encoding` states.
"""

import asyncio
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from mainspring.domain.errors import ConfigError, ValueRefusedError
from mainspring.domain.ids import hash_parts
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.triggers.queues.queue_address import BrokerServer, QueueAddress
from mainspring.domain.triggers.queues.queue_message import QueueMessage
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.integrations.base.aws_address import AWS_ENDPOINT, AWS_REGION
from mainspring.integrations.base.broker import BrokerClient
from mainspring.integrations.base.queue_address import QueueAddressParts, quote_part

_FETCH_WAIT_S = 5
_ANSWER_TIMEOUT_S = 10
_MAX_PER_CALL = 10
"""So many messages at most are received, deleted or held by one call."""
_MESSAGE_ID, _ENCODING, _GROUP = "message_id", "mainspring-encoding", "message-group-id"
_SYSTEM_ATTRIBUTES = ["ApproximateReceiveCount", "MessageGroupId", "MessageDeduplicationId", "SentTimestamp"]
_SQS_TEXT = re.compile(r"[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
_ATTRIBUTE = re.compile(r"(?!AWS\.|Amazon\.)[A-Za-z0-9_-][A-Za-z0-9_.-]{0,255}", re.ASCII)
_MAX_ATTRIBUTES = 10
_QUEUE = lazy_pattern(r"(?:[0-9]{12}/)?[A-Za-z0-9_-]{1,80}(?:\.fifo)?", re.ASCII)
_DEDUPLICATION_ID = re.compile(r"[!-~]{1,128}", re.ASCII)


class SqsSource:
    """One queue. Only one whose name ends in `.fifo` keeps an order, within each message group."""

    def __init__(self, queue: BrokerQueue, server: BrokerServer, group: str | None) -> None:
        self._queue = queue
        self._server = server
        self._reads = group is not None
        self._client: Any = None
        self._url = ""
        self._hold_s = int(queue.ack_wait.total_seconds())
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="mainspring-sqs")

    async def connect(self) -> None:
        from botocore.exceptions import ClientError

        self._client = await self._in_thread(self._make_client)
        account, _, name = self._queue.name.rpartition("/")
        owner = {"QueueOwnerAWSAccountId": account} if account else {}
        try:
            self._url = (await self._call("get_queue_url", QueueName=name, **owner))["QueueUrl"]
        except ClientError as error:
            if "NonExistentQueue" not in error.response.get("Error", {}).get("Code", ""):
                raise
            raise ConfigError(
                f"SQS has no queue {self._queue.name!r} in {self._server.hosts[0][0]}",
                hint="Create it, or add the number of the account that owns it: sqs://REGION/ACCOUNT/QUEUE",
            ) from None

    def _make_client(self) -> Any:
        """Return a client. It finds settings that the address cannot have like every program of AWS: in variables, profile or role."""
        import boto3
        from botocore.config import Config

        keys = {"aws_access_key_id": self._server.user, "aws_secret_access_key": self._server.password}
        config = Config(
            connect_timeout=5,
            read_timeout=_FETCH_WAIT_S + _ANSWER_TIMEOUT_S,
            retries={"total_max_attempts": 1},
            tcp_keepalive=True,
        )
        return boto3.session.Session().client(
            "sqs",
            region_name=self._server.hosts[0][0],
            endpoint_url=self._queue.detail or None,
            config=config,
            **{name: value for name, value in keys.items() if value},
        )

    async def fetch(self, limit: int) -> list[QueueMessage]:
        found: list[QueueMessage] = []
        while len(found) < limit:
            batch_size = min(_MAX_PER_CALL, limit - len(found))
            answer = await self._call(
                "receive_message",
                QueueUrl=self._url,
                MaxNumberOfMessages=batch_size,
                WaitTimeSeconds=0 if found else _FETCH_WAIT_S,
                VisibilityTimeout=self._hold_s,
                MessageAttributeNames=["All"],
                AttributeNames=_SYSTEM_ATTRIBUTES,
            )
            messages = [_build_message(message) for message in answer.get("Messages", ())]
            found += messages
            if len(messages) < batch_size:
                break
        return found

    async def keep(self, messages: Sequence[QueueMessage]) -> None:
        await self._in_batches("change_message_visibility_batch", messages, VisibilityTimeout=self._hold_s)

    async def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        await self._in_batches("delete_message_batch", messages)

    async def _in_batches(self, operation: str, messages: Sequence[QueueMessage], **attributes_by_name: Any) -> None:
        """Ask for the same of many; one that SQS does not do is given out again, and known by its id."""
        for start in range(0, len(messages), _MAX_PER_CALL):
            entries = [
                {"Id": str(number), "ReceiptHandle": message.receipt, **attributes_by_name}
                for number, message in enumerate(messages[start : start + _MAX_PER_CALL])
            ]
            await self._call(operation, QueueUrl=self._url, Entries=entries)

    async def give_back(self, message: QueueMessage, after_s: float) -> None:
        await self._call(
            "change_message_visibility",
            QueueUrl=self._url,
            ReceiptHandle=message.receipt,
            VisibilityTimeout=min(round(after_s), 43_200),
        )

    async def dead_letter(self, message: QueueMessage, reason: str) -> None:
        """Send a copy to the queue's dead letter queue, if it has one, and delete it here."""
        policy = (await self._call("get_queue_attributes", QueueUrl=self._url, AttributeNames=["RedrivePolicy"])).get(
            "Attributes", {}
        )
        if "RedrivePolicy" in policy:
            target = msgspec.json.decode(policy["RedrivePolicy"])["deadLetterTargetArn"].split(":")
            found = await self._call("get_queue_url", QueueName=target[-1], QueueOwnerAWSAccountId=target[-2])
            headers = {**message.headers, _GROUP: message.group}
            await self._send(found["QueueUrl"], message.id, message.body, headers, is_fifo=target[-1].endswith(".fifo"))
        await self.acknowledge([message])

    async def publish(self, key: str, body: bytes, headers: dict[str, str]) -> None:
        await self._send(self._url, key, body, headers, is_fifo=self._queue.name.endswith(".fifo"))

    async def _send(self, url: str, key: str, body: bytes, headers: dict[str, str], *, is_fifo: bool) -> None:
        from botocore.exceptions import ClientError

        group = headers.get(_GROUP) or "mainspring"
        attributes_by_name = {
            name: value for name, value in headers.items() if name not in (_GROUP, _ENCODING) and value
        }
        attributes_by_name[_MESSAGE_ID] = key
        text = _encode_body(body)
        if text is None:
            text = b64encode(body).decode()
            attributes_by_name[_ENCODING] = "base64"
        subject = f"a message for the queue {self._queue.name!r}"
        if len(attributes_by_name) > _MAX_ATTRIBUTES:
            raise ValueRefusedError(
                subject, "$.headers", f"SQS accepts {_MAX_ATTRIBUTES - 2} headers", hint="Send fewer."
            )
        for name, value in attributes_by_name.items():
            if not _ATTRIBUTE.fullmatch(name) or not _SQS_TEXT.fullmatch(value):
                raise ValueRefusedError(
                    subject, f"$.headers.{name}", "SQS does not accept this header", hint="Use plain text."
                )
        plain = key if _DEDUPLICATION_ID.fullmatch(key) else hash_parts(key.encode())
        order = {"MessageGroupId": group, "MessageDeduplicationId": plain} if is_fifo else {}
        attributes = {name: {"DataType": "String", "StringValue": value} for name, value in attributes_by_name.items()}
        try:
            await self._call("send_message", QueueUrl=url, MessageBody=text, MessageAttributes=attributes, **order)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in ("InvalidParameterValue", "InvalidMessageContents"):
                raise
            raise ValueRefusedError(subject, "$", error.response["Error"].get("Message", "SQS refuses it")) from None

    async def _call(self, operation: str, **attributes_by_name: Any) -> Any:
        return await self._in_thread(partial(getattr(self._client, operation), **attributes_by_name))

    async def _in_thread(self, operation: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, operation)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()


def _build_message(message: dict[str, Any]) -> QueueMessage:
    system = message.get("Attributes", {})
    headers = {name: _read_header(found) for name, found in message.get("MessageAttributes", {}).items()}
    body = message["Body"].encode("utf-8", "surrogatepass")
    if headers.pop(_ENCODING, "") == "base64":
        body = b64decode(body)
    group, dedup = system.get("MessageGroupId", ""), system.get("MessageDeduplicationId", "")
    order = {"message-deduplication-id": dedup, _GROUP: group} if group else {}
    return QueueMessage(
        id=headers.get(_MESSAGE_ID) or message["MessageId"],
        body=body,
        headers={**headers, **order},
        group=group,
        redelivered=max(int(system.get("ApproximateReceiveCount", 1)) - 1, 0),
        published_at=int(system["SentTimestamp"]) if "SentTimestamp" in system else None,
        receipt=message["ReceiptHandle"],
    )


def _read_header(found: dict[str, Any]) -> str:
    """Return the value of an attribute; a binary one as base64."""
    text = found.get("StringValue")
    return str(text) if text is not None else b64encode(found.get("BinaryValue", b"")).decode()


def _encode_body(body: bytes) -> str | None:
    """Return the body as SQS takes it, None where it takes no such text."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return text if _SQS_TEXT.fullmatch(text) else None


class SqsBroker(BrokerClient):
    """Queues of Amazon SQS."""

    name = "sqs"
    form = "sqs://REGION/QUEUE"
    extra = "aws"
    queue_parameter = ""

    def read_address(self, parts: QueueAddressParts) -> QueueAddress:
        """Return the address."""
        endpoint, queue = parts.parameters("endpoint").get("endpoint", ""), unquote(parts.path)
        if not parts.hosts:
            raise parts.invalid("it names no region")
        if not AWS_REGION.fullmatch(parts.hosts):
            raise parts.invalid(f"{quote_part(parts.hosts)} is not the name of a region")
        parts.check_name(queue, _QUEUE)
        parts.check_detail(endpoint, AWS_ENDPOINT)
        server = parts.server.removesuffix("/" + parts.path)
        return QueueAddress(broker=self.name, server=server, name=queue, detail=endpoint)

    def join_address(self, url: str, queue: str) -> str:
        """Return the address of a queue, which is the path."""
        server, separator, query = url.partition("?")
        return f"{server.rstrip('/')}/{queue}{separator}{query}"

    def open_source(self, queue: BrokerQueue, server: BrokerServer, group: str | None) -> SqsSource:
        """Return the source of a queue."""
        import boto3  # noqa: F401 - a missing library is reported before the first connection

        return SqsSource(queue, server, group)


BROKER: Final[BrokerClient] = SqsBroker()
