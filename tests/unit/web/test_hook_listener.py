"""The second listener as the web process keeps it."""

import asyncio
import contextlib
import socket
import threading
from types import SimpleNamespace

import pytest

from mainspring.config.web_settings import HooksSettings, WebSettings
from mainspring.resources.secret import Secrets
from mainspring.web import hook_listener
from mainspring.web.hook_listener import HookListener
from mainspring.web.routes import Routes
from tests.hook_world import world
from tests.unit.web.test_web import Looked, ask

pytestmark = pytest.mark.asyncio


async def test_address_that_is_taken_is_told_and_tried_again(tmp_path, monkeypatch, caplog):
    """The process is not ready as long as there are webhooks that it cannot take in; probes and figures go on."""
    monkeypatch.setattr(hook_listener, "_AGAIN_S", 0.02)
    real, looked = hook_listener.listen, []
    monkeypatch.setattr(hook_listener, "listen", lambda *of: looked.append(threading.get_ident()) or real(*of))
    async with world(tmp_path) as w:
        with socket.create_server(("127.0.0.1", 0)) as other:
            bind = f"127.0.0.1:{other.getsockname()[1]}"
            w.process.project.settings = SimpleNamespace(hooks=HooksSettings(bind=bind), web=WebSettings())
            w.process.project.secrets = Secrets(None, {})
            listener = HookListener(w.process, w.door)
            serving = asyncio.create_task(listener.serve())
            async with asyncio.timeout(10):
                while w.door.trouble is None or len(looked) < 3:
                    await asyncio.sleep(0.005)
            routes = Routes(w.process, Looked(), None, is_open=True, door=w.door)  # type: ignore[arg-type]
            status, _, body = await ask(routes, "/readyz")
            assert (status, bind in body) == (503, True)
            assert "hooks.bind" in caplog.text
            assert caplog.text.count("cannot listen on") == 1
            assert threading.get_ident() not in looked  # names are asked for elsewhere
        async with asyncio.timeout(10):
            while not await _answers(bind):
                await asyncio.sleep(0.01)
        assert (await ask(routes, "/readyz"))[0] == 200
        listener.end()
        async with asyncio.timeout(10):
            await serving


async def test_listener_that_never_listened_ends_too(tmp_path, monkeypatch):
    """At once, when it is told to."""
    async with world(tmp_path) as w:
        with socket.create_server(("127.0.0.1", 0)) as other:
            bind = f"127.0.0.1:{other.getsockname()[1]}"
            w.process.project.settings = SimpleNamespace(hooks=HooksSettings(bind=bind), web=WebSettings())
            w.process.project.secrets = Secrets(None, {})
            listener = HookListener(w.process, w.door)
            serving = asyncio.create_task(listener.serve())
            async with asyncio.timeout(10):
                while "cannot be listened on" not in (w.door.trouble or ""):
                    await asyncio.sleep(0.005)
            listener.end()
            ended, _ = await asyncio.wait([serving], timeout=2)
            assert ended == {serving}
            assert serving.exception() is None


async def _answers(bind):
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection(*bind.split(":"))
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return head.startswith(b"HTTP/1.1 200")
    return False
