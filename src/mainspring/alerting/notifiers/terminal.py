"""The terminal: writes to the standard error of this process, which cron mails and a person sees."""

import asyncio
import sys

from mainspring.domain.notifications.notification import Notification


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
