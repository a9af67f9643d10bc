"""Connections that ask slowly, or nothing."""

import asyncio
from typing import Any, Self

import pytest
import uvicorn
from uvicorn.server import ServerState

from mainspring.web.server import connection
from mainspring.web.server.http_server import open_socket


@pytest.mark.parametrize("message", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\n"])
def test_question_that_is_not_whole_in_time_is_not_waited_for(monkeypatch, message):
    """The connection is closed without a word; one whose answer takes longer than that stays."""
    monkeypatch.setattr(connection, "HEAD_WITHIN_S", 0.5)

    async def go() -> None:
        closed = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await closed.wait()
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        config = uvicorn.Config(app, log_config=None, lifespan="off")
        config.load()
        state, limits = ServerState(), connection.ConnectionLimits(100, 100)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: limits.protocol(config, state, {}), host="127.0.0.1", port=0)
        port = server.sockets[0].getsockname()[1]
        answered, to_answer = await asyncio.open_connection("127.0.0.1", port)
        to_answer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        slow, to_slow = await asyncio.open_connection("127.0.0.1", port)
        to_slow.write(message)
        assert await slow.read() == b""
        closed.set()
        assert b" 204 " in await answered.readline()
        assert b"" in [await answered.readline() for _ in range(20)]
        for writer in (to_answer, to_slow):
            writer.close()
        server.close()

    asyncio.run(asyncio.wait_for(go(), 30))


class Served:
    """A listener in this loop, with an application that answers with a megabyte."""

    def __init__(self, limits: connection.ConnectionLimits) -> None:
        self.limits = limits
        self.answered = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        config = uvicorn.Config(self.app, log_config=None, lifespan="off", interface="asgi3", http="h11")
        config.load()
        self.state = ServerState()
        self.server = await asyncio.get_running_loop().create_server(
            lambda: self.limits.protocol(config, self.state, {}), sock=open_socket("127.0.0.1:0", "web.bind")
        )
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for opened in list(self.state.connections):
            opened.close_now()  # type: ignore[union-attr]

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.answered += 1
        body = b"x" * 1_000_000 if scope["path"] == "/large" else b"small"
        length = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": body})

    async def until(self, connections: int) -> None:
        async with asyncio.timeout(60):
            while len(self.state.connections) != connections:
                await asyncio.sleep(0.005)


def test_client_that_reads_nothing_is_disconnected(monkeypatch):
    """Its connection is reset, also where it was closed already and only waits to be read; one that reads slowly stays."""
    monkeypatch.setattr(connection, "WRITE_WITHIN_S", 0.8)

    async def go() -> None:
        async with Served(connection.ConnectionLimits(100, 100)) as served:
            slow, to_slow = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
            to_slow.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            deaf = []
            for closing in (b"", b"Connection: close\r\n"):
                _, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1)
                writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n" + closing + b"\r\n")
                deaf.append(writer)
            await served.until(3)
            read = 0
            async with asyncio.timeout(60):
                while read < 1_000_000:
                    part = await slow.read(40_000)
                    assert part, "the slow one was disconnected"
                    read += len(part)
                    await asyncio.sleep(0.05)
            await served.until(1)
            for writer in (to_slow, *deaf):
                writer.close()

    asyncio.run(asyncio.wait_for(go(), 40))


def test_one_address_leaves_connections_to_others():
    """Its oldest idle connection is closed for its newest; a proxy speaks for many and has no such bound."""

    async def go(is_proxy: Any, left: int) -> None:
        async with Served(connection.ConnectionLimits(100, 5, is_proxy)) as served:
            held = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(20)]
            await served.until(left)
            reader, writer = held[-1]
            writer.write(b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 200 " in await reader.readline()
            for _, client in held:
                client.close()

    asyncio.run(asyncio.wait_for(go(lambda address: False, 5), 20))
    asyncio.run(asyncio.wait_for(go(lambda address: address == "127.0.0.1", 20), 20))


def test_pipelined_requests_take_turns_with_each_other_only():
    """A client that sends one request is answered while hundreds of others', sent at once, still wait."""

    async def go() -> None:
        async with Served(connection.ConnectionLimits(100, 100)) as served:
            greedy = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(20)]
            for _, writer in greedy:
                writer.write(b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
            async with asyncio.timeout(60):
                while served.answered < 100:
                    await asyncio.sleep(0)
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 200 " in await reader.readline()
            assert served.answered < 20 * 200 / 2
            async with asyncio.timeout(60):
                for client, _ in greedy:
                    for _ in range(200):
                        await client.readuntil(b"small")
            writer.close()
            for _, writer in greedy:
                writer.close()

    asyncio.run(asyncio.wait_for(go(), 40))
