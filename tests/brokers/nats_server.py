"""NATS with JetStream, each message synced before it is acknowledged."""

import shutil
import sys
from pathlib import Path
from typing import Any

import nats

from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from tests.brokers.server import PASSWORD, BrokerServer, Sent

ODD = b"caf\xe9"


def program() -> Path | None:
    found = shutil.which("nats-server", path=str(Path(sys.executable).parent))
    return Path(found) if found else None


class NatsServer(BrokerServer):
    name = "nats"

    def command(self) -> list[str | Path]:
        found = program()
        assert found is not None
        config = self.folder / "nats.conf"
        config.write_text(
            f'listen: "127.0.0.1:{self.port}"\nmax_payload: 8MB\n'
            f"accounts {{ A {{ jetstream: enabled, users: [{{user: open, password: open}},"
            f' {{user: app, password: "{PASSWORD}"}}] }} }}\nno_auth_user: open\n'
            f'jetstream {{ store_dir: "{self.folder}/data", sync_interval: always }}\n'
        )
        return [found, "-c", config]

    async def _client(self) -> Any:
        return await nats.connect(f"nats://127.0.0.1:{self.port}", allow_reconnect=False)

    async def new_queue(self, *, ordered: bool = False) -> str:
        name = self.new_name()
        client = await self._client()
        await client.jetstream().add_stream(name=name, subjects=[f"{name}.>"], duplicate_window=60)
        await client.close()
        return f"nats://127.0.0.1:{self.port}/{name}?subject={name}.in"

    async def with_user(self, url: str) -> str:
        return url.replace("://", "://app:{secret:BROKER}@")

    async def send_raw(self, queue: BrokerQueue, *messages: Sent) -> None:
        client = await self._client()
        for message in messages:
            block = b"NATS/1.0\r\nNats-Msg-Id: " + message.key.encode() + b"\r\nx-odd: " + ODD + b"\r\n\r\n"
            size = f"HPUB {queue.detail} {len(block)} {len(block) + len(message.body)}\r\n".encode()
            await client._send_command(size + block + message.body + b"\r\n")
        await client.flush()
        await client.close()

    async def delete(self, queue: BrokerQueue) -> None:
        client = await self._client()
        await client.jetstream().delete_stream(queue.name)
        await client.close()

    async def left(self, queue: BrokerQueue, group: str) -> int:
        client = await self._client()
        info = await client.jetstream().consumer_info(queue.name, group)
        await client.close()
        return int(info.num_pending or 0) + int(info.num_ack_pending or 0)

    async def count_rejected(self, queue: BrokerQueue) -> int | None:
        return None
