"""`[secrets.due]`: which secrets have to be renewed by when, and what the configuration itself needs them for."""

from collections.abc import Iterator
from datetime import date, datetime, time

from mainspring.config.settings import Settings
from mainspring.domain.channel import read_channel
from mainspring.domain.cron import zone_of
from mainspring.domain.link import SECRET as LINK_KEY
from mainspring.domain.monitors.facts import DueSecret
from mainspring.domain.queue_address import secrets_of
from mainspring.resources.secret import variable_of

_REFERENCE = "secret:"


def due_secrets_of(settings: Settings) -> tuple[DueSecret, ...]:
    """Return the secrets that have a date, by name; a day begins on the clock of the project."""
    zone = zone_of(settings.project.timezone)
    users = [(variable_of(name), user) for name, user in _users(settings)]
    return tuple(
        DueSecret(
            name=name,
            day=day,
            due_at=round(datetime.combine(date.fromisoformat(day), time(), zone).timestamp() * 1_000),
            used_by=tuple(user for variable, user in users if variable == variable_of(name)),
        )
        for name, day in sorted(settings.secrets.due.items())
    )


def _users(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the secrets that settings refer to, each with what needs it."""
    for name, address in settings.notify.channels.items():
        yield from ((secret, f"channel {name}") for secret in read_channel(address).secrets)
    for name, broker in settings.brokers.items():
        yield from ((secret, f"broker {name}") for secret in secrets_of(broker.url))
    if settings.web.public_url is not None:
        yield LINK_KEY, "web.public_url"
    for path, text in (
        ("notify.watchdog", settings.notify.watchdog),
        ("otel.headers_secret", settings.otel.headers_secret),
        ("web.oidc.client_secret", settings.web.oidc.client_secret),
    ):
        if text is not None and text.startswith(_REFERENCE):
            yield text.removeprefix(_REFERENCE), path
