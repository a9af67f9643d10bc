"""Fixed monitors, which no configuration changes: of the notification channels, and of the store on which all other monitors depend."""

from typing import Final

from msgspec import Struct

from mainspring.domain.incidents.incident import IncidentKind


class FixedMonitor(Struct, frozen=True, kw_only=True):
    """A monitor that cannot be switched off or tuned under `[monitors]`; `why` shows the reason to people."""

    kind: IncidentKind
    line: str
    rule: str
    why: str


FIXED_MONITORS: Final[dict[IncidentKind, FixedMonitor]] = {
    monitor.kind: monitor
    for monitor in (
        FixedMonitor(
            kind=IncidentKind.NOTIFIER_BROKEN,
            line="A channel does not accept alerts.",
            rule=(
                "Open while a channel has accepted nothing, or refused all alerts, for longest_ms since since_at. The other "
                "channels report it."
            ),
            why="It cannot be turned off: without it, no one would learn that a channel is broken.",
        ),
        FixedMonitor(
            kind=IncidentKind.STORE_LOST,
            line="The store cannot be read or written.",
            rule=(
                "Opens when the store could not be read or written for longest_ms. The notification does not need the store; "
                "the incident is recorded when the store is back."
            ),
            why="It cannot be turned off: no other monitor works without the store. notify.store_lost_after sets "
            "the time.",
        ),
    )
}
"""In the order in which they are listed, after all others."""
