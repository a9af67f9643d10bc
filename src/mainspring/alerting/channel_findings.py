"""Failing channels: one that takes nothing is reported through the others (`domain/notifications/routing.py`), never through itself."""

from collections.abc import Container, Iterable, Iterator
from datetime import timedelta
from typing import Final

from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.domain.notifications.channel_address import TERMINAL
from mainspring.store.read.incidents import ChannelView

BROKEN_AFTER: Final = timedelta(minutes=2)
"""So long may a channel take nothing."""
_MILLISECOND = timedelta(milliseconds=1)


def evaluate_channels(channels: Iterable[ChannelView], named: Container[str], now: int) -> Iterator[Evaluation]:
    """Judge each channel: wrong is one that has taken nothing, or refused all, for so long that others have to know.

    `named` = those of the configuration. One that was taken out of it will never take anything again, and nobody could mend that.
    """
    longest_ms = BROKEN_AFTER // _MILLISECOND
    for channel in (one for one in channels if one.name in named or one.name == TERMINAL):
        subject, since_at = Subject("", IncidentKind.NOTIFIER_BROKEN, channel.name), channel.since_at
        facts = {"failures": channel.failures, "last_told_at": channel.told_at, "oldest_alert_at": channel.oldest_at}
        figures = facts | {"since_at": since_at, "longest_ms": longest_ms}
        if since_at is None or now - since_at < longest_ms:
            yield Evaluation(subject, figures)
            continue
        finding = Finding(
            subject=subject,
            severity=Severity.NOTIFY,
            text=f"channel {channel.name} takes nothing: {channel.fault or 'it does not say why'}",
            since_at=since_at,
            hint=f"mainspring notify test {channel.name}",
            facts=facts,
        )
        yield Evaluation(subject, figures, finding)
