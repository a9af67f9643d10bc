"""Connections that ask slowly, or nothing."""

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from mainspring.web import patience


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\n"])
def test_question_that_is_not_whole_in_time_is_not_waited_for(monkeypatch, said):
    """The connection is closed without a word; one whose answer takes longer than that stays."""
    monkeypatch.setattr(patience, "PATIENCE_S", 0.05)

    async def go() -> None:
        closed = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await closed.wait()
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        config = uvicorn.Config(app, log_config=None, lifespan="off")
        config.load()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: patience.PatientProtocol(config, ServerState(), {}), host="127.0.0.1", port=0
        )
        port = server.sockets[0].getsockname()[1]
        answered, to_answer = await asyncio.open_connection("127.0.0.1", port)
        to_answer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        slow, to_slow = await asyncio.open_connection("127.0.0.1", port)
        to_slow.write(said)
        assert await slow.read() == b""
        closed.set()
        assert b" 204 " in await answered.readline()
        assert b"" in [await answered.readline() for _ in range(20)]
        for writer in (to_answer, to_slow):
            writer.close()
        server.close()

    asyncio.run(asyncio.wait_for(go(), 30))
