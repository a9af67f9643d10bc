"""List of channels as people see them: address, whether each accepts alerts, since when not and why."""

from collections.abc import Mapping

import msgspec

from mainspring.store.base import StoreReader
from mainspring.store.read import incidents


class ChannelLine(msgspec.Struct, frozen=True, kw_only=True):
    """A channel. `address` contains names of secrets only; None = it is no longer configured.

    `fault` = why it accepts nothing, since `since_at`; the next attempt is at `due_at`. `unsent` = alerts that wait for it or for their
    time, the first of them since `oldest_at`.
    """

    name: str
    address: str | None
    accepted_at: int | None = msgspec.field(default=None, name="told_at")
    fault: str | None = None
    failures: int = 0
    since_at: int | None = None
    due_at: int | None = None
    unsent: int = 0
    oldest_at: int | None = None


def list_channel_lines(reader: StoreReader, addresses: Mapping[str, str]) -> list[ChannelLine]:
    """Return the configured channels and those that still have alerts or a fault, by name."""
    views = {channel.name: channel for channel in incidents.channels(reader)}
    waiting = {alert.channel: alert for alert in incidents.unsent_alerts(reader)}
    lines = []
    for name in sorted({*addresses, *views, *waiting}):
        view, unsent = views.get(name), waiting.get(name)
        is_failing = view is not None and view.fault is not None
        lines.append(
            ChannelLine(
                name=name,
                address=addresses.get(name),
                accepted_at=None if view is None else view.accepted_at,
                fault=None if view is None else view.fault,
                failures=0 if view is None else view.failures,
                since_at=None if view is None else view.since_at,
                due_at=view.due_at if view is not None and is_failing else None,
                unsent=0 if unsent is None else unsent.number,
                oldest_at=None if unsent is None else unsent.due_at,
            )
        )
    return lines
