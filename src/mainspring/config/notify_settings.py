"""Settings of `[notify]`: who is notified of what, and when."""

from datetime import timedelta
from typing import Annotated

from msgspec import Meta, Struct, field

from mainspring.domain.notifications.digest_schedule import DEFAULT_DIGEST
from mainspring.domain.notifications.maintenance_window import MaintenanceWindow
from mainspring.domain.notifications.routing import NotificationRoute

ChannelAddress = Annotated[str, Meta(title="channel")]
RouteTable = Annotated[NotificationRoute, Meta(title="route")]
MaintenanceTable = Annotated[MaintenanceWindow, Meta(title="maintenance")]
DigestTime = Annotated[str, Meta(title="digest")]
WatchdogUrl = Annotated[str, Meta(title="pulse url")]
Span = Annotated[timedelta, Meta(title="span")]
PositiveSpan = Annotated[timedelta, Meta(title="positive span")]


class NotifySettings(Struct, frozen=True, kw_only=True):
    """`[notify]`: the channels by name, the routes that lead to them, and the times that all of them share.

    `channels` empty = the terminal; `route` empty = everything to every channel. `watchdog` = an outside service that gets a regular
    ping, and alarms if it stops. `store_lost_after` = how long the store may be lost before a notification; a shorter loss sends none.
    """

    channels: dict[str, ChannelAddress] = field(default_factory=dict)
    route: tuple[RouteTable, ...] = ()
    maintenance: tuple[MaintenanceTable, ...] = ()
    group_wait: Span = timedelta(seconds=30)
    repeat: PositiveSpan = timedelta(hours=4)
    escalate_after: PositiveSpan = timedelta(minutes=15)
    digest: DigestTime = DEFAULT_DIGEST
    watchdog: WatchdogUrl | None = None
    store_lost_after: Span = timedelta(minutes=1)
