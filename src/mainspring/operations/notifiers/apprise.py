"""Everything that apprise speaks to: `pip install 'mainspring[notify]'`. The address is a secret, for most hold one."""

import asyncio
import logging
from types import ModuleType

from mainspring.domain.channel import Channel
from mainspring.domain.errors import ConfigError
from mainspring.domain.incident import Severity
from mainspring.domain.notice import About, Notice
from mainspring.operations.notifiers.base import ChannelFault
from mainspring.resources.fault_text import FaultText

WITHIN_S = 10.0


class AppriseLink:
    """One address of apprise."""

    def __init__(self, channel: Channel, faults: FaultText) -> None:
        self._channel = channel
        self._faults = faults

    async def send(self, notice: Notice, ref: str | None, *, is_again: bool = False) -> str | None:
        """Hand it to apprise, which says only whether it was taken."""
        apprise = _apprise()
        teller = apprise.Apprise()
        if not teller.add(self._faults.get(self._channel.secret)):
            raise ConfigError(f"the secret {self._channel.secret!r} is no address of apprise")
        kinds = apprise.NotifyType
        kind = kinds.FAILURE if notice.severity is Severity.PAGE else kinds.WARNING
        kind = {About.RESOLVED: kinds.SUCCESS, About.TEST: kinds.INFO, About.DIGEST: kinds.INFO}.get(notice.about, kind)
        try:
            async with asyncio.timeout(WITHIN_S):
                is_taken = await teller.async_notify(
                    body=notice.body or notice.headline, title=notice.headline, notify_type=kind
                )
        except Exception as error:  # noqa: BLE001 - its plug-ins may raise anything
            raise ChannelFault(self._faults.of(error) or type(error).__name__, is_unknown=True) from None
        if not is_taken:
            raise ChannelFault("apprise could not deliver it", is_unknown=True)
        return None

    async def close(self) -> None:
        """Do nothing: it keeps no connection."""


def _apprise() -> ModuleType:
    try:
        import apprise
    except ImportError:
        raise ConfigError(
            "a channel of apprise needs apprise, which is not installed", hint="pip install 'mainspring[notify]'"
        ) from None
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it tells whole addresses, with their secrets
    return apprise
