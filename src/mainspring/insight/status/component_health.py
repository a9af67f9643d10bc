"""Health of the components of Mainspring: processes by role, the store, each channel. Pure, but for the instant."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from mainspring.domain.processes.process_role import HEARTBEAT_ROLES, ProcessRole
from mainspring.domain.states import SessionState
from mainspring.insight.incidents.channel_list import ChannelLine
from mainspring.insight.status.stuck_work import LOW_SPACE, SILENT_MS
from mainspring.insight.text.formatting import escape_line, format_count, format_distance
from mainspring.store.session_views import SessionView

GOOD, BAD, WARN, IDLE = "good", "bad", "warn", "idle"
_GIB = 1024**3
_WORKERS = ("worker", "dev", "app")
_LATE_MS = 60_000
"""An alert that waits this long past its time is reported."""


class ComponentHealth(msgspec.Struct, frozen=True):
    """A component: its health as a tone (good, warn, bad, idle = absent and not needed here) and in words."""

    name: str
    tone: str
    text: str


def is_silent(session: SessionView, now: int) -> bool:
    """Whether a process that should send heartbeats does not; one that wraps a command sends none."""
    beats = session.role in HEARTBEAT_ROLES and session.ended_at is None and session.state != SessionState.DEAD
    return beats and now - session.beat_at > SILENT_MS


def list_process_health(sessions: Sequence[SessionView], now: int) -> Iterator[ComponentHealth]:
    """Yield for each role how many processes live and how many are silent."""
    for role in ProcessRole:
        roles = _WORKERS if role is ProcessRole.WORKER else (role.value,)
        found = [session for session in sessions if session.role in roles and session.ended_at is None]
        dead = sum(session.state == SessionState.DEAD for session in found)
        silent = sum(is_silent(session, now) for session in found)
        draining = sum(session.state == SessionState.DRAINING for session in found)
        live = len(found) - dead - silent
        words = [f"{live} alive"] if live else ["none"]
        words += [
            f"{number} {word}"
            for number, word in ((silent, "silent"), (dead, "dead"), (draining, "draining"))
            if number
        ]
        tone = (
            BAD if silent or (dead and not live) else WARN if draining and draining == live else GOOD if live else IDLE
        )
        yield ComponentHealth(role.value, tone, ", ".join(words))


def read_store_health(location: str, free: int | None) -> ComponentHealth:
    """Return where the store is and how much space is free; it answered, or this would not run."""
    if free is None:
        return ComponentHealth("store", GOOD, f"{location} answers")
    return ComponentHealth(
        "store", BAD if free < LOW_SPACE else GOOD, f"{location} answers, {free / _GIB:.1f} GiB free beside it"
    )


def list_channel_health(channels: Iterable[ChannelLine], now: int) -> Iterator[ComponentHealth]:
    """Yield for each channel that is configured, or has alerts left, whether it accepts alerts."""
    for channel in channels:
        name = f"channel {channel.name}"
        if channel.address is None and channel.oldest_at is None:
            continue  # no longer configured, and no alerts left
        if channel.since_at is not None:
            suffix = f": {escape_line(channel.fault, 120)}" if channel.fault else ""
            yield ComponentHealth(
                name,
                BAD,
                f"accepts nothing since {format_distance(channel.since_at, now)} ("
                f"{format_count(channel.failures, 'attempt')}){suffix}",
            )
        elif channel.oldest_at is not None and now - channel.oldest_at > _LATE_MS:
            yield ComponentHealth(name, WARN, f"a notification due {format_distance(channel.oldest_at, now)} waits")
        else:
            yield ComponentHealth(
                name,
                GOOD,
                f"notified {format_distance(channel.accepted_at, now)}"
                if channel.accepted_at
                else "nothing notified yet",
            )
