"""Everything that apprise speaks to, with the extra `notify`. The address is a secret, for most hold one.

What is told goes on to receivers that read marks of their own in it: tags, and mentions of everybody. Nothing of that is ours.
"""

import asyncio
import logging
import re
from functools import partial
from inspect import signature
from types import ModuleType
from typing import Any

from mainspring.alerting.notifiers.base import ChannelFault
from mainspring.alerting.notifiers.channel_thread import ChannelThread
from mainspring.domain.errors import ConfigError
from mainspring.domain.extras import install_command
from mainspring.domain.incidents.incident import Severity
from mainspring.domain.notifications.channel_address import ChannelAddress
from mainspring.domain.notifications.notification import Notification, NotificationEvent
from mainspring.resources.error_text import ErrorText

WITHIN_S = 10.0
_MENTION = re.compile(r"(?<![\w.+-])@(?=\w)|<(?=[!@#/?\w])")
_ZERO_WIDTH_SPACE = "\u200b"
"""Takes no room and parts a mark from what it would mark."""


class AppriseLink:
    """One address of apprise."""

    def __init__(self, channel: ChannelAddress, faults: ErrorText) -> None:
        self._channel = channel
        self._faults = faults
        self._thread = ChannelThread("mainspring-apprise")

    async def send(self, notice: Notification, ref: str | None, *, is_again: bool = False) -> str | None:
        """Hand it to apprise, which says only whether it was taken."""
        apprise = _import_apprise()
        teller = apprise.Apprise(asset=_run_inline(apprise))
        if not teller.add(self._faults.get(self._channel.secret)):
            raise ConfigError(f"the secret {self._channel.secret!r} is no address of apprise")
        kinds = apprise.NotifyType
        kind = kinds.FAILURE if notice.severity is Severity.PAGE else kinds.WARNING
        kind = {
            NotificationEvent.RESOLVED: kinds.SUCCESS,
            NotificationEvent.TEST: kinds.INFO,
            NotificationEvent.DIGEST: kinds.INFO,
        }.get(notice.about, kind)
        try:
            async with asyncio.timeout(WITHIN_S):
                is_taken = await self._thread.run(
                    partial(
                        teller.notify,
                        body=_escape(notice.body or notice.headline),
                        title=_escape(notice.headline),
                        notify_type=kind,
                        body_format=apprise.NotifyFormat.TEXT,
                    )
                )
        except ChannelFault:
            raise
        except Exception as error:  # noqa: BLE001 - its plug-ins may raise anything
            raise ChannelFault(self._faults.of(error) or type(error).__name__, is_unknown=True) from None
        if not is_taken:
            raise ChannelFault("apprise could not deliver it", is_unknown=True)
        return None

    async def close(self) -> None:
        """Do nothing: it keeps no connection."""


def _escape(text: str) -> str:
    """Return text that calls nobody and is no tag, and reads the same."""
    return _MENTION.sub(lambda mark: mark[0] + _ZERO_WIDTH_SPACE, text)


def _run_inline(apprise: ModuleType) -> Any:
    """Return what keeps apprise from its own pools of threads, which the process would wait for at its end."""
    asset = apprise.AppriseAsset
    timeless = {"service_timeout": 0} if "service_timeout" in signature(asset).parameters else {}
    return asset(async_mode=False, **timeless)


def _import_apprise() -> ModuleType:
    try:
        import apprise
    except ImportError:
        raise ConfigError(
            "a channel of apprise needs apprise, which is not installed", hint=install_command("notify")
        ) from None
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it tells whole addresses, with their secrets
    return apprise
