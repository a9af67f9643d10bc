"""The monitors that are always on: failing channels, and that the store can be read.

Other channels report a failing channel (`domain/notifications/routing.py`), never the channel itself.
"""

from collections.abc import Container, Iterable, Iterator
from datetime import timedelta
from typing import Final

from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.domain.monitors.tuning import to_ms
from mainspring.domain.notifications.channel_name import TERMINAL
from mainspring.store.base import StoreReader
from mainspring.store.read.incidents import ChannelView, channels

BROKEN_AFTER: Final = timedelta(minutes=2)
"""How long a channel may accept nothing."""
_MILLISECOND = timedelta(milliseconds=1)


def evaluate_channels(channels: Iterable[ChannelView], named: Container[str], now: int) -> Iterator[Evaluation]:
    """Evaluate each channel: it fails if it has accepted nothing, or rejected everything, for BROKEN_AFTER.

    `named` = the configured channels. A removed channel never accepts anything again and no one can fix that, so it is left out.
    """
    longest_ms = BROKEN_AFTER // _MILLISECOND
    for channel in (channel for channel in channels if channel.name in named or channel.name == TERMINAL):
        subject, since_at = Subject("", IncidentKind.NOTIFIER_BROKEN, channel.name), channel.since_at
        facts = {
            "failures": channel.failures,
            "last_told_at": channel.accepted_at,
            "oldest_alert_at": channel.oldest_at,
        }
        measured = facts | {"since_at": since_at, "longest_ms": longest_ms}
        if since_at is None or now - since_at < longest_ms:
            yield Evaluation(subject, measured)
            continue
        finding = Finding(
            subject=subject,
            severity=Severity.NOTIFY,
            text=f"channel {channel.name} accepts nothing: {channel.fault or 'without a reason'}",
            since_at=since_at,
            hint=f"mainspring notify test {channel.name}",
            facts=facts,
        )
        yield Evaluation(subject, measured, finding)


def evaluate_always_on(
    kind: IncidentKind, reader: StoreReader, now: int, named: Container[str], store_lost_after: timedelta
) -> Iterator[Evaluation]:
    """Evaluate, at the time of the request, a monitor that no setting switches off (`domain/monitors/fixed_monitors.py`).

    `named` = the configured channels.
    """
    views = channels(reader)
    if kind is IncidentKind.NOTIFIER_BROKEN:
        yield from evaluate_channels(views, named, now)
    else:
        yield Evaluation(Subject("", IncidentKind.STORE_LOST), {"read_at": now, "longest_ms": to_ms(store_lost_after)})
