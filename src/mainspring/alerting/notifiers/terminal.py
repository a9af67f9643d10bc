"""The standard error of this process: what cron mails, and what a person at the terminal sees."""

import asyncio
import sys

from mainspring.domain.notifications.notification import Notification


class TerminalLink:
    """Writes each notice as lines of text."""

    async def send(self, notice: Notification, ref: str | None, *, is_again: bool = False) -> str | None:
        """Write it, in a thread: whoever reads may be slow."""
        lines = "\n".join(f"  {line}" for line in notice.body.splitlines())
        await asyncio.to_thread(_write_lines, f"{notice.headline}\n{lines}\n" if lines else f"{notice.headline}\n")
        return None

    async def close(self) -> None:
        """Do nothing: it is not ours."""


def _write_lines(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
