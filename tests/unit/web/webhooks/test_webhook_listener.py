"""The second listener as the web process keeps it."""

import asyncio
import contextlib
import socket
import threading

import pytest

from mainspring.config import Settings
from mainspring.config.settings import ProjectSettings
from mainspring.config.web_settings import HooksSettings
from mainspring.resources.secret_store import SecretStore
from mainspring.store.read.status.status import sessions
from mainspring.web.routes import ProbeRoutes
from mainspring.web.webhooks import webhook_listener
from mainspring.web.webhooks.webhook_listener import WebhookListener
from tests.hook_world import world
from tests.unit.web.test_web import HostChecks, ask

pytestmark = pytest.mark.asyncio


async def test_address_that_is_taken_is_reported_and_tried_again(tmp_path, monkeypatch, caplog):
    """The process is not ready as long as there are webhooks that it cannot accept; probes and figures continue."""
    monkeypatch.setattr(webhook_listener, "_AGAIN_S", 0.02)
    real, opened = webhook_listener.open_socket_at, []
    monkeypatch.setattr(
        webhook_listener, "open_socket_at", lambda *of: opened.append(threading.get_ident()) or real(*of)
    )
    async with world(tmp_path) as w:
        with socket.create_server(("127.0.0.1", 0)) as other:
            bind = f"127.0.0.1:{other.getsockname()[1]}"
            w.process.project.settings = Settings(hooks=HooksSettings(bind=bind), sources={"hooks.bind": "flag"})
            w.process.project.secrets = SecretStore.of(None, {})
            listener = WebhookListener(w.process, w.intake)
            serving = asyncio.create_task(listener.serve())
            async with asyncio.timeout(60):
                while w.intake.listen_error is None or len(opened) < 3:
                    await asyncio.sleep(0.005)
            routes = ProbeRoutes(w.process, HostChecks(), None, is_open=True, intake=w.intake)  # type: ignore[arg-type]
            status, _, body = await ask(routes, "/readyz")
            assert (status, bind in body) == (503, True)
            assert "hooks.bind" in caplog.text
            assert caplog.text.count("cannot listen on") == 1
            assert threading.get_ident() not in opened  # names are asked for elsewhere
        async with asyncio.timeout(60):
            while not await _answers(bind):
                await asyncio.sleep(0.01)
        assert (await ask(routes, "/readyz"))[0] == 200
        listener.end()
        async with asyncio.timeout(60):
            await serving


async def test_listener_that_never_listened_ends_too(tmp_path, monkeypatch):
    """At once, when it is asked to."""
    async with world(tmp_path) as w:
        with socket.create_server(("127.0.0.1", 0)) as other:
            bind = f"127.0.0.1:{other.getsockname()[1]}"
            w.process.project.settings = Settings(hooks=HooksSettings(bind=bind), sources={"hooks.bind": "flag"})
            w.process.project.secrets = SecretStore.of(None, {})
            listener = WebhookListener(w.process, w.intake)
            serving = asyncio.create_task(listener.serve())
            async with asyncio.timeout(60):
                while "cannot listen on" not in (w.intake.listen_error or ""):
                    await asyncio.sleep(0.005)
            listener.end()
            ended, _ = await asyncio.wait([serving], timeout=30)
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


async def test_taken_address_and_missing_secret_are_put_on_record(tmp_path):
    """By the process itself, with the cause and since when, so that monitors read them; and undone when they are over."""
    async with world(tmp_path) as w:
        w.intake.listen_error = (
            "webhooks are not accepted: cannot listen on 127.0.0.1:7172: another process uses this address"
        )

        def on_record():
            (session,) = sessions(w.store.reader)
            return {(found.kind.value, found.name): found.why for found in session.findings}

        async with asyncio.timeout(60):
            while len(on_record()) < 2:
                await asyncio.sleep(0.05)
        assert on_record() == {
            ("address", "hooks.bind"): w.intake.listen_error,
            ("secret", "unset/webhook"): "the secret 'NOT_SET' is not set",
        }
        w.intake.listen_error = None
        async with asyncio.timeout(60):
            while ("address", "hooks.bind") in on_record():
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(("environment", "is_on_record"), [("production", True), ("development", False)])
async def test_webhooks_at_another_address_than_the_default_are_put_on_record(
    tmp_path, caplog, environment, is_on_record
):
    """Senders that know the default reach another process: in production that is an incident, at a consumer a line of the log."""
    async with world(tmp_path) as w:
        with socket.create_server(("127.0.0.1", 0)) as other:
            bind = f"127.0.0.1:{other.getsockname()[1]}"
            project = ProjectSettings(environment=environment)
            w.process.project.settings = Settings(project=project, hooks=HooksSettings(bind=bind))
            w.process.project.secrets = SecretStore.of(None, {})
            listener = WebhookListener(w.process, w.intake)
            serving = asyncio.create_task(listener.serve())
            async with asyncio.timeout(60):
                while f"another process uses {bind}: senders that use {bind} reach that one" not in caplog.text:
                    await asyncio.sleep(0.01)
                assert (w.intake.moved is not None) is is_on_record
                while is_on_record and w.intake.moved not in [found.why for found in _on_record(w)]:
                    await asyncio.sleep(0.01)
            listener.end()
            async with asyncio.timeout(60):
                await serving


def _on_record(w):
    (session,) = sessions(w.store.reader)
    return session.findings


async def test_webhook_without_its_secret_is_logged_and_reported_before_a_request(tmp_path, caplog):
    """Once, with the variable that is missing; the finding of the process makes `status` name it."""
    async with world(tmp_path) as w:
        async with asyncio.timeout(60):
            while not any(view.findings for view in sessions(w.store.reader)):
                await asyncio.sleep(0.005)
        logged = [record.getMessage() for record in caplog.records if "accepts nothing" in record.getMessage()]
        reason = "unset/webhook accepts nothing: the secret 'NOT_SET' is not set."
        assert logged == [f"{reason} The variable: mainspring triggers show unset/webhook"]
        (finding,) = next(view.findings for view in sessions(w.store.reader) if view.findings)
        assert finding.name == "unset/webhook"
