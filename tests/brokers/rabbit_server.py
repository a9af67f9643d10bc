"""RabbitMQ of the system, as a private node: its own name, ports, cookie and data.

Ordered queues are quorum queues, the others classic ones: both kinds are in use. Each has a dead letter queue.
"""

import subprocess
import time
from pathlib import Path
from typing import Any

import aio_pika

from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from tests.brokers.server import BrokerServer, Sent, end_with_us
from tests.free_port import free_port

_SETTLES_S = 1.5
"""A quorum queue of RabbitMQ 4.0 that is younger, and its messages, do not outlive the death of their node."""
_PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def program() -> Path | None:
    return _PROGRAM if _PROGRAM.exists() else None


class RabbitServer(BrokerServer):
    name = "rabbit"
    password = "guest"

    def __init__(self) -> None:
        super().__init__()
        self._dist_port, self._epmd_port = free_port(), free_port()
        self._settled_at = 0.0
        self._epmd: subprocess.Popen[bytes] | None = None
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = 127.0.0.1:{self.port}\nvm_memory_high_watermark.absolute = 512MB\n"
        )
        (self.folder / "plugins").write_text("[].\n")

    def command(self) -> list[str | Path]:
        return [_PROGRAM]

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"ms{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }

    def kill(self) -> None:
        time.sleep(max(self._settled_at - time.monotonic(), 0))
        super().kill()

    def start(self) -> BrokerServer:
        if self._epmd is None:  # the node would start one that outlives it
            self._epmd = subprocess.Popen(
                ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"],
                env=self.environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                preexec_fn=end_with_us,  # noqa: PLW1509 - it only asks the kernel
            )
        return super().start()

    def remove(self) -> None:
        self._settled_at = 0.0
        super().remove()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()

    async def _connect(self) -> Any:
        return await aio_pika.connect(port=self.port, timeout=5)

    async def new_queue(self, *, ordered: bool = False) -> str:
        name = self.new_name()
        connection = await self._connect()
        channel = await connection.channel()
        await channel.declare_queue(f"{name}.aside", durable=True)
        arguments: dict[str, Any] = {
            **({"x-queue-type": "quorum", "x-delivery-limit": -1} if ordered else {}),
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": f"{name}.aside",
        }
        await channel.declare_queue(name, durable=True, arguments=arguments)
        await connection.close()
        if ordered:
            self._settled_at = time.monotonic() + _SETTLES_S
        return f"amqp://127.0.0.1:{self.port}?queue={name}"

    async def with_user(self, url: str) -> str:
        return url.replace("://", "://guest:{secret:BROKER}@")

    async def send_raw(self, queue: BrokerQueue, *messages: Sent) -> None:
        connection = await self._connect()
        channel = await connection.channel()
        for message in messages:
            headers: Any = {**message.headers, "x-odd": bytearray(b"caf\xe9")}
            sent = aio_pika.Message(
                message.body, headers=headers, message_id=message.key, delivery_mode=2, timestamp=message.at
            )
            await channel.default_exchange.publish(sent, queue.name)
        await connection.close()

    async def delete(self, queue: BrokerQueue) -> None:
        connection = await self._connect()
        channel = await connection.channel()
        await channel.queue_delete(queue.name)
        await connection.close()

    async def left(self, queue: BrokerQueue, group: str) -> int:
        return await self._count(queue.name)

    async def count_rejected(self, queue: BrokerQueue) -> int | None:
        return await self._count(f"{queue.name}.aside")

    async def _count(self, name: str) -> int:
        """Return how many lie in it; the broker may need a moment to see that a reader is gone."""
        connection = await self._connect()
        channel = await connection.channel()
        found = await channel.declare_queue(name, passive=True)
        await connection.close()
        return int(found.declaration_result.message_count or 0)
