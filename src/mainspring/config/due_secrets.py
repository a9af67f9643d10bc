"""Due secrets, `[secrets.due]`: the days by which secrets have to be renewed, and the settings that need them."""

from collections.abc import Iterator
from datetime import date, datetime, time

from mainspring.config.settings import Settings
from mainspring.domain.access.incident_link import LINK_SECRET_NAME as LINK_KEY
from mainspring.domain.monitors.inputs import DueSecret
from mainspring.domain.redaction.secret_name import list_references, secret_variable_name
from mainspring.domain.time.cron import find_zone
from mainspring.integrations.notifiers import read_channel_address

_REFERENCE = "secret:"


def read_due_secrets(settings: Settings) -> tuple[DueSecret, ...]:
    """Return the secrets that have a date, by name; a day begins on the clock of the project."""
    zone = find_zone(settings.project.timezone)
    users = [(secret_variable_name(name), user) for name, user in list_secret_uses(settings)]
    return tuple(
        DueSecret(
            name=name,
            day=day,
            due_at=round(datetime.combine(date.fromisoformat(day), time(), zone).timestamp() * 1_000),
            used_by=tuple(user for variable, user in users if variable == secret_variable_name(name)),
        )
        for name, day in sorted(settings.secrets.due.items())
    )


def list_secret_uses(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the secrets that settings refer to, each with its user."""
    for name, address in settings.notify.channels.items():
        yield from ((secret, f"channel {name}") for secret in read_channel_address(address).secrets)
    for name, broker in settings.brokers.items():
        yield from ((secret, f"broker {name}") for secret in list_references(broker.url))
    for name, backend in settings.locks.items():
        yield from ((secret, f"lock backend {name}") for secret in list_references(backend.url))
    for name, database in settings.databases.items():
        yield from ((secret, f"database {name}") for secret in list_references(database.url))
    if settings.web.public_url is not None:
        yield LINK_KEY, "web.public_url"
    for path, text in (
        ("notify.watchdog", settings.notify.watchdog),
        ("otel.headers_secret", settings.otel.headers_secret),
        ("web.oidc.client_secret", settings.web.oidc.client_secret),
    ):
        if text is not None and text.startswith(_REFERENCE):
            yield text.removeprefix(_REFERENCE), path
