"""Servers that receive messages, each in a thread of its own, so that tests and the processes of a contract reach them."""

import asyncio
import contextlib
import email
import email.policy
import os
import socket
import ssl
import subprocess
import threading
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult

PASSWORD = "canary-9f2c-password"
MAILBOX = "TEST_MAILBOX"
"""The variable with the path of the list of Message-IDs: what a check reads."""


class LoopThread:
    """An event loop in a thread."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine):
        """Run a coroutine to its end there, and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def close(self):
        self.run(_end_tasks())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(60)
        self.loop.close()


async def _end_tasks():
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def serving_in_thread(peer):
    """Serve a peer (tests.unit.alerting.peer)."""
    thread = LoopThread()
    thread.run(peer.start())
    try:
        yield peer
    finally:
        thread.run(peer.close())
        thread.close()


class MailServer:
    """A mail server that records. `replies` = what it says at a stage ("EHLO", "MAIL", "RCPT", "DATA"), instead of accepting.

    `refused` = recipients and the replies they get. `mails` = what it has accepted, as (recipients, message).
    """

    def __init__(self, mailbox=None):
        self.mails = []
        self.replies = {}
        self.refused = {}
        self.raw = b""
        self.port = 0
        self.sessions = []
        self._mailbox = mailbox

    @property
    def address(self):
        return f"smtp://127.0.0.1:{self.port}?from=ms@example.com"

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        return [self.replies["EHLO"]] if "EHLO" in self.replies else responses

    async def handle_HELO(self, server, session, envelope, hostname):
        session.host_name = hostname
        return self.replies.get("EHLO", "250 x")

    async def handle_MAIL(self, server, session, envelope, address, options):
        if "MAIL" in self.replies:
            return self.replies["MAIL"]
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        reply = self.refused.get(address) or self.replies.get("RCPT")
        if reply:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if "DATA" in self.replies:
            return self.replies["DATA"]
        text = envelope.content.replace(b"\r\n", b"\n")
        mail = email.message_from_bytes(text, policy=email.policy.default)
        self.raw = envelope.content
        if self._mailbox is not None:
            with self._mailbox.open("a") as file:
                file.write(f"{mail['Message-ID']}\n")
        self.mails.append((list(envelope.rcpt_tos), mail))
        return "250 OK"

    def count(self, subject):
        return sum(mail["Subject"] == subject for _, mail in self.mails)

    def subjects(self):
        return [mail["Subject"] for _, mail in self.mails]


@contextlib.contextmanager
def serving_mail(mailbox=None, *, password=None, tls=None, is_tls_from_start=False, enable_SMTPUTF8=True):
    """Serve mail. `password` = it wants user "robot" with that; `tls` = a context for STARTTLS."""
    box = MailServer(mailbox)
    options = {"enable_SMTPUTF8": enable_SMTPUTF8}
    if password is not None:

        def check(server, session, envelope, mechanism, data):
            is_right = (data.login, data.password) == (b"robot", password.encode())
            return AuthResult(success=is_right, handled=False)

        options |= {"authenticator": check, "auth_required": True, "auth_require_tls": False}
    if tls is not None and not is_tls_from_start:
        options |= {"tls_context": tls, "require_starttls": True}
    thread = LoopThread()
    listener = thread.run(_listen(box, options, tls if is_tls_from_start else None))
    box.port = listener.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        thread.run(_hang_up(box, listener))
        thread.close()


async def _listen(box, options, tls):
    loop = asyncio.get_running_loop()

    def accept():
        box.sessions.append(SMTP(box, loop=loop, **options))
        return box.sessions[-1]

    return await loop.create_server(accept, "127.0.0.1", 0, ssl=tls)


async def _hang_up(box, listener):
    listener.close()
    for session in box.sessions:
        if session.transport is not None:
            session.transport.abort()


def make_certificate(folder: Path, *, name: str = "localhost") -> tuple[ssl.SSLContext, Path]:
    """Return the context of a server, and the certificate that signs it."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    made: list[str | Path] = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={name}",
    ]
    alternative: list[str | Path] = ["-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", certificate]
    subprocess.run([*made, *alternative], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


@contextlib.contextmanager
def serving_cut(stage):
    """Serve mail once, up to a stage, then end the connection: "banner", "MAIL", "RCPT", "DATA", "text" or "end"."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_cut_at, args=(listener, stage), daemon=True)
        thread.start()
        yield f"smtp://127.0.0.1:{listener.getsockname()[1]}?from=ms@example.com"
        thread.join(60)


def _cut_at(listener, stage):
    peer, _ = listener.accept()
    with peer, peer.makefile("rwb", buffering=0) as talk:
        if stage != "banner":
            _talk_until(talk, stage)


def _talk_until(talk, stage):
    talk.write(b"220 x\r\n")
    is_text = False
    for line in talk:
        verb = line[:4].upper().decode("ascii", "replace").strip()
        if is_text:
            if stage == "text" or line == b".\r\n":
                return
        elif verb == stage:
            return
        elif verb == "DATA":
            is_text = True
            talk.write(b"354 send it\r\n")
        else:
            talk.write(b"250 OK\r\n")


@contextlib.contextmanager
def serving_endless(stage, piece):
    """Serve mail once, up to a stage, as `serving_cut`, then send a piece without end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_flood_at, args=(listener, stage, piece), daemon=True)
        thread.start()
        yield f"smtp://127.0.0.1:{listener.getsockname()[1]}?from=ms@example.com"
        thread.join(60)
        assert not thread.is_alive()


def _flood_at(listener, stage, piece):
    with contextlib.suppress(OSError), listener.accept()[0] as peer, peer.makefile("rwb", buffering=0) as talk:
        if stage != "banner":
            _talk_until(talk, stage)
        while True:
            talk.write(piece)


def mail_ids():
    """Return the Message-IDs of the mailbox."""
    path = Path(os.environ[MAILBOX])
    return path.read_text().split() if path.exists() else []
