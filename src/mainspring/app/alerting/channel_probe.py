"""Probe of channels: send a test notification now, for `notify test` and the button next to a channel. Nothing is stored."""

import asyncio
import time
from collections.abc import Sequence

import msgspec

from mainspring.app.alerting.channels import channel_addresses, open_links
from mainspring.app.alerting.short_lived_loop import run_in_short_lived_loop
from mainspring.app.setup.secrets import make_secret_store
from mainspring.config.settings import Settings
from mainspring.domain.clock import Clock
from mainspring.domain.errors import UnknownNameError
from mainspring.domain.ids import make_id
from mainspring.domain.incidents.incident import Severity
from mainspring.domain.notifications.channel_name import TERMINAL
from mainspring.domain.notifications.notification import Notification, NotificationEvent, NotificationField
from mainspring.integrations.base.notifier import ChannelFault, ChannelLink
from mainspring.resources.error_text import ErrorText

PROBE_TIMEOUT_S = 30.0


class ChannelProbeResult(msgspec.Struct, frozen=True):
    """The answer of a channel. `fault` None = it accepted the notification."""

    channel: str
    fault: str | None
    took_ms: int
    address: str


def select_channels(settings: Settings, channel: str | None = None) -> list[str]:
    """Return this channel, or all configured ones; without a configured channel the terminal.

    Raises:
        UnknownNameError: there is no such channel. The error names the nearest one.
    """
    known = channel_addresses(settings)
    if channel is None:
        return list(settings.notify.channels) or [TERMINAL]
    if channel not in known:
        raise UnknownNameError("channel", channel, known)
    return [channel]


def probe_channels(
    settings: Settings, channels: Sequence[str], *, by: str, clock: Clock, within_s: float = PROBE_TIMEOUT_S
) -> list[ChannelProbeResult]:
    """Send a test notification to all these channels at once, and return their answers. Blocking."""
    faults = ErrorText(make_secret_store(settings))
    links, addresses = open_links(settings, faults, clock), channel_addresses(settings)
    notice = _make_test_notice(settings, by, clock)

    async def probe_all() -> list[ChannelProbeResult]:
        tries = (_probe_channel(name, links[name], notice, faults, within_s) for name in channels)
        return list(await asyncio.gather(*tries))

    return [
        msgspec.structs.replace(result, address=addresses[result.channel])
        for result in run_in_short_lived_loop(probe_all())
    ]


async def _probe_channel(
    name: str, link: ChannelLink, notice: Notification, faults: ErrorText, within_s: float
) -> ChannelProbeResult:
    since = time.monotonic()
    fault = None
    try:
        async with asyncio.timeout(within_s):
            await link.send(notice, None)
    except ChannelFault as error:
        fault = error.text
    except Exception as error:  # noqa: BLE001 - what a library raises is the answer
        fault = faults.of(error) or type(error).__name__
    finally:
        await link.close()
    return ChannelProbeResult(name, fault, round((time.monotonic() - since) * 1000), "")


def _make_test_notice(settings: Settings, by: str, clock: Clock) -> Notification:
    project, now = settings.project, clock.now()
    test_id = make_id("t", now, clock.random_bits(80))
    return Notification(
        id=test_id,
        key=f"mainspring:test:{test_id}",
        about=NotificationEvent.TEST,
        severity=Severity.NOTIFY,
        headline=f"[test] {project.name or 'mainspring'}: this channel works; this is only a test",
        fields=(
            NotificationField("What", "a person tests this channel"),
            NotificationField("By", by),
            NotificationField("Do", "nothing"),
        ),
        environment=project.environment,
        project=project.name,
        at=now,
    )
