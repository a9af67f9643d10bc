"""How the house itself stands: processes by role, the store, each channel that tells people. Pure, but for the instant."""

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
"""What waits for a channel for so long past its time is told."""


class ComponentHealth(msgspec.Struct, frozen=True):
    """A part of the house: how it stands as a tone (good, warn, bad, idle = not there, and not missed here) and in words."""

    name: str
    tone: str
    text: str


def is_silent(one: SessionView, now: int) -> bool:
    """Tell whether a process that should beat gives no sign of life; one that wraps a command does not beat."""
    beats = one.role in HEARTBEAT_ROLES and one.ended_at is None and one.state != SessionState.DEAD
    return beats and now - one.beat_at > SILENT_MS


def list_process_health(sessions: Sequence[SessionView], now: int) -> Iterator[ComponentHealth]:
    """Tell of each role how many live and how many give no sign of life."""
    for role in ProcessRole:
        roles = _WORKERS if role is ProcessRole.WORKER else (role.value,)
        found = [one for one in sessions if one.role in roles and one.ended_at is None]
        dead = sum(one.state == SessionState.DEAD for one in found)
        mute = sum(is_silent(one, now) for one in found)
        draining = sum(one.state == SessionState.DRAINING for one in found)
        live = len(found) - dead - mute
        said = [f"{live} alive"] if live else ["none"]
        said += [
            f"{number} {word}" for number, word in ((mute, "silent"), (dead, "dead"), (draining, "draining")) if number
        ]
        tone = BAD if mute or (dead and not live) else WARN if draining and draining == live else GOOD if live else IDLE
        yield ComponentHealth(role.value, tone, ", ".join(said))


def read_store_health(shown: str, free: int | None) -> ComponentHealth:
    """Tell where the store is, and what is left beside it; it answers, else nobody would ask."""
    if free is None:
        return ComponentHealth("store", GOOD, f"{shown} answers")
    return ComponentHealth(
        "store", BAD if free < LOW_SPACE else GOOD, f"{shown} answers, {free / _GIB:.1f} GiB free beside it"
    )


def list_channel_health(found: Iterable[ChannelLine], now: int) -> Iterator[ComponentHealth]:
    """Tell of each channel that is configured, or still has something to tell, whether it takes what it is to tell."""
    for one in found:
        name = f"channel {one.name}"
        if one.address is None and one.oldest_at is None:
            continue  # it is not configured any more, and has nothing left to tell
        if one.since_at is not None:
            why = f": {escape_line(one.fault, 120)}" if one.fault else ""
            yield ComponentHealth(
                name,
                BAD,
                f"takes nothing since {format_distance(one.since_at, now)} ({format_count(one.failures, 'try', 'tries')}){why}",
            )
        elif one.oldest_at is not None and now - one.oldest_at > _LATE_MS:
            yield ComponentHealth(name, WARN, f"what was due {format_distance(one.oldest_at, now)} waits")
        else:
            yield ComponentHealth(
                name, GOOD, f"told {format_distance(one.told_at, now)}" if one.told_at else "has told nothing yet"
            )
