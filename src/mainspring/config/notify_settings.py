"""`[notify]` of the configuration: who is told what, and when."""

from datetime import timedelta
from typing import Annotated

from msgspec import Meta, Struct, field

from mainspring.domain.digest_time import DAILY
from mainspring.domain.maintenance import Maintenance
from mainspring.domain.route import Route

ChannelAddress = Annotated[str, Meta(title="channel")]
RouteTable = Annotated[Route, Meta(title="route")]
MaintenanceTable = Annotated[Maintenance, Meta(title="maintenance")]
DigestTime = Annotated[str, Meta(title="digest")]
PulseUrl = Annotated[str, Meta(title="pulse url")]
Span = Annotated[timedelta, Meta(title="span")]
PositiveSpan = Annotated[timedelta, Meta(title="positive span")]


class NotifySettings(Struct, frozen=True, kw_only=True):
    """`[notify]`: the channels by name, the routes that lead to them, and the times that all of them share.

    `channels` empty = the terminal; `route` empty = everything to every channel. `watchdog` = who hears outside that all moves, and alarms
    when nothing is heard. `store_lost_after` = how long the store may be lost before that is told; what is over sooner is told to nobody.
    """

    channels: dict[str, ChannelAddress] = field(default_factory=dict)
    route: tuple[RouteTable, ...] = ()
    maintenance: tuple[MaintenanceTable, ...] = ()
    group_wait: Span = timedelta(seconds=30)
    repeat: PositiveSpan = timedelta(hours=4)
    escalate_after: PositiveSpan = timedelta(minutes=15)
    digest: DigestTime = DAILY
    watchdog: PulseUrl | None = None
    store_lost_after: Span = timedelta(minutes=1)
