"""What `[notify]` makes: the routing that decides who is told, and the links that tell them."""

from datetime import timedelta

from mainspring.config.settings import Settings
from mainspring.domain.channel import TERMINAL, read_channel
from mainspring.domain.clock import Clock
from mainspring.domain.cron import zone_of
from mainspring.domain.rendering import Circumstances
from mainspring.domain.route import Routing
from mainspring.operations.notifiers import open_link
from mainspring.operations.notifiers.base import ChannelLink
from mainspring.resources.fault_text import FaultText

_MILLISECOND = timedelta(milliseconds=1)


def routing_of(settings: Settings) -> Routing:
    """Return who is told what, and when."""
    notify = settings.notify
    return Routing(
        channels=tuple(notify.channels),
        routes=notify.route,
        maintenance=notify.maintenance,
        zone=zone_of(settings.project.timezone),
        digest=notify.digest,
        group_wait_ms=notify.group_wait // _MILLISECOND,
        repeat_ms=notify.repeat // _MILLISECOND,
        escalate_after_ms=notify.escalate_after // _MILLISECOND,
    )


def addresses_of(settings: Settings) -> dict[str, str]:
    """Return the addresses of all channels by name; the terminal is always one of them."""
    return {**settings.notify.channels, TERMINAL: settings.notify.channels.get(TERMINAL, TERMINAL)}


def open_links(settings: Settings, faults: FaultText, clock: Clock) -> dict[str, ChannelLink]:
    """Return what tells each channel, by its name. No secret is looked up yet."""
    return {name: open_link(read_channel(text), faults, clock) for name, text in addresses_of(settings).items()}


def circumstances_of(settings: Settings) -> Circumstances:
    """Return what every notice of this installation says alike."""
    project = settings.project
    return Circumstances(zone=zone_of(project.timezone), project=project.name, environment=project.environment)
