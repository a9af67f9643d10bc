"""An API on a store with files, and a client that leaves, reads slowly or stops reading when a test wants it."""

import asyncio
import contextlib
import io
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import mainspring as ms
from mainspring.app.stores.blob_place import make_large_values
from mainspring.app.stores.store_factory import make_store
from mainspring.domain.values.blob import Blob
from mainspring.domain.values.codec import DEFAULT_LIMIT, Codec, encode
from mainspring.domain.values.sealing import Sealing
from mainspring.domain.values.stored_file import StoreFileChunks
from mainspring.engine.attempts.file_ref import put_file
from mainspring.web.server.connection import ABORT_KEY, ConnectionLimits
from mainspring.web.server.http_server import build_server, open_socket
from tests.api_world import PAY, ApiWorld, announce
from tests.contract.store.clock import FakeClock
from tests.contract.store.process import finish
from tests.unit.web.dashboard.run_world import claimed

CHUNK = 1_000
CONTENT = random.Random(1).randbytes(2_500)
"""Three chunks, each with other bytes."""


def make_file_world(place: str | Path, codec: Codec | None = None) -> ApiWorld:
    """Return a world whose values may name files."""
    clock = FakeClock()
    sealing = Sealing(codec, DEFAULT_LIMIT, large=make_large_values(place, clock.now))
    store = make_store(place, clock=clock, sealing=sealing)
    store.open()
    store.open_session("worker")
    announce(store, PAY)
    return ApiWorld(store, clock, sealing)


def put(world: ApiWorld, content: bytes = CONTENT, name: str = "report.csv") -> ms.FileRef:
    """Store a file."""
    return put_file(ms.FileRef, StoreFileChunks(world.sealing), io.BytesIO(content), name, None)


def finish_with(world: ApiWorld, *files: ms.FileRef) -> str:
    """Return a run whose result is these files."""
    run = claimed(world)
    world.store.apply(finish(run, result=world.sealing.seal(encode(files))))
    return str(run.id)


def lose_chunk(world: ApiWorld, file: ms.FileRef, index: int) -> None:
    """Delete a chunk of a file, and no other that has its bytes."""
    assert world.sealing.large is not None
    contents = world.sealing.large.contents
    lost = Blob.of_key(file.chunks[index]).address
    for day in contents.days():
        contents.clear(day, [address for address in contents.sizes(day) if address != lost])


class AsgiClient:
    """A request to the API, without a network: `gone` = it leaves; it reads on only while `reads` is set.

    `aborted` = the connection was aborted.
    """

    def __init__(self, world: ApiWorld, path: str, who: str = "ann", method: str = "GET", **headers: str) -> None:
        self.gone, self.reads, self.aborted = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.is_complete = False
        fields = {"authorization": f"Bearer {who}"} | headers
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": f"/api/v1{path}",
            "raw_path": f"/api/v1{path}".encode(),
            "query_string": b"",
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()],
            ABORT_KEY: self._abort,
        }
        self.reads.set()
        self.world = world
        self.task: asyncio.Task[None] | None = None

    def begin(self) -> "AsgiClient":
        """Send the request."""
        self.task = asyncio.create_task(self.world.api(self.scope, self._receive, self._send))  # type: ignore[arg-type]
        return self

    async def end(self) -> "AsgiClient":
        """Wait for the end of the response."""
        await asyncio.wait_for(self.task or self.begin().task or asyncio.sleep(0), 20)
        return self

    async def _receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
            return
        await self.reads.wait()
        self.body += message.get("body", b"")
        self.is_complete = not message.get("more_body", False)

    def _abort(self) -> None:
        self.aborted.set()
        self.gone.set()


@contextlib.asynccontextmanager
async def served(world: ApiWorld) -> AsyncIterator[int]:
    """The API behind our server; yields its port."""
    listener = open_socket("127.0.0.1:0", "web.bind")
    server = build_server(world.api, ConnectionLimits(100, 100))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


async def until(is_so: Any) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.002)
