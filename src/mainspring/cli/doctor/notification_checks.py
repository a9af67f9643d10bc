"""Notification checks: there is a channel, its secrets exist, and it accepts notifications."""

from collections.abc import Collection, Iterator

from mainspring.cli.context import Invocation
from mainspring.cli.doctor.checks import CheckResult, make_ok_result
from mainspring.insight.text.formatting import escape_line, format_count, format_distance, format_span
from mainspring.store.base import StoreReader

_LATE_AFTER_MS = 60_000
"""Delay after which an alert is late: a watcher evaluates every few seconds."""


def check_channels(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that someone is notified of failures."""
    from mainspring.config.locations import PRODUCTION
    from mainspring.domain.errors import ConfigError
    from mainspring.integrations.notifiers import read_channel_address

    settings = invocation.settings
    channels = settings.notify.channels
    if not channels and settings.project.environment != PRODUCTION:
        yield make_ok_result("notify", f"{settings.project.environment} notifies only the terminal")
        return
    if not channels:
        fix = 'Name one in mainspring.toml: [notify.channels], then ops = "slack://secret:NAME/#ops".'
        yield CheckResult("notify", "warning", "no channel is configured: notifications go only to the terminal", fix)
        return
    secrets = invocation.secrets
    is_healthy = True
    for name, address in channels.items():
        for secret in read_channel_address(address).secrets:
            try:
                secrets.get(secret)
            except ConfigError as error:
                is_healthy = False
                yield CheckResult(
                    "notify", "problem", f"channel {name} cannot be used: {error.message}", error.hint or ""
                )
    if is_healthy:
        yield make_ok_result(
            "notify", f"{format_count(len(channels), 'channel')} with all secrets; test them: mainspring notify test"
        )


def check_alerts(invocation: Invocation) -> Iterator[CheckResult]:
    """Check that due alerts are sent: none waits past its time, and none for a channel that no longer exists."""
    from mainspring.app.alerting.channels import channel_addresses

    configured, now = channel_addresses(invocation.settings), invocation.clock.now()
    late_alerts = invocation.rows_if_made(lambda reader: list(_check_waiting(reader, configured, now)))
    yield from late_alerts or [
        make_ok_result(
            "alerts",
            "; ".join(invocation.rows_if_made(lambda reader: _last_deliveries(reader, configured, now))) or "none yet",
        )
    ]


def _check_waiting(reader: StoreReader, configured: Collection[str], now: int) -> Iterator[CheckResult]:
    from mainspring.store.read import incidents

    known = {channel.name: channel for channel in incidents.channels(reader)}
    for queued in incidents.unsent_alerts(reader):
        if queued.due_at is None:
            continue
        name = escape_line(queued.channel, 40)
        subject = f"{format_count(queued.number, 'alert waits', 'alerts wait')} for channel {name}"
        if queued.channel not in configured:
            fix = f"Add {name} to [notify.channels] again. If it was removed for good: these end with their incidents."
            yield CheckResult("alerts", "problem", f"{subject}, which is no longer configured", fix)
        elif now - queued.due_at > _LATE_AFTER_MS:
            view = known.get(queued.channel)
            fault = None if view is None else view.fault
            reason = f": {escape_line(fault, 200)}" if fault else ", and no watcher sends them"
            fix = f"See its answer: mainspring notify test {name}" if fault else "Start a watcher: mainspring up"
            last = (
                ""
                if view is None or view.accepted_at is None
                else f"; last notified {format_distance(view.accepted_at, now)}"
            )
            yield CheckResult(
                "alerts", "problem", f"{subject}, due for {format_span(now - queued.due_at)}{reason}{last}", fix
            )


def _last_deliveries(reader: StoreReader, configured: Collection[str], now: int) -> list[str]:
    """Return the last notification of each channel."""
    from mainspring.store.read.incidents import channels

    configured_channels = [channel for channel in channels(reader) if channel.name in configured]
    return [
        f"{channel.name} last notified {format_distance(channel.accepted_at, now)}"
        if channel.accepted_at
        else f"{channel.name} never notified"
        for channel in configured_channels
    ]
