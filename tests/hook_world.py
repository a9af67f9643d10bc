"""A store file and the listener of webhooks before it, in one loop: what the tests of the listener stand on."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec
import uvicorn
from uvicorn.server import ServerState

import mainspring as ms
from mainspring.config.web_settings import HooksSettings
from mainspring.domain.clock import SystemClock
from mainspring.domain.values.codec import DEFAULT_LIMIT
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.registry import Registry
from mainspring.resources.secret_store import SecretStore
from mainspring.store.sqlite.store import SqliteStore
from mainspring.web.server.connection import ConnectionLimits
from mainspring.web.webhooks.webhook_asgi import WebhookApp
from mainspring.web.webhooks.webhook_intake import WebhookIntake
from mainspring.web.webhooks.webhook_listener import KEEP_ALIVE_S, LONGEST_HEAD
from tests.hook_samples import NOW_AT, SECRET, STANDARD_SECRET, Request

ENV = {"MAINSPRING_SECRET_S": SECRET, "MAINSPRING_SECRET_STD": STANDARD_SECRET}
JSON = {"content-type": "application/json"}
TOKEN = JSON | {"authorization": f"Bearer {SECRET}"}


class Line(msgspec.Struct):
    sku: str
    qty: int


class Order(msgspec.Struct):
    id: str
    lines: list[Line] = []


with Registry() as REGISTRY:

    @ms.on.webhook("/orders", verify=ms.verify.bearer("S"), key="{data.id}")
    @ms.task
    def order(order: Order) -> int:
        return sum(line.qty for line in order.lines)

    @ms.on.webhook("/fields", verify=ms.verify.bearer("S"))
    @ms.task
    def fields(account: str, amount: int = 0) -> None: ...

    @ms.on.webhook("/github", verify=ms.verify.github("S"))
    @ms.task
    def push(event: ms.Event) -> str:
        return event.name

    @ms.on.webhook("/stripe", verify=ms.verify.stripe("S"))
    @ms.task
    def payment(event: ms.Event) -> None: ...

    @ms.on.webhook("/slack", verify=ms.verify.slack("S"))
    @ms.task
    def chat(event: ms.Event) -> None: ...

    @ms.on.webhook("/standard", verify=ms.verify.standard("STD"), max_body="2kB")
    @ms.task
    def standard(event: ms.Event) -> None: ...

    @ms.on.webhook("/open", verify=ms.verify.none())
    @ms.task
    def open_hook(event: ms.Event) -> None: ...

    @ms.on.webhook("/result", verify=ms.verify.bearer("S"), respond="result", wait="5s")
    @ms.task(retry=1)
    def double(n: int) -> int:
        if n < 0:
            raise ms.Permanent("a secret reason")
        return 2 * n

    @ms.on.webhook(
        "/filtered",
        verify=ms.verify.bearer("S"),
        respond="result",
        wait="20s",
        filter=lambda event: 6 / event.data["n"] > 2,
    )
    @ms.task
    def filtered(n: int) -> int:
        return 2 * n

    @ms.on.webhook("/paced", verify=ms.verify.bearer("S"), respond="result", wait="20s", batch=2, within="1h")
    @ms.task
    def paced(events: list[ms.Event]) -> int:
        return len(events)

    @ms.on.webhook("/unset", verify=ms.verify.bearer("NOT_SET"))
    @ms.task
    def unset(event: ms.Event) -> None: ...

    @ms.on.webhook("/sieved", verify=ms.verify.bearer("S"), filter=lambda event: True)
    @ms.task
    def sieved(order: Order) -> None: ...

    @ms.on.webhook("/batched", verify=ms.verify.bearer("S"), batch=10, within="1h")
    @ms.task
    def batched(orders: list[Order]) -> None: ...


REGISTRY.complete()
assert REGISTRY.problems == []


class WebhookAnswer(NamedTuple):
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class ShiftedClock(SystemClock):
    """The machine's clock, set so that it is `now_at` now."""

    def __init__(self, now_at: int) -> None:
        super().__init__()
        self.ahead = 0
        self._shift = now_at - super().now()

    def now(self) -> int:
        return super().now() + self._shift + self.ahead


class World:
    """One store, one listener."""

    def __init__(self, path: Path, now_at: int, limit: int = DEFAULT_LIMIT, **settings: Any) -> None:
        loop = asyncio.get_running_loop()
        self.clock = ShiftedClock(now_at)
        self.store = SqliteStore(
            path,
            clock=self.clock,
            deliver=lambda answers: loop.call_soon_threadsafe(lambda: [on_done(result) for on_done, result in answers]),
        )
        process: Any = SimpleNamespace(
            is_open=False, store=self.store, loop=loop, log=logging.getLogger("tests"), changed=lambda: None,
            project=SimpleNamespace(sealing=Sealing(limit=limit), clock=self.clock, secrets=SecretStore.of(None, ENV)),
        )  # fmt: skip
        self.process = process
        self.intake = WebhookIntake(process)
        self.app = WebhookApp(self.intake, HooksSettings(**settings), SecretStore.of(None, ENV))
        self.keeping = loop.create_task(self.intake.keep())

    async def open(self) -> None:
        """Let the store answer, with all automations announced in it."""
        self.store.open()
        self.store.open_session("worker")
        await asyncio.to_thread(self.store.apply, build_announcement(REGISTRY, self.clock.now()))
        self.process.is_open = True
        async with asyncio.timeout(60):
            while not self.intake.table.is_read:
                await asyncio.sleep(0.005)

    async def close(self) -> None:
        self.keeping.cancel()
        await asyncio.to_thread(self.store.close)

    async def ask(
        self, path: str, request: Request | None = None, *, method: str = "POST", parts: int = 1
    ) -> WebhookAnswer:
        """Ask as a server does; the body comes in so many parts."""
        body, headers = request or Request(b"", {})
        size = max(1, -(-len(body) // parts))
        chunks = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
        incoming = [
            {"type": "http.request", "body": chunk, "more_body": n < len(chunks) - 1} for n, chunk in enumerate(chunks)
        ]
        sent: list[Any] = []

        async def receive() -> Any:
            return incoming.pop(0) if incoming else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        }  # fmt: skip
        await self.app(scope, receive, send)
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return WebhookAnswer(sent[0]["status"], found, sent[1]["body"])

    @asynccontextmanager
    async def listening(self, most: int = 512) -> AsyncIterator[int]:
        """Serve on a port of this machine, and give it."""
        config = uvicorn.Config(
            self.app, log_config=None, lifespan="off", timeout_keep_alive=KEEP_ALIVE_S, server_header=False, ws="none",
            h11_max_incomplete_event_size=LONGEST_HEAD,
        )  # fmt: skip
        config.load()
        state, limits = ServerState(), ConnectionLimits(most, most)
        server = await asyncio.get_running_loop().create_server(
            lambda: limits.protocol(config, state, {}), host="127.0.0.1", port=0
        )
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for connection in list(state.connections):
                connection.close_now()  # type: ignore[union-attr]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return what the store holds."""
        return self.store.reader.read_text(query)

    @property
    def answers(self) -> dict[tuple[str, str], int]:
        """How many requests were answered how."""
        return dict(self.intake.counts.answers)


@asynccontextmanager
async def world(folder: Path, *, is_open: bool = True, now_at: int = NOW_AT, **settings: Any) -> AsyncIterator[World]:
    """Give a world whose store answers. By default it is the time at which samples are signed."""
    made = World(folder / "state.db", now_at, **settings)
    if is_open:
        await made.open()
    try:
        yield made
    finally:
        await made.close()
