"""The check of who is told: some channel is there, and its secrets are."""

import os
from collections.abc import Iterator

from mainspring.cli.checks import Check, ok
from mainspring.cli.context import Invocation
from mainspring.cli.words import many


def notify(invocation: Invocation) -> Iterator[Check]:
    """What goes wrong is told to somebody."""
    from mainspring.config.places import PRODUCTION
    from mainspring.domain.channel import read_channel
    from mainspring.domain.errors import ConfigError
    from mainspring.resources.secret import Secrets

    settings = invocation.settings
    channels = settings.notify.channels
    if not channels and settings.project.environment != PRODUCTION:
        yield ok("notify", f"{settings.project.environment} tells the terminal alone")
        return
    if not channels:
        fix = 'Name one in mainspring.toml: [notify.channels], then ops = "slack://secret:NAME/#ops".'
        yield Check("notify", "warning", "no channel is configured: what goes wrong is told to the terminal alone", fix)
        return
    secrets = Secrets(settings.secrets.dir, os.environ)
    is_well = True
    for name, address in channels.items():
        for secret in read_channel(address).secrets:
            try:
                secrets.get(secret)
            except ConfigError as error:
                is_well = False
                yield Check("notify", "problem", f"channel {name} cannot be told: {error.message}", error.hint or "")
    if is_well:
        yield ok("notify", f"{many(len(channels), 'channel')} with all secrets; try them: mainspring notify test")
