"""Mail by SMTP. A notice has one Message-ID in all attempts; notices of one opening refer to its first mail, as one thread."""

import logging
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.errors import ConfigError
from mainspring.domain.notifications.notification import Notification
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.integrations.base.channel_address import AddressParts, ChannelAddress, is_loopback
from mainspring.integrations.base.channel_thread import ChannelThread
from mainspring.integrations.base.notifier import ChannelFault, ErrorFormatter, NotifierPlugin

if TYPE_CHECKING:
    from mainspring.integrations.mail_connection import Login

_LOG = logging.getLogger("mainspring.notifier.mail")
WITHIN_S = 10.0
"""The longest the server may be silent."""
IN_ALL_S = 20.0
_PORTS = {"smtps": 465, "starttls": 587, "smtp": 25}
"""Usual ports. Without TLS there is no password, except on this machine."""
_MAIL = lazy_pattern(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*", re.ASCII)


class MailLink:
    """A mail server and its recipients."""

    def __init__(
        self, channel: ChannelAddress, faults: ErrorFormatter, within_s: float = WITHIN_S, in_all_s: float = IN_ALL_S
    ) -> None:
        self._channel = channel
        self._faults = faults
        self._within_s = within_s
        self._in_all_s = in_all_s
        self._thread = ChannelThread("mainspring-mail")

    async def send(self, notice: Notification, ref: str | None, *, is_again: bool = False) -> str | None:
        """Pass the mail to the server."""
        from mainspring.integrations.mail_connection import (
            MAIL_ERRORS,
            SmtpConversation,
            build_message,
            is_message_fault,
        )

        mail = build_message(notice, self._channel)
        conversation = SmtpConversation(self._channel, read_login(self._channel.secret, self._faults), self._within_s)
        try:
            refused = await conversation.run(self._thread, mail, self._in_all_s)
        except MAIL_ERRORS as error:
            raise ChannelFault(
                self._faults.of(error) or type(error).__name__,
                is_final=is_message_fault(error),
                is_unknown=conversation.is_unknown,
            ) from None
        if refused:
            _LOG.warning("the server accepts no mail for %s", ", ".join(refused))
        return None

    async def close(self) -> None:
        """Do nothing: each mail has its own connection."""


def read_login(secret: str, faults: ErrorFormatter) -> "Login | None":
    """Return user and password, which the secret of this name has; None without a name.

    Raises:
        ConfigError: it is not set, or is not USER:PASSWORD.
    """
    from mainspring.integrations.mail_connection import Login

    if not secret:
        return None
    user, colon, password = faults.get(secret).partition(":")
    if not colon:
        raise ConfigError(f"the secret {secret!r} is not USER:PASSWORD")
    faults.hide(password)
    if not (user + password).isascii():
        raise ConfigError(f"the secret {secret!r} has a character that is not ASCII, which no mail server is sent")
    return Login(user, password)


def read_mail_server(parts: AddressParts) -> ChannelAddress:
    """Return the server of an address, without recipients; `sender` is "" without `from=`.

    Raises:
        OptionError, UnknownNameError: the address is invalid.
    """
    secret = "" if parts.user is None else parts.secret_name(parts.user)
    host, port = parts.server()
    if secret and parts.scheme == "smtp" and not is_loopback(host):
        raise parts.invalid("the password would be sent unencrypted: use smtps:// or starttls://")
    sender = parts.parameters("from").get("from", "")
    if sender and not _MAIL.fullmatch(sender):
        raise parts.invalid("the address has from= without the mailbox of a sender")
    port = port or _PORTS[parts.scheme]
    return ChannelAddress(scheme=parts.scheme, secret=secret, host=host.strip("[]"), port=port, sender=sender)


class MailNotifier:
    """Mail servers: the secret is USER:PASSWORD, TO is one recipient or several with commas."""

    form = "smtps://secret:NAME@HOST:465/TO@EXAMPLE.COM?from=FROM@EXAMPLE.COM"

    def read_address(self, parts: AddressParts) -> ChannelAddress:
        """Return the address."""
        server = read_mail_server(parts)
        to = tuple(recipient.strip() for recipient in unquote(parts.path).split(","))
        sender = server.sender or to[0]
        if not all(_MAIL.fullmatch(mailbox) for mailbox in (*to, sender)):
            raise parts.invalid("the address lacks the recipient or the sender of the mail")
        return msgspec.structs.replace(server, to=to, sender=sender)

    def open_link(self, channel: ChannelAddress, faults: ErrorFormatter, clock: Clock) -> MailLink:
        """Return the link to a server."""
        return MailLink(channel, faults)


NOTIFIER: Final[NotifierPlugin] = MailNotifier()
