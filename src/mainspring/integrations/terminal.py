"""The terminal: writes to the standard error of this process, which cron mails and a person sees."""

import asyncio
import sys
from typing import Final

from mainspring.domain.clock import Clock
from mainspring.domain.notifications.notification import Notification
from mainspring.integrations.base.channel_address import AddressParts, ChannelAddress
from mainspring.integrations.base.notifier import ErrorFormatter, NotifierPlugin


class TerminalLink:
    """Writes each notice as lines of text."""

    async def send(self, notice: Notification, ref: str | None, *, is_again: bool = False) -> str | None:
        """Write the notice in a thread, since the reader may be slow."""
        lines = "\n".join(f"  {line}" for line in notice.body.splitlines())
        await asyncio.to_thread(_write_lines, f"{notice.headline}\n{lines}\n" if lines else f"{notice.headline}\n")
        return None

    async def close(self) -> None:
        """Do nothing: this link does not own the stream."""


def _write_lines(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


class TerminalNotifier:
    """The standard error of the process that sends."""

    form = "terminal"

    def read_address(self, parts: AddressParts) -> ChannelAddress:
        """Return the address, which has no other part."""
        if parts.host or parts.user is not None or parts.path or parts.query:
            raise parts.invalid("the terminal has no address")
        return ChannelAddress(scheme=parts.scheme)

    def open_link(self, channel: ChannelAddress, faults: ErrorFormatter, clock: Clock) -> TerminalLink:
        """Return the link."""
        return TerminalLink()


NOTIFIER: Final[NotifierPlugin] = TerminalNotifier()
