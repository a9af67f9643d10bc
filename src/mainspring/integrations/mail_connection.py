"""A connection to a mail server, and the mail as a message: what needs smtplib, ssl and email, which take long to import."""

import contextlib
import hashlib
import smtplib
import socket
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any, NamedTuple

from mainspring.domain.notifications.notification import Notification, NotificationEvent
from mainspring.integrations.base.channel_address import ChannelAddress

STARTTLS = "starttls"
TLS = "smtps"
MAIL_ERRORS = (OSError, smtplib.SMTPException, ValueError)
"""Errors of a server and of its connection; TimeoutError is an OSError."""
_FIRST = frozenset({NotificationEvent.OPENED, NotificationEvent.REOPENED})
_PERMANENT = 500


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
    first = _message_id(notice.key, channel)
    if notice.about in _FIRST:
        mail["Message-ID"] = first
    else:
        mail["Message-ID"] = _message_id(notice.id, channel)
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
        self.server: smtplib.SMTP | None = None
        self.is_unknown = False
        self.is_over = False

    def hand_over(self, mail: EmailMessage) -> list[str]:
        """Send the mail and return the recipients that the server refused, while it accepted others."""
        try:
            server = self._connect()
            if self._channel.scheme == STARTTLS:
                server.starttls(context=ssl.create_default_context())
            if self._login is not None:
                server.login(self._login.user, self._login.password)
            if self.is_over:
                raise TimeoutError
            self.is_unknown = True
            try:
                refused = server.send_message(mail)
            except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused):
                self.is_unknown = False
                raise
            with contextlib.suppress(OSError):  # it has the mail: its reply to QUIT changes nothing
                server.putcmd("quit")
            return sorted(refused)
        finally:
            if self.server is not None:
                self.server.close()

    def hang_up(self) -> None:
        """End a connection that took too long: its thread ends with it and sends nothing more."""
        self.is_over = True
        sock = None if self.server is None else self.server.sock
        if sock is not None:
            with contextlib.suppress(OSError):  # close would wait for the reader
                sock.shutdown(socket.SHUT_RDWR)

    def _connect(self) -> smtplib.SMTP:
        address = (self._channel.host, self._channel.port, socket.gethostname())
        if self._channel.scheme == TLS:
            return _SmtpTlsServer(self, *address, timeout=self._within_s, context=ssl.create_default_context())
        return _SmtpServer(self, *address, timeout=self._within_s)


class _SmtpServer(smtplib.SMTP):
    """An SMTP client that is known before it connects, so that a server that never finishes its greeting can be disconnected."""

    def __init__(self, conversation: SmtpConversation, *address: Any, **options: Any) -> None:
        self._conversation = conversation
        conversation.server = self
        super().__init__(*address, **options)

    def getreply(self) -> tuple[int, bytes]:
        """Read a reply as smtplib does, unless the conversation is over; there may have been no connection to end."""
        if self._conversation.is_over:
            raise TimeoutError
        return super().getreply()


class _SmtpTlsServer(_SmtpServer, smtplib.SMTP_SSL):
    """The same, over TLS from the first byte."""


def is_message_fault(error: Exception) -> bool:
    """Whether the server will never accept this mail. A refused sender or recipient is a fault of the channel."""
    return isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= _PERMANENT


def _message_id(text: str, channel: ChannelAddress) -> str:
    return f"<{hashlib.sha256(text.encode()).hexdigest()[:40]}@{channel.sender.rpartition('@')[2]}>"
