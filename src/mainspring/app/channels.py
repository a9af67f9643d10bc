"""What `[notify]` makes: the routing that decides who is told, and the links that tell them."""

from datetime import timedelta

from mainspring.config.settings import Settings
from mainspring.domain.channel import TERMINAL, read_channel
from mainspring.domain.clock import Clock
from mainspring.domain.cron import zone_of
from mainspring.domain.errors import ConfigError
from mainspring.domain.incident import Incident
from mainspring.domain.link import LIVES_S, SECRET, SHORTEST_KEY, Grant
from mainspring.domain.rendering import Circumstances
from mainspring.domain.route import Routing
from mainspring.operations.notifiers import open_link
from mainspring.operations.notifiers.base import ChannelLink
from mainspring.resources.fault_text import FaultText
from mainspring.resources.secret import Secrets

_MILLISECOND = timedelta(milliseconds=1)
_CLOCKS_DIFFER_S = 600
"""A link is made by one machine and opened at another, whose clock may be behind: what lives for too long by it is refused."""


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


def link_of(settings: Settings, secrets: Secrets, clock: Clock, incident: Incident) -> str | None:
    """Return the link to an incident, signed; None where no address is public or no key is set. The key is looked up each time."""
    if settings.web.public_url is None:
        return None
    try:
        keys = [key for key in secrets.lines(SECRET) if len(key) >= SHORTEST_KEY]
    except ConfigError:
        return None
    grant = Grant(incident.id, incident.opened, clock.now() // 1000 + LIVES_S - _CLOCKS_DIFFER_S)
    return f"{settings.web.public_url}/i/{grant.token(keys[0])}" if keys else None


def circumstances_of(settings: Settings) -> Circumstances:
    """Return what every notice of this installation says alike."""
    project = settings.project
    return Circumstances(zone=zone_of(project.timezone), project=project.name, environment=project.environment)
