"""What is wrong with channels: one that takes nothing is told of through the others (`domain/route.py`), and never through itself."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Final

from mainspring.domain.incident import Finding, IncidentKind, Severity, Subject
from mainspring.store.reads.incidents import ChannelView

BROKEN_AFTER: Final = timedelta(minutes=2)
"""So long may a channel take nothing."""
_MILLISECOND = timedelta(milliseconds=1)


def judge_channels(channels: Iterable[ChannelView], now: int) -> Iterator[Finding]:
    """Return the channels that have taken nothing, or refused all, for so long that others have to know; until they take something."""
    for channel in channels:
        since_at = channel.since_at
        if since_at is None or now - since_at < BROKEN_AFTER // _MILLISECOND:
            continue
        yield Finding(
            subject=Subject("", IncidentKind.NOTIFIER_BROKEN, channel.name),
            severity=Severity.NOTIFY,
            text=f"channel {channel.name} takes nothing: {channel.fault or 'it does not say why'}",
            since_at=since_at,
            hint=f"mainspring notify test {channel.name}",
            facts={"failures": channel.failures, "last_told_at": channel.told_at, "oldest_alert_at": channel.oldest_at},
        )
