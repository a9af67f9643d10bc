"""Send notices through apprise, with the extra `notify`. The address is a secret, since most addresses hold one.

Receivers of apprise interpret marks in a text, such as tags and mentions of everyone. Our texts contain none.
"""

import asyncio
import logging
import re
from functools import partial
from inspect import signature
from types import ModuleType
from typing import Any, Final

from mainspring.domain.clock import Clock
from mainspring.domain.errors import ConfigError
from mainspring.domain.extras import install_command
from mainspring.domain.incidents.incident import Severity
from mainspring.domain.notifications.notification import Notification, NotificationEvent
from mainspring.integrations.base.channel_address import AddressParts, ChannelAddress
from mainspring.integrations.base.channel_thread import ChannelThread
from mainspring.integrations.base.notifier import ChannelFault, ErrorFormatter, NotifierPlugin
from mainspring.integrations.base.reply_limit import call_with_reply_limit

WITHIN_S = 10.0
_MENTION = re.compile(r"(?<![\w.+-])@(?=\w)|<(?=[!@#/?\w])")
_ZERO_WIDTH_SPACE = "\u200b"
"""Invisible; separates a mark from the text behind it."""


class AppriseLink:
    """One address of apprise."""

    def __init__(self, channel: ChannelAddress, faults: ErrorFormatter) -> None:
        self._channel = channel
        self._faults = faults
        self._thread = ChannelThread("mainspring-apprise")

    async def send(self, notice: Notification, ref: str | None, *, is_again: bool = False) -> str | None:
        """Pass the notice to apprise, which returns only whether it was accepted."""
        apprise = import_apprise()
        kinds = apprise.NotifyType
        kind = kinds.FAILURE if notice.severity is Severity.PAGE else kinds.WARNING
        kind = {
            NotificationEvent.RESOLVED: kinds.SUCCESS,
            NotificationEvent.TEST: kinds.INFO,
            NotificationEvent.DIGEST: kinds.INFO,
        }.get(notice.about, kind)
        sender = open_sender(self._channel.secret, self._faults)
        await send_by_apprise(
            sender, notice.headline, notice.body or notice.headline, kind, faults=self._faults, thread=self._thread
        )
        return None

    async def close(self) -> None:
        """Do nothing: there is no connection."""


def open_sender(secret: str, faults: ErrorFormatter) -> Any:
    """Return what sends to the address of apprise that the secret of this name has.

    Raises:
        ConfigError: apprise is not installed, the secret is not set, or it is no such address.
    """
    apprise = import_apprise()
    sender = apprise.Apprise(asset=_run_inline(apprise))
    if not sender.add(faults.get(secret)):
        raise ConfigError(f"the secret {secret!r} is not an address of apprise")
    return sender


async def send_by_apprise(
    sender: Any, title: str, body: str, kind: Any, *, faults: ErrorFormatter, thread: ChannelThread
) -> None:
    """Pass a text to apprise, which returns only whether it was accepted.

    Raises:
        ChannelFault: it was not accepted. Whether it was sent is not known.
    """
    message = {"body": _escape(body), "title": _escape(title), "notify_type": kind}
    notify = partial(sender.notify, body_format=import_apprise().NotifyFormat.TEXT, **message)
    try:
        async with asyncio.timeout(WITHIN_S):
            is_accepted = await thread.run(partial(call_with_reply_limit, notify))
    except ChannelFault:
        raise
    except Exception as error:  # noqa: BLE001 - its plug-ins may raise anything
        raise ChannelFault(faults.of(error) or type(error).__name__, is_unknown=True) from None
    if not is_accepted:
        raise ChannelFault("apprise could not deliver it", is_unknown=True)


def _escape(text: str) -> str:
    """Return text that mentions no one, contains no tag and reads the same."""
    return _MENTION.sub(lambda mark: mark[0] + _ZERO_WIDTH_SPACE, text)


def _run_inline(apprise: ModuleType) -> Any:
    """Return settings without the thread pools of apprise, which would delay the end of the process."""
    asset = apprise.AppriseAsset
    timeless = {"service_timeout": 0} if "service_timeout" in signature(asset).parameters else {}
    return asset(async_mode=False, **timeless)


def import_apprise() -> ModuleType:
    """Return the module of apprise. Raises ConfigError if it is not installed."""
    try:
        import apprise
    except ImportError:
        raise ConfigError(
            "a channel of apprise needs apprise, which is not installed", hint=install_command("notify")
        ) from None
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it logs whole addresses, with their secrets
    return apprise


class AppriseNotifier:
    """Every service that apprise knows: the secret is a whole address of apprise."""

    form = "apprise://secret:NAME"

    def read_address(self, parts: AddressParts) -> ChannelAddress:
        """Return the address."""
        parts.reject_user()
        parts.reject_path()
        parts.parameters()
        return ChannelAddress(scheme=parts.scheme, secret=parts.secret_name(parts.host))

    def open_link(self, channel: ChannelAddress, faults: ErrorFormatter, clock: Clock) -> AppriseLink:
        """Return the link to a service."""
        return AppriseLink(channel, faults)


NOTIFIER: Final[NotifierPlugin] = AppriseNotifier()
