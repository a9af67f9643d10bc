"""Mail before a real SMTP server."""

import asyncio
import contextlib
import email
import socket
import threading

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from mainspring.domain.errors import ConfigError
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.integrations.base.notifier import ChannelFault
from mainspring.integrations.mail import MailLink
from mainspring.integrations.mail_connection import build_message
from mainspring.integrations.notifiers import read_channel_address
from tests.unit.alerting.notices import notice, secrets

pytestmark = pytest.mark.asyncio


class Box:
    """Keeps what is sent to it; `answers` = what it says instead of taking a mail, in order."""

    def __init__(self):
        self.mails = []
        self.answers = []
        self.unknown_recipients = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.unknown_recipients:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.answers:
            return self.answers.pop(0)
        self.mails.append((envelope.rcpt_tos, email.message_from_bytes(envelope.content)))
        return "250 OK"


@contextlib.asynccontextmanager
async def server(box, **more):
    """Serve in this loop: links talk to it from a thread."""
    listening = await asyncio.get_running_loop().create_server(lambda: SMTP(box, **more), "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


def link_to(port, to="a@example.com", scheme="smtp", login="", within_s=5.0, in_all_s=5.0, **values):
    address = f"{scheme}://{login}127.0.0.1:{port}/{to}?from=ms@example.com"
    return MailLink(read_channel_address(address), secrets(**values), within_s, in_all_s)


async def test_notices_of_one_opening_are_one_conversation():
    """The first has the id that the others refer to; each has its own in every try; a later opening is another conversation."""
    box = Box()
    async with server(box) as port:
        link = link_to(port, "a@example.com,b@example.com")
        for message in (
            notice(),
            notice(),
            notice(NotificationEvent.RESOLVED, "a_2"),
            notice(NotificationEvent.REOPENED, "a_3", "k2"),
        ):
            await link.send(message, None)
    first, again, resolved, reopened = [mail for _, mail in box.mails]
    assert box.mails[0][0] == ["a@example.com", "b@example.com"]
    assert first["Subject"] == "[page] backup: opened"
    assert first["Message-ID"] == again["Message-ID"] == resolved["References"] == resolved["In-Reply-To"]
    assert len({mail["Message-ID"] for mail in (first, resolved, reopened)}) == 3
    assert reopened["References"] is None
    assert first["Auto-Submitted"] == "auto-generated"
    assert "What  403 & <!channel> *denied*" in first.get_payload()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_password_is_used_and_never_reported():
    """A login that is refused makes mail wait, and its error holds no part of the secret."""

    def check(server, session, envelope, mechanism, data):
        return AuthResult(success=data.password == b"right", handled=False)

    box = Box()
    async with server(box, authenticator=check, auth_require_tls=False, auth_required=True) as port:
        await link_to(port, login="secret:m@", m="user:right").send(notice(), None)
        with pytest.raises(ChannelFault, match="535") as caught:
            await link_to(port, login="secret:m@", m="user:wr0ng").send(notice(), None)
        assert not caught.value.is_final
        assert not caught.value.is_unknown
        assert "wr0ng" not in caught.value.text
    assert len(box.mails) == 1
    with pytest.raises(ConfigError, match="not USER:PASSWORD"):
        await link_to(1, login="secret:m@", m="n0-word-0f-a-text").send(notice(), None)


async def test_mail_is_not_sent_in_the_clear_where_tls_was_requested():
    """A server that offers no STARTTLS gets neither password nor mail."""
    box = Box()
    async with server(box) as port:
        with pytest.raises(ChannelFault, match="STARTTLS"):
            await link_to(port, scheme="starttls", login="secret:m@", m="user:right").send(notice(), None)
    assert box.mails == []


@pytest.mark.parametrize(
    ("answer", "is_final"), [("554 looks like spam", True), ("451 come back later", False), ("552 too large", True)]
)
async def test_answer_of_the_server_states_whether_to_try_again(answer, is_final):
    """Of this mail it is certain that it was not taken."""
    box = Box()
    box.answers = [answer]
    async with server(box) as port:
        with pytest.raises(ChannelFault, match=answer[:3]) as caught:
            await link_to(port).send(notice(), None)
    assert caught.value.is_final is is_final
    assert not caught.value.is_unknown


async def test_one_wrong_recipient_keeps_no_other_from_the_mail(caplog):
    """The others get it and the log tells; where no one is left the channel is at fault."""
    box = Box()
    box.unknown_recipients = {"b@example.com"}
    async with server(box) as port:
        await link_to(port, "a@example.com,b@example.com").send(notice(), None)
        assert [to for to, _ in box.mails] == [["a@example.com"]]
        assert "no mail for b@example.com" in caplog.text
        with pytest.raises(ChannelFault, match="no such user") as caught:
            await link_to(port, "b@example.com").send(notice(), None)
        assert not caught.value.is_final


async def test_silent_server_does_not_hold_the_notifier():
    """One that takes the connection and says nothing is abandoned; nothing was sent to it."""
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ChannelFault, match="timed out") as caught:
        await link_to(silent.getsockname()[1], within_s=0.1).send(notice(), None)
    assert not caught.value.is_unknown


async def test_server_that_never_ends_its_banner_is_hung_up_on():
    """Each of its lines is in time, all of them never end: its thread ends all the same, and is none of the loop's."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ended = threading.Event()
        thread = threading.Thread(target=_drag_on, args=(listening, ended), daemon=True)
        thread.start()
        with pytest.raises(ChannelFault, match="no answer in time") as caught:
            await link_to(listening.getsockname()[1], in_all_s=0.05).send(notice(), None)
        thread.join(60)
    assert ended.is_set()
    assert not caught.value.is_unknown


def _drag_on(listening, ended):
    peer, _ = listening.accept()
    with peer:
        peer.sendall(b"220-wait\r\n" * 3)
        if not peer.recv(1):  # a client says nothing before the banner has ended: this is its end
            ended.set()


async def test_endless_name_resolution_blocks_its_own_channel_only(monkeypatch):
    """The process waits for no such thread at its end, and the next mail does not start another one."""
    answer, has_request, threads = threading.Event(), threading.Event(), []

    def resolve_address(*_args, **_options):
        threads.append(threading.current_thread())
        has_request.set()
        answer.wait(60)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", resolve_address)
    link = link_to(1, in_all_s=0.01)
    with pytest.raises(ChannelFault, match="no answer in time"):
        await link.send(notice(), None)
    with pytest.raises(ChannelFault, match="has not ended yet"):
        await link.send(notice(), None)
    assert has_request.wait(60)
    answer.set()
    (thread,) = threads
    thread.join(60)
    assert thread.daemon
    assert not thread.is_alive()


async def test_connection_that_ends_before_the_mail_is_not_unknown():
    """The server accepts a mail only after its last line."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_take_and_drop, args=(listening, b"DATA"))
        thread.start()
        with pytest.raises(ChannelFault) as caught:
            await link_to(listening.getsockname()[1]).send(notice(), None)
        thread.join()
    assert not caught.value.is_unknown


async def test_connection_that_ends_after_the_mail_is_unknown():
    """The server may have it: it is sent again under the same id."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_take_and_drop, args=(listening,))
        thread.start()
        with pytest.raises(ChannelFault) as caught:
            await link_to(listening.getsockname()[1]).send(notice(), None)
        thread.join()
    assert caught.value.is_unknown


def _take_and_drop(listening, last=b"."):
    peer, _ = listening.accept()
    with peer, peer.makefile("rwb", buffering=0) as talk:
        talk.write(b"220 x\r\n")
        for line in talk:
            if line.upper().startswith(last) and (last != b"." or line == b".\r\n"):
                return
            if line.upper().startswith(b"DATA"):
                talk.write(b"354 go on\r\n")
            elif line[:4].upper() in (b"EHLO", b"MAIL", b"RCPT"):
                talk.write(b"250 OK\r\n")


async def test_line_end_in_a_headline_makes_no_header():
    """Text is one line before; if it ever is not, the mail is refused and not forged."""
    channel = read_channel_address("smtp://127.0.0.1/a@example.com")
    with pytest.raises(ValueError, match=r"(?i)linefeed|newline"):
        build_message(notice(headline="a\r\nBcc: b@example.com"), channel)
