"""The protocol of notifiers: how one kind of channel reads its address and sends."""

from typing import Protocol

from mainspring.domain.clock import Clock
from mainspring.domain.notifications.notification import Notification
from mainspring.domain.redaction.secret_name import SecretReader
from mainspring.integrations.base.channel_address import AddressParts, ChannelAddress


class ChannelFault(Exception):
    """A channel did not accept a notice. `text` holds no secret.

    `retry_after_ms` = how long to wait before the next request. `is_final` = it will never accept this notice, though it may accept others.
    `is_unknown` = it may have accepted the notice without confirming it.
    """

    def __init__(
        self, text: str, retry_after_ms: int | None = None, *, is_final: bool = False, is_unknown: bool = False
    ) -> None:
        super().__init__(text)
        self.text = text
        self.retry_after_ms = retry_after_ms
        self.is_final = is_final
        self.is_unknown = is_unknown


class ErrorFormatter(SecretReader, Protocol):
    """Reads secrets, and formats errors without them."""

    def hide(self, value: str) -> None:
        """Hide a part of a secret in every error."""
        ...

    def of(self, error: BaseException) -> str:
        """Return an error in one line."""
        ...

    def redact(self, text: str) -> str:
        """Return the first line of a text of another program, without secrets."""
        ...


class ChannelLink(Protocol):
    """A link to one channel; for one event loop, one notice at a time."""

    async def send(self, notice: Notification, ref: str | None, *, is_again: bool = False) -> str | None:
        """Send a notice; return a reference by which later notices find it, None if they cannot.

        `ref` = the reference that the last notice of the same key returned. `is_again` = an earlier attempt may have been accepted: a
        channel that cannot deduplicate searches for it first.

        Raises:
            ChannelFault: the notice was not accepted, or the outcome is unknown.
            ConfigError: a secret is not set.
        """
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


class NotifierPlugin(Protocol):
    """One kind of channel. `form` = an example of its address, for hints."""

    form: str

    def read_address(self, parts: AddressParts) -> ChannelAddress:
        """Return the address. Raises OptionError or UnknownNameError by the methods of `parts`."""
        ...

    def open_link(self, channel: ChannelAddress, faults: ErrorFormatter, clock: Clock) -> ChannelLink:
        """Return the link to a channel. `faults` resolves its secrets for each notice, so that a replaced one counts at once."""
        ...
