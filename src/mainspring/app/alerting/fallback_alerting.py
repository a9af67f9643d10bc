"""Fallback alerting without a store: a lost store is reported straight to the channels, and remembered without it.

Each channel gets one notification, however many processes of this machine see the loss and however often they restart. Its end is
reported to the notified channels.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from mainspring.app.alerting.channels import make_routing, notice_context, open_links
from mainspring.app.alerting.outage_log import Outage, OutageLog
from mainspring.config import Settings
from mainspring.domain.clock import Clock
from mainspring.domain.duration import to_milliseconds
from mainspring.domain.errors import StoreError, StoreFullError, StoreUnavailableError
from mainspring.domain.ids import make_id
from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.incidents.incident_filter import IncidentAttributes
from mainspring.domain.notifications.notification import Notification, NotificationEvent, NotificationField
from mainspring.domain.notifications.rendering import fit_line, format_moment
from mainspring.integrations.base.notifier import ChannelFault, ChannelLink
from mainspring.resources.error_text import ErrorText
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.base import StoreBrokenError
from mainspring.store.commands.incidents import RecordStoreOutage

_LOG = logging.getLogger("mainspring.watcher")
_TIMEOUT_S = 10.0
CommitOutage = Callable[[RecordStoreOutage], Awaitable[Any]]
_SUBJECT = Subject("", IncidentKind.STORE_LOST)


class FallbackAlerter:
    """Reports a lost store. `where` = the store, for people; `commit` writes to it once it is back. Created and used in one event loop."""

    def __init__(
        self, settings: Settings, faults: ErrorText, clock: Clock, where: str, commit: CommitOutage | None = None
    ) -> None:
        self._settings = settings
        self._faults = faults
        self._clock = clock
        self._where = where
        self._commit = commit
        self._notify_after_ms = to_milliseconds(settings.notify.store_lost_after)
        self._outage_log = OutageLog(settings.exec.spool, settings.store.folder)
        self._links: dict[str, ChannelLink] = {}
        self._logged: dict[str, str] = {}

    async def report_outage(self, fault: str, *, at_once: bool = False) -> None:
        """Record that the store could not be read or written just now. Once it lasted (or `at_once`), notify channels that do not know."""
        now = self._clock.now()
        with self._outage_log.exclusive_access() as has_access:
            if not has_access:
                return
            lost = self._outage_log.recall() or Outage(now)
            if (text := fit_line(KNOWN_SECRETS.redact(_first_line(fault)), 200)) != lost.fault or lost.is_recorded:
                lost.fault, lost.is_recorded = text, False
                self._remember(lost)
            if now - lost.since_at < self._notify_after_ms and not at_once:
                return
            attributes = IncidentAttributes(subject=_SUBJECT, severity=Severity.PAGE)
            targets = make_routing(self._settings).targets(attributes, NotificationEvent.OPENED, now)
            due = {target.channel for target in targets if target.due_at <= now} - lost.notified.keys()
            notice = self._notice(NotificationEvent.OPENED, lost, fault)
            # Together: one that hangs must not use up the time of the others.
            await asyncio.gather(*(self._send(lost, channel, notice, None) for channel in sorted(due)))

    @property
    def is_private(self) -> bool:
        """Whether no other process will know what this one saw."""
        return self._outage_log.is_private

    async def report_recovery(self) -> None:
        """The store accepts commits: record that it was lost, and notify the notified channels that it is over."""
        if not self._outage_log.exists():
            return
        with self._outage_log.exclusive_access() as has_access:
            lost = self._outage_log.recall() if has_access else None
            if lost is None or not await self._record_outage(lost):
                return
            notice = self._notice(NotificationEvent.RESOLVED, lost, "")
            await asyncio.gather(*(self._send_recovery(lost, channel, notice) for channel in list(lost.notified)))
            if not lost.notified:
                self._outage_log.forget()

    async def _send_recovery(self, lost: Outage, channel: str, notice: Notification) -> None:
        if await self._send(lost, channel, notice, lost.notified[channel]):
            del lost.notified[channel]
            self._remember(lost)

    async def _record_outage(self, lost: Outage) -> bool:
        """Record in the store that it was lost, if a notification was or will be sent. Return False if the store is lost again."""
        now = self._clock.now()
        has_lasted = bool(lost.notified) or now - lost.since_at >= self._notify_after_ms
        if self._commit is None or lost.is_recorded or not has_lasted:
            return True
        record = RecordStoreOutage(
            id=make_id("i", now, self._clock.random_bits(80)),
            since_at=lost.since_at,
            over_at=now,
            text=f"the store could not be read or written: {lost.fault or 'unknown reason'}",
            facts={"where": self._where, "host": socket.gethostname(), "notified": sorted(lost.notified)},
        )
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self._commit(record)
        except (TimeoutError, StoreUnavailableError, StoreFullError):
            return False
        except Exception as error:  # noqa: BLE001 - its end is reported all the same
            self._log("", f"the loss of the store cannot be recorded: {self._faults.of(error)}")
            return True
        lost.is_recorded = True
        self._remember(lost)
        return True

    async def close(self) -> None:
        """Close the connections."""
        for link in self._links.values():
            await link.close()
        self._links = {}

    async def _send(self, lost: Outage, channel: str, notice: Notification, ref: str | None) -> bool:
        if not self._links:
            self._links = open_links(self._settings, self._faults, self._clock)
        link = self._links.get(channel)
        if link is None:  # a channel that is configured no more
            return True
        try:
            ref_of_sent = await link.send(notice, ref)
        except Exception as error:  # noqa: BLE001 - the others are notified all the same, and this one in the next round
            fault = error.text if isinstance(error, ChannelFault) else self._faults.of(error)
            self._log(channel, f"channel {channel} cannot be notified about the store: {fault}")
            return False
        if notice.about is NotificationEvent.OPENED:
            lost.notified[channel] = ref_of_sent
            self._remember(lost)
        return True

    def _notice(self, about: NotificationEvent, lost: Outage, fault: str) -> Notification:
        context = notice_context(self._settings)
        is_over = about is NotificationEvent.RESOLVED
        state = "resolved" if is_over else Severity.PAGE.value
        condition = "accepts commits again" if is_over else f"cannot be read or written: {_first_line(fault)}"
        host = socket.gethostname()
        key = f"mainspring:store-lost:{host}:{lost.since_at}"
        fields = [
            NotificationField("Since", format_moment(lost.since_at, context.zone)),
            NotificationField("Where", f"{self._where} on {host}"),
        ]
        if not is_over:
            fields.append(NotificationField("Cause", fit_line(fault, 500)))
            fields.append(
                NotificationField(
                    "Impact",
                    "no run starts and nothing is recorded; wrapped commands still run and keep their records in the "
                    "spool",
                )
            )
            fields.append(NotificationField("Do", "mainspring doctor"))
        return Notification(
            id=f"{key}:{about.value}",
            key=key,
            about=about,
            severity=Severity.PAGE,
            headline=fit_line(f"[{state}] mainspring: the store {condition}", 200),
            fields=tuple(fields),
            environment=context.environment,
            project=context.project,
            at=lost.since_at,
        )

    def _remember(self, lost: Outage) -> None:
        """Save the outage. If that fails, a process that restarts notifies again."""
        try:
            self._outage_log.remember(lost)
        except OSError as error:
            self._log("", f"the notifications about the store cannot be recorded: {error}")

    def _log(self, channel: str, text: str) -> None:
        """Log an error when it changes."""
        if self._logged.get(channel) != text:
            self._logged[channel] = text
            _LOG.error("%s", text)


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


async def notify_store_lost(settings: Settings, faults: ErrorText, clock: Clock, where: str, error: StoreError) -> None:
    """Notify that the store is lost and that all its processes have ended, for at most ten seconds.

    At once, unless the loss may pass: then once a process that restarts again and again has met it for long enough, if the next one
    can know that of this one. Without a configured channel, only the exit code reports the loss.
    """
    passes = isinstance(error, StoreUnavailableError | StoreFullError) and not isinstance(error, StoreBrokenError)
    if not settings.notify.channels:
        return
    fallback = FallbackAlerter(settings, faults, clock, where)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await fallback.report_outage(error.message, at_once=not passes)
            if fallback.is_private:
                await fallback.report_outage(error.message, at_once=True)
    except Exception as fault:  # noqa: BLE001 - the caller handles the store's own error
        _LOG.error("some channels could not be notified that the store is lost: %s", faults.of(fault))
    finally:
        await fallback.close()
