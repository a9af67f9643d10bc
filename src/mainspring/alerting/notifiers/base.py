"""What every way to tell people has in common: one verb, and one error."""

from typing import Protocol

from mainspring.domain.notifications.notification import Notification


class ChannelFault(Exception):
    """A channel did not take a notice. `text` holds no secret.

    `retry_after_ms` = how long the channel wants to be left alone. `is_final` = it will never take this notice, though it may take others.
    `is_unknown` = it may have taken it, and nobody said so.
    """

    def __init__(
        self, text: str, retry_after_ms: int | None = None, *, is_final: bool = False, is_unknown: bool = False
    ) -> None:
        super().__init__(text)
        self.text = text
        self.retry_after_ms = retry_after_ms
        self.is_final = is_final
        self.is_unknown = is_unknown


class ChannelLink(Protocol):
    """Tells one channel; used in one event loop, one notice at a time."""

    async def send(self, notice: Notification, ref: str | None, *, is_again: bool = False) -> str | None:
        """Tell it; return by what a later notice about the same thing finds what is shown now, None if nothing can be found again.

        `ref` = what the last notice of the same key returned. `is_again` = an earlier try may have been taken: what can be told only
        twice is looked for first.

        Raises:
            ChannelFault: it was not taken, or nobody knows.
            ConfigError: a secret is not set.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
