"""Notification of an unrecorded run that failed: the store and both spools cannot be written."""

import asyncio
import logging
import socket

from mainspring.app.alerting.channels import make_routing, notice_context, open_links
from mainspring.config import Settings
from mainspring.domain.clock import Clock
from mainspring.domain.ids import make_id
from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.incidents.incident_filter import IncidentAttributes
from mainspring.domain.notifications.notification import Notification, NotificationEvent, NotificationField
from mainspring.domain.notifications.rendering import fit_line
from mainspring.integrations.base.notifier import ChannelFault, ChannelLink
from mainspring.resources.error_text import ErrorText
from mainspring.resources.known_secrets import KNOWN_SECRETS

_LOG = logging.getLogger("mainspring.watcher")
_TIMEOUT_S = 10.0


async def notify_unrecorded_run(
    settings: Settings, faults: ErrorText, clock: Clock, *, automation: str, failure: str, reason: str
) -> None:
    """Notify the channels of the automation, for at most ten seconds. `reason` = why nothing could be recorded."""
    subject = Subject(automation, IncidentKind.RETRIES_EXHAUSTED)
    attributes = IncidentAttributes(subject=subject, severity=Severity.PAGE)
    targets = make_routing(settings).targets(attributes, NotificationEvent.OPENED, clock.now())
    notice = _make_notice(settings, clock, automation, KNOWN_SECRETS.redact(failure), reason)
    links = open_links(settings, faults, clock)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            names = sorted({target.channel for target in targets} & links.keys())
            await asyncio.gather(*(_send(links[name], name, notice, faults) for name in names))
    except TimeoutError:
        _LOG.error("some channels could not be notified of the failure of %s within %g s", automation, _TIMEOUT_S)
    finally:
        for link in links.values():
            await link.close()


async def _send(link: ChannelLink, channel: str, notice: Notification, faults: ErrorText) -> None:
    try:
        await link.send(notice, None)
    except Exception as error:  # noqa: BLE001 - the others are notified all the same
        fault = error.text if isinstance(error, ChannelFault) else faults.of(error)
        _LOG.error("channel %s cannot be notified of a failed run: %s", channel, fault)


def _make_notice(settings: Settings, clock: Clock, automation: str, failure: str, reason: str) -> Notification:
    context, now = notice_context(settings), clock.now()
    id = make_id("n", now, clock.random_bits(80))
    return Notification(
        id=id,
        key=f"mainspring:unrecorded-run:{id}",
        about=NotificationEvent.OPENED,
        severity=Severity.PAGE,
        headline=fit_line(f"[page] {automation}: a run failed: {failure}", 200),
        fields=(
            NotificationField("Where", socket.gethostname()),
            NotificationField("Impact", fit_line(f"the failure is recorded nowhere: {reason}", 500)),
            NotificationField("Do", "mainspring doctor"),
        ),
        automation=automation,
        environment=context.environment,
        project=context.project,
        at=now,
    )
