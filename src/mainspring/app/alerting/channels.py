"""What `[notify]` makes: the routing that decides who is told, and the links that tell them."""

from datetime import timedelta

from mainspring.alerting.notifiers import open_link
from mainspring.alerting.notifiers.base import ChannelLink
from mainspring.config.settings import Settings
from mainspring.domain.access.incident_link import (
    LINK_LIFETIME_S,
    LINK_SECRET_NAME,
    MIN_LINK_KEY_LENGTH,
    IncidentLinkToken,
)
from mainspring.domain.clock import Clock
from mainspring.domain.errors import ConfigError
from mainspring.domain.incidents.incident import Incident
from mainspring.domain.notifications.channel_address import TERMINAL, read_channel_address
from mainspring.domain.notifications.rendering import NotificationContext
from mainspring.domain.notifications.routing import NotificationRouting
from mainspring.domain.time.cron import find_zone
from mainspring.resources.error_text import ErrorText
from mainspring.resources.secret_store import SecretStore

_MILLISECOND = timedelta(milliseconds=1)
_MAX_CLOCK_SKEW_S = 600
"""A link is made by one machine and opened at another, whose clock may be behind: what lives for too long by it is refused."""


def make_routing(settings: Settings) -> NotificationRouting:
    """Return who is told what, and when."""
    notify = settings.notify
    return NotificationRouting(
        channels=tuple(notify.channels),
        routes=notify.route,
        maintenance=notify.maintenance,
        zone=find_zone(settings.project.timezone),
        digest=notify.digest,
        group_wait_ms=notify.group_wait // _MILLISECOND,
        repeat_ms=notify.repeat // _MILLISECOND,
        escalate_after_ms=notify.escalate_after // _MILLISECOND,
    )


def channel_addresses(settings: Settings) -> dict[str, str]:
    """Return the addresses of all channels by name; the terminal is always one of them."""
    return {**settings.notify.channels, TERMINAL: settings.notify.channels.get(TERMINAL, TERMINAL)}


def open_links(settings: Settings, faults: ErrorText, clock: Clock) -> dict[str, ChannelLink]:
    """Return what tells each channel, by its name. No secret is looked up yet."""
    return {
        name: open_link(read_channel_address(text), faults, clock) for name, text in channel_addresses(settings).items()
    }


def sign_incident_link(settings: Settings, secrets: SecretStore, clock: Clock, incident: Incident) -> str | None:
    """Return the link to an incident, signed; None where no address is public or no key is set. The key is looked up each time."""
    if settings.web.public_url is None:
        return None
    try:
        keys = [key for key in secrets.lines(LINK_SECRET_NAME) if len(key) >= MIN_LINK_KEY_LENGTH]
    except ConfigError:
        return None
    grant = IncidentLinkToken(incident.id, incident.opened, clock.now() // 1000 + LINK_LIFETIME_S - _MAX_CLOCK_SKEW_S)
    return f"{settings.web.public_url}/i/{grant.token(keys[0])}" if keys else None


def notice_context(settings: Settings) -> NotificationContext:
    """Return what every notice of this installation says alike."""
    project = settings.project
    return NotificationContext(zone=find_zone(project.timezone), project=project.name, environment=project.environment)
