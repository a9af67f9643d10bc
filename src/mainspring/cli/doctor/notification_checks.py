"""The checks of who is told: some channel is there, its secrets are, and it takes what it is told."""

import os
from collections.abc import Collection, Iterator

from mainspring.cli.context import Invocation
from mainspring.cli.doctor.checks import CheckResult, make_ok_result
from mainspring.insight.text.formatting import escape_line, format_count, format_distance, format_span
from mainspring.store.base import StoreReader

_LATE_AFTER_MS = 60_000
"""So long after its time an alert may wait: a watcher looks every few seconds."""


def check_channels(invocation: Invocation) -> Iterator[CheckResult]:
    """What goes wrong is told to somebody."""
    from mainspring.config.locations import PRODUCTION
    from mainspring.domain.errors import ConfigError
    from mainspring.domain.notifications.channel_address import read_channel_address
    from mainspring.resources.secret_store import SecretStore

    settings = invocation.settings
    channels = settings.notify.channels
    if not channels and settings.project.environment != PRODUCTION:
        yield make_ok_result("notify", f"{settings.project.environment} tells the terminal alone")
        return
    if not channels:
        fix = 'Name one in mainspring.toml: [notify.channels], then ops = "slack://secret:NAME/#ops".'
        yield CheckResult(
            "notify", "warning", "no channel is configured: what goes wrong is told to the terminal alone", fix
        )
        return
    secrets = SecretStore(settings.secrets.dir, os.environ)
    is_well = True
    for name, address in channels.items():
        for secret in read_channel_address(address).secrets:
            try:
                secrets.get(secret)
            except ConfigError as error:
                is_well = False
                yield CheckResult(
                    "notify", "problem", f"channel {name} cannot be told: {error.message}", error.hint or ""
                )
    if is_well:
        yield make_ok_result(
            "notify", f"{format_count(len(channels), 'channel')} with all secrets; try them: mainspring notify test"
        )


def check_alerts(invocation: Invocation) -> Iterator[CheckResult]:
    """What is to be told is told: nothing waits past its time, and nothing for a channel that nobody has any more."""
    from mainspring.app.alerting.channels import channel_addresses

    named, now = channel_addresses(invocation.settings), invocation.clock.now()
    found = invocation.rows_if_made(lambda reader: list(_check_waiting(reader, named, now)))
    yield from found or [
        make_ok_result(
            "alerts",
            "; ".join(invocation.rows_if_made(lambda reader: _last_deliveries(reader, named, now))) or "none yet",
        )
    ]


def _check_waiting(reader: StoreReader, named: Collection[str], now: int) -> Iterator[CheckResult]:
    from mainspring.store.read import incidents as reads

    known = {one.name: one for one in reads.channels(reader)}
    for one in reads.unsent_alerts(reader):
        if one.due_at is None:
            continue
        name = escape_line(one.channel, 40)
        which = f"{format_count(one.number, 'alert waits', 'alerts wait')} for channel {name}"
        if one.channel not in named:
            fix = f"Name {name} in [notify.channels] again; where it is gone for good, they go with their incidents."
            yield CheckResult("alerts", "problem", f"{which}, which is configured no more", fix)
        elif now - one.due_at > _LATE_AFTER_MS:
            view = known.get(one.channel)
            fault = None if view is None else view.fault
            why = f": {escape_line(fault, 200)}" if fault else ", and nobody tells them"
            fix = f"See what it answers: mainspring notify test {name}" if fault else "Start a watcher: mainspring up"
            last = "" if view is None or view.told_at is None else f"; last told {format_distance(view.told_at, now)}"
            yield CheckResult("alerts", "problem", f"{which}, due for {format_span(now - one.due_at)}{why}{last}", fix)


def _last_deliveries(reader: StoreReader, named: Collection[str], now: int) -> list[str]:
    """Return the last delivery of each channel."""
    from mainspring.store.read.incidents import channels

    seen = [one for one in channels(reader) if one.name in named]
    return [
        f"{one.name} last told {format_distance(one.told_at, now)}" if one.told_at else f"{one.name} never told"
        for one in seen
    ]
