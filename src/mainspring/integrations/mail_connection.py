"""A connection to a mail server, and the mail as a message: what needs smtplib, ssl and email, which take long to import.

Invariant: the server can have accepted a mail only after the line that ends it. The line is not sent once the caller has hung up.
"""

import asyncio
import contextlib
import hashlib
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import formatdate
from functools import partial
from typing import Any, BinaryIO, NamedTuple

from mainspring.domain.notifications.notification import Notification, NotificationEvent
from mainspring.integrations.base.channel_address import ChannelAddress
from mainspring.integrations.base.channel_thread import ChannelThread

STARTTLS = "starttls"
TLS = "smtps"
MAX_REPLY_BYTES = 64 * 1024
MAX_CONVERSATION_BYTES = 8 * 1024 * 1024
"""Limit of all replies together: a mail with very many recipients has one for each."""
_MAX_LINE_BYTES = 8 * 1024
_FIRST = frozenset({NotificationEvent.OPENED, NotificationEvent.REOPENED})
_START_OF_MAIL, _PERMANENT = 354, 500
_REFUSALS = range(400, 600)
_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)


class MailReplyError(Exception):
    """The server sends more than any reply has; no OSError, which smtplib would take for a lost connection."""


MAIL_ERRORS = (OSError, smtplib.SMTPException, ValueError, MailReplyError)
"""Errors of a server and of its connection; TimeoutError is an OSError."""


class Login(NamedTuple):
    """A user and a password of the server."""

    user: str
    password: str


def build_message(notice: Notification, channel: ChannelAddress) -> EmailMessage:
    """Return the mail."""
    mail = EmailMessage()
    mail["Subject"] = notice.headline
    mail["From"] = channel.sender
    mail["To"] = ", ".join(channel.to)
    mail["Date"] = formatdate(localtime=False)
    first = make_message_id(notice.key, channel.sender)
    if notice.about in _FIRST:
        mail["Message-ID"] = first
    else:
        mail["Message-ID"] = make_message_id(notice.id, channel.sender)
        mail["In-Reply-To"] = mail["References"] = first
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Mainspring-Notice"] = notice.about.value
    mail.set_content(f"{notice.headline}\n\n{notice.body}\n")
    return mail


class SmtpConversation:
    """One connection, in a thread. `is_unknown` = the server may have accepted the mail. `is_over` = no caller waits for it."""

    def __init__(self, channel: ChannelAddress, login: Login | None, within_s: float) -> None:
        self._channel = channel
        self._login = login
        self._within_s = within_s
        self._end_lock = threading.Lock()
        self.server: smtplib.SMTP | None = None
        self.is_unknown = False
        self.is_over = False

    async def run(
        self, thread: ChannelThread, mail: EmailMessage, in_all_s: float, recipients: Sequence[str] | None = None
    ) -> dict[str, str]:
        """Send the mail in a thread, as `hand_over` does, within a time.

        Raises:
            OSError, smtplib.SMTPException, ValueError, MailReplyError: it was not sent, or `is_unknown`.
        """
        try:
            async with asyncio.timeout(in_all_s):
                return await thread.run(partial(self.hand_over, mail, recipients))
        except BaseException:
            self.hang_up()
            raise

    def hand_over(self, mail: EmailMessage, recipients: Sequence[str] | None = None) -> dict[str, str]:
        """Send the mail; return the recipients that the server refused while it accepted others, each with its reply.

        `recipients` None = those of the channel.
        """
        to = self._channel.to if recipients is None else recipients
        is_ascii = all(address.isascii() for address in (self._channel.sender, *to))
        options = () if is_ascii else ("SMTPUTF8", "BODY=8BITMIME")
        try:
            server = self._connect()
            if self._channel.scheme == STARTTLS:
                server.starttls(context=ssl.create_default_context())
            if self._login is not None:
                server.login(self._login.user, self._login.password)
            server.ehlo_or_helo_if_needed()
            if not is_ascii and not server.has_extn("smtputf8"):
                raise smtplib.SMTPNotSupportedError("the server accepts ASCII addresses only (no SMTPUTF8)")
            if self.is_over:
                raise TimeoutError
            try:
                refused = server.sendmail(self._channel.sender, to, _write_mail(mail, is_ascii=is_ascii), options)
            except smtplib.SMTPResponseException as error:
                self.is_unknown = self.is_unknown and error.smtp_code not in _REFUSALS
                raise
            with contextlib.suppress(OSError):  # it has the mail: its reply to QUIT changes nothing
                server.putcmd("quit")
            return {recipient: format_reply(*reply) for recipient, reply in sorted(refused.items())}
        finally:
            if self.server is not None:
                self.server.close()

    def hang_up(self) -> None:
        """End a connection that took too long: its thread ends with it and sends nothing more."""
        with self._end_lock:
            self.is_over = True
        sock = None if self.server is None else self.server.sock
        if sock is not None:
            with contextlib.suppress(OSError):  # close would wait for the reader
                sock.shutdown(socket.SHUT_RDWR)

    def allow_end(self) -> None:
        """Allow the line that ends the mail: from here on the server may accept it. Raises TimeoutError if no caller waits."""
        with self._end_lock:
            if self.is_over:
                raise TimeoutError
            self.is_unknown = True

    def _connect(self) -> smtplib.SMTP:
        address = (self._channel.host, self._channel.port, socket.gethostname())
        if self._channel.scheme == TLS:
            return _SmtpTlsServer(self, *address, timeout=self._within_s, context=ssl.create_default_context())
        return _SmtpServer(self, *address, timeout=self._within_s)


class _SmtpServer(smtplib.SMTP):
    """An SMTP client that is known before it connects, so that a server that never finishes its greeting can be disconnected."""

    def __init__(self, conversation: SmtpConversation, *address: Any, **options: Any) -> None:
        self._conversation = conversation
        self._unread_bytes = MAX_CONVERSATION_BYTES
        conversation.server = self
        super().__init__(*address, **options)

    def getreply(self) -> tuple[int, bytes]:
        """Read a reply as smtplib does, unless the conversation is over; there may have been no connection to end.

        Raises:
            MailReplyError: the reply, or all replies together, are too long.
        """
        if self._conversation.is_over:
            raise TimeoutError
        if not isinstance(self.file, _ReplyReader):  # there is a new one after STARTTLS
            assert self.sock is not None
            self.file = _ReplyReader(self.sock.makefile("rb"))
        self.file.begin(self._unread_bytes)
        reply = super().getreply()
        if self.file is not None:
            self._unread_bytes -= self.file.count
        return reply

    def data(self, msg: Any) -> tuple[int, bytes]:
        """Send a mail as smtplib does, and its last line apart from the rest; `msg` is bytes with CRLF line ends."""
        self.putcmd("data")
        code, reply = self.getreply()
        if code != _START_OF_MAIL:
            raise smtplib.SMTPDataError(code, reply)
        self.send(_LEADING_DOT.sub(b"..", msg) + (b"" if msg.endswith(b"\r\n") else b"\r\n"))
        self._conversation.allow_end()
        self.send(b".\r\n")
        return self.getreply()


class _ReplyReader:
    """The lines of a connection, with a limit for each reply."""

    def __init__(self, lines: BinaryIO) -> None:
        self._lines = lines
        self._limit = 0
        self.count = 0
        """The bytes of this reply so far."""

    def begin(self, unread_bytes: int) -> None:
        """Start a reply; `unread_bytes` = what the conversation has left."""
        self._limit, self.count = min(MAX_REPLY_BYTES, unread_bytes), 0

    def readline(self, size: int) -> bytes:
        """Return the next line; the limit is that of Mainspring, not `size`."""
        line = self._lines.readline(_MAX_LINE_BYTES)
        self.count += len(line)
        if len(line) == _MAX_LINE_BYTES or self.count > self._limit:
            raise MailReplyError(
                f"the reply of the server is too large: at most {_MAX_LINE_BYTES:,} bytes in a line, "
                f"{MAX_REPLY_BYTES:,} in a reply, {MAX_CONVERSATION_BYTES:,} in all replies"
            )
        return line

    def close(self) -> None:
        """Release the connection."""
        self._lines.close()


class _SmtpTlsServer(_SmtpServer, smtplib.SMTP_SSL):
    """The same, over TLS from the first byte."""


def is_message_fault(error: Exception) -> bool:
    """Whether the server will never accept this mail. A refused sender or recipient is a fault of the channel."""
    return isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= _PERMANENT


def _write_mail(mail: EmailMessage, *, is_ascii: bool) -> bytes:
    """Return a mail with CRLF line ends. smtplib's own way would write ">From" for "From" at the start of a line."""
    return mail.as_bytes(policy=SMTP if is_ascii else SMTPUTF8)


def format_reply(code: int, text: bytes | str) -> str:
    """Return a reply of the server in one line."""
    words = text if isinstance(text, str) else text.decode("utf-8", "replace")
    return f"{code} {' '.join(words.split())}"


def make_message_id(key: str, sender: str) -> str:
    """Return the Message-ID of a mail: the same for the same key and the domain of the sender."""
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{sender.rpartition('@')[2]}>"
