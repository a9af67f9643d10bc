"""`chat.send`: every service that apprise knows."""

import contextlib
import socket
import sys
import threading

import pytest

import mainspring as ms
from mainspring.actions import chat
from mainspring.domain.errors import ConfigError, OptionError, Transient
from mainspring.domain.extras import install_command
from mainspring.integrations.base import reply_limit
from tests.unit.actions.message_servers import serving_in_thread
from tests.unit.alerting.peer import Peer

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
CANARY = "canary-3e8f"


class JsonPeer(Peer):
    """Accepts what apprise's json:// sends."""

    def answer(self, path, headers, body):
        return (200, {}, {}) if path == f"/{CANARY}" else (500, {}, {})


class LargePeer(Peer):
    """Replies with more than the limit of the test."""

    def answer(self, path, headers, body):
        return 200, {}, b"x" * 200_000


class EndlessReply:
    """A server that sends one reply of 10 GB, as far as it is read."""

    def __init__(self, status):
        self._head = f"HTTP/1.1 {status} x\r\ncontent-length: 10000000000\r\n\r\n".encode()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.sent_bytes = 0
        self.is_disconnected = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        peer, _ = self._listener.accept()
        with peer, contextlib.suppress(OSError):
            peer.recv(65_536)
            peer.sendall(self._head)
            while True:
                peer.sendall(b"x" * 100_000)
                self.sent_bytes += 100_000
        self.is_disconnected.set()

    def close(self):
        self._listener.close()


def serving_endless_reply(status):
    return contextlib.closing(EndlessReply(status))


@pytest.fixture
def peer(monkeypatch):
    pytest.importorskip("apprise")
    with serving_in_thread(JsonPeer()) as server:
        monkeypatch.setenv("MAINSPRING_SECRET_TEAM", f"{server.url.replace('http', 'json')}/{CANARY}")
        yield server


def test_text_arrives_and_mentions_no_one(peer):
    """Title and text, with marks made harmless."""
    chat.send("TEAM", "Backup", "done, @everyone")
    ((_, _, body),) = peer.requests
    assert b'"title": "Backup"' in body
    assert b"@everyone" not in body


def test_same_key_is_sent_once(peer, tmp_path):
    """Two steps, one text."""

    @ms.workflow(name="chat-twice")
    async def report(run: ms.Run) -> None:
        for _ in range(2):
            await run.step(chat.send, "TEAM", "Backup", "done", once="backup")

    ms.App(str(tmp_path / "a.db")).run(report)
    assert len(peer.requests) == 1


def test_same_key_with_another_title_is_an_error(peer, tmp_path):
    """The second text would be skipped in silence."""

    @ms.workflow(name="chat-conflict")
    async def report(run: ms.Run) -> None:
        for title in ("Backup", "Restore"):
            await run.step(chat.send, "TEAM", title, "done", once="backup")

    with pytest.raises(ms.RunFailed, match="EffectConflictError"):
        ms.App(str(tmp_path / "a.db")).run(report)


def test_failed_delivery_needs_a_person_and_discloses_no_secret(peer, tmp_path, monkeypatch, caplog):
    """Apprise says no more than that it could not deliver."""
    monkeypatch.setenv("MAINSPRING_SECRET_TEAM", f"{peer.url.replace('http', 'json')}/{CANARY}-old")
    with pytest.raises(Transient, match="could not deliver") as caught:
        chat.send("TEAM", "Backup", "done")
    assert CANARY not in str(caught.value)

    @ms.workflow(name="chat-that-fails")
    async def report(run: ms.Run) -> None:
        await run.step(chat.send, "TEAM", "Backup", "done", once="backup")

    with pytest.raises(ms.RunFailed, match="may or may not have happened"):
        ms.App(str(tmp_path / "a.db")).run(report)
    assert CANARY not in caplog.text
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or CANARY.encode() not in file.read_bytes()


@pytest.mark.parametrize("status", [200, 500])
def test_endless_reply_is_not_read_whole(monkeypatch, status):
    """Whatever its status; the target is disconnected after the limit, and another thread reads as before."""
    requests = pytest.importorskip("requests")
    pytest.importorskip("apprise")
    monkeypatch.setattr(reply_limit, "MAX_REPLY_BYTES", 100_000)
    with serving_endless_reply(status) as server:
        monkeypatch.setenv("MAINSPRING_SECRET_TEAM", f"json://127.0.0.1:{server.port}/{CANARY}")
        with pytest.raises(Transient, match=r"larger than 100,000 bytes") as caught:
            chat.send("TEAM", "Backup", "done")
        assert server.is_disconnected.wait(60)
    assert CANARY not in str(caught.value)
    assert server.sent_bytes < 50_000_000
    with serving_in_thread(LargePeer()) as large:
        assert len(requests.get(large.url, timeout=60).content) > 100_000


@pytest.mark.parametrize("address", [f"tgram://{CANARY}/1", f"secret:{CANARY}", CANARY * 20, 7])
def test_address_in_place_of_the_name_is_not_repeated(address):
    """It has a token; the error would go to logs and into the store."""
    with pytest.raises(OptionError, match="is not the name of a secret") as caught:
        chat.send(address, "Backup", "done")
    assert CANARY not in str(caught.value)
    assert "mainspring secrets set NAME" in caught.value.hint


def test_bad_input_is_refused_before_anything_is_sent(peer, monkeypatch):
    """No text, no secret, a secret that is no address, no apprise."""
    with pytest.raises(OptionError, match="no title"):
        chat.send("TEAM", " ", "x")
    with pytest.raises(ConfigError, match="'OTHER' is not set"):
        chat.send("OTHER", "a", "x")
    monkeypatch.setenv("MAINSPRING_SECRET_TEAM", f"nothing-{CANARY}")
    with pytest.raises(ConfigError, match="'TEAM' is not an address of apprise") as caught:
        chat.send("TEAM", "a", "x")
    assert CANARY not in str(caught.value)
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigError) as missing:
        chat.send("TEAM", "a", "x")
    assert missing.value.hint == install_command("notify")
    assert peer.requests == []
