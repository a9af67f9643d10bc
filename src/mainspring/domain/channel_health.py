"""When a channel itself is wrong: it takes nothing, or nobody tells it. Told through the others (`route`), never through itself."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

import msgspec

from mainspring.domain.duration import format_duration
from mainspring.domain.incident import Finding, IncidentKind, Severity, Subject

AWAY_MS = 120_000
"""A hiccup that is over before is told to nobody."""
UNTOLD_MS = 600_000
"""So long may an alert be due although its channel is not away."""


class ChannelHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A channel as the store knows it: since when and why it takes nothing (None = it does), since when its oldest alert is due."""

    name: str
    away_since_at: int | None = None
    fault: str | None = None
    due_since_at: int | None = None
    waits_page: bool = False
    """Whether an alert of the highest severity waits for it."""


def subject_of(channel: str) -> Subject:
    """Return what an incident of a channel is known by."""
    return Subject("", IncidentKind.NOTIFIER_BROKEN, channel)


def broken_channels(channels: Iterable[ChannelHealth], now: int) -> Iterator[Finding]:
    """Return what is wrong with channels."""
    for one in channels:
        if one.away_since_at is not None and now - one.away_since_at >= AWAY_MS:
            span = format_duration(timedelta(minutes=(now - one.away_since_at) // 60_000))
            text = f"channel {one.name} has taken nothing for {span}: {one.fault or 'it says nothing'}"
            yield _finding(one, one.away_since_at, text, f"mainspring notify test {one.name}")
        elif one.away_since_at is None and one.due_since_at is not None and now - one.due_since_at >= UNTOLD_MS:
            text = f"nobody tells channel {one.name} what is due on it"
            yield _finding(
                one, one.due_since_at, text, f"Is {one.name} among [notify.channels] of the process that watches?"
            )


def _finding(channel: ChannelHealth, since_at: int, text: str, hint: str) -> Finding:
    return Finding(
        subject=subject_of(channel.name),
        severity=Severity.PAGE if channel.waits_page else Severity.NOTIFY,
        text=text,
        since_at=since_at,
        hint=hint,
        facts={"channel": channel.name, "fault": channel.fault},
    )
