"""SQS as moto serves it. It keeps everything in memory, so it is not killed but cut off."""

import asyncio
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import boto3

from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from tests.brokers.front import Front
from tests.brokers.server import BrokerServer, Sent

_KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
_REGION = "eu-west-1"


def program() -> Path | None:
    found = find_spec("moto") is not None and find_spec("flask") is not None
    return Path(sys.executable) if found else None


class SqsServer(BrokerServer):
    name = "sqs"

    def __init__(self) -> None:
        super().__init__()
        self._front: Front | None = None

    def command(self) -> list[str | Path]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]

    def environment(self) -> dict[str, str]:
        return {**super().environment(), **_KEYS}

    def start(self) -> BrokerServer:
        os.environ.update(_KEYS)  # as a program finds them that runs on a machine of AWS
        if self._front is None:
            super().start()
            self._front = Front(self.port)
        else:
            self._front.open()
        return self

    def kill(self) -> None:
        if self._front is not None:
            self._front.cut()

    def remove(self) -> None:
        for name in _KEYS:
            os.environ.pop(name, None)
        super().kill()
        super().remove()

    async def _ask(self, act: Callable[[Any], Any]) -> Any:
        def call() -> Any:
            client = boto3.session.Session().client(
                "sqs", region_name=_REGION, endpoint_url=f"http://127.0.0.1:{self.port}"
            )
            try:
                return act(client)
            finally:
                client.close()

        return await asyncio.to_thread(call)

    async def new_queue(self, *, ordered: bool = False) -> str:
        name = self.new_name()
        attributes = {"FifoQueue": "true"} if ordered else {}
        name = f"{name}.fifo" if ordered else name
        await self._ask(lambda client: client.create_queue(QueueName=name, Attributes=attributes))
        assert self._front is not None
        return f"sqs://{_REGION}/{name}?endpoint=http://127.0.0.1:{self._front.port}"

    async def with_user(self, url: str) -> str:
        return url.replace("://", "://app:{secret:BROKER}@", 1)

    async def send_raw(self, queue: BrokerQueue, *messages: Sent) -> None:
        def send(client: Any) -> None:
            url = client.get_queue_url(QueueName=queue.name)["QueueUrl"]
            for message in messages:
                attributes = {"x-odd": {"DataType": "Binary", "BinaryValue": b"caf\xe9"}}
                client.send_message(QueueUrl=url, MessageBody=message.body.decode(), MessageAttributes=attributes)

        await self._ask(send)

    async def delete(self, queue: BrokerQueue) -> None:
        await self._ask(
            lambda client: client.delete_queue(QueueUrl=client.get_queue_url(QueueName=queue.name)["QueueUrl"])
        )

    async def left(self, queue: BrokerQueue, group: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

        def count(client: Any) -> int:
            url = client.get_queue_url(QueueName=queue.name)["QueueUrl"]
            found = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            return sum(int(found[name]) for name in names)

        return int(await self._ask(count))

    async def count_rejected(self, queue: BrokerQueue) -> int | None:
        return None
