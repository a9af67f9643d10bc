"""The notifier: sends due alerts to channels. Any number may run at once.

A notifier leases a channel with its oldest due alerts and sends them one after the other. One commit stores each outcome and ends the
lease. If a channel is unreachable, its alerts wait in order; other channels continue. Invariant: an alert with an unknown outcome is sent
again and marked as such, so that a channel that can search looks for the first copy.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.errors import FencedError, MainspringError
from mainspring.domain.failures.backoff import backoff_seconds, draw_share
from mainspring.domain.ids import make_id
from mainspring.domain.notifications.alert_filter import should_send_alert
from mainspring.domain.notifications.notification import Notification
from mainspring.integrations.base.notifier import ChannelFault, ChannelLink
from mainspring.resources.error_text import ErrorText
from mainspring.store import failpoints
from mainspring.store.commands.alerts import (
    DueAlert,
    LeaseChannels,
    LeasedChannel,
    RefusedAlert,
    SentAlert,
    SettleAlerts,
)
from mainspring.store.commit_and_wait import CommandSubmitter, commit_and_wait

T = TypeVar("T")

_LOG = logging.getLogger("mainspring.notifier")
_LEASE_S = 60.0
_SEND_FOR_S = 25.0
"""How long a leased channel is served; the last notice then still ends within the lease."""
_NOTICE_TIMEOUT_S = 30.0
_MOST = 50
_POLL_EVERY_S = 1.0
_COALESCE_S = 0.01
"""Pause that joins several changes into one poll."""
_ENDS_WITHIN_S = 3.0


class OutgoingNotice(msgspec.Struct, frozen=True):
    """One notice to send: one alert, or all alerts of a digest."""

    alerts: tuple[DueAlert, ...]
    ref: str | None = None

    @property
    def is_again(self) -> bool:
        """Whether an earlier attempt may have shown it."""
        return any(alert.is_again for alert in self.alerts)


class AlertBatch:
    """The alerts of one lease."""

    def __init__(self, channel: LeasedChannel, brief_ms: int) -> None:
        self._channel = channel
        self._brief_ms = brief_ms
        self._refs: dict[tuple[str, int], str] = {}
        self._notified: set[tuple[str, int]] = set()
        self._started: set[int] = set()
        self.sent: list[SentAlert] = []
        self._refused: list[RefusedAlert] = []
        self._dropped: list[int] = []

    def pending(self) -> Iterator[OutgoingNotice]:
        """Yield the notices to send, in order, each with the reference that earlier ones returned. Drop alerts that need no notice."""
        digest = tuple(alert for alert in self._channel.alerts if alert.is_digest)
        for alert in self._channel.alerts:
            if alert.is_digest:
                continue
            if self._should_send(alert):
                yield OutgoingNotice((alert,), self._refs.get(_opening_key(alert), alert.ref))
            else:
                self._dropped.append(alert.seq)
        to_send = tuple(alert for alert in digest if self._should_send(alert))
        self._dropped += sorted({alert.seq for alert in digest} - {alert.seq for alert in to_send})
        if to_send:
            yield OutgoingNotice(to_send)

    def mark_started(self, notice: OutgoingNotice) -> None:
        """Record that the channel may show this notice from now on."""
        self._started |= {alert.seq for alert in notice.alerts}

    def unmark_started(self, notice: OutgoingNotice) -> None:
        """Record that this attempt certainly did not show the notice."""
        self._started -= {alert.seq for alert in notice.alerts}

    def record_sent(self, notice: OutgoingNotice, ref: str | None) -> None:
        """Record that the channel accepted the notice."""
        for alert in notice.alerts:
            is_single = len(notice.alerts) == 1 and not alert.is_digest
            self.sent.append(SentAlert(alert.seq, ref if is_single else None))
            self._notified.add(_opening_key(alert))
            if ref is not None and is_single:
                self._refs[_opening_key(alert)] = ref

    def record_refused(self, notice: OutgoingNotice, reason: str) -> None:
        """Record that the channel will never accept the notice."""
        self._refused += [RefusedAlert(alert.seq, reason) for alert in notice.alerts]

    def build_settlement(self, lease: str, away: ChannelFault | None, retry_after_ms: int) -> SettleAlerts:
        """Return the outcome of all alerts."""
        finished_seqs = {alert.seq for alert in self.sent} | {alert.seq for alert in self._refused} | set(self._dropped)
        remaining = (alert for alert in self._channel.alerts if alert.seq not in finished_seqs | self._started)
        return SettleAlerts(
            lease=lease,
            channel=self._channel.name,
            sent=tuple(self.sent),
            refused=tuple(self._refused),
            dropped=tuple(self._dropped),
            untried=tuple(alert.seq for alert in remaining if not alert.is_again),
            away=None if away is None else away.text,
            retry_after_ms=retry_after_ms,
        )

    def _should_send(self, alert: DueAlert) -> bool:
        if alert.incident is None:
            return True
        is_notified = alert.is_notified or alert.is_again or _opening_key(alert) in self._notified
        return should_send_alert(
            alert.about,
            alert.opened,
            alert.incident,
            is_notified=is_notified,
            brief_ms=self._brief_ms,
            since_at=alert.since_at,
        )


def _opening_key(alert: DueAlert) -> tuple[str, int]:
    return alert.id if alert.incident is None else alert.incident.id, alert.opened


class RenderNotice(Protocol):
    """Renders the notice of one alert, or of the alerts of a digest."""

    def __call__(self, alerts: tuple[DueAlert, ...]) -> Notification: ...


class Notifier:
    """Sends due alerts; for one event loop. `is_due` returns whether an alert may be due, and runs in a thread.

    `brief_ms` = an incident that lasted no longer sends no notice afterwards. `faults` resolves the secrets of `links`.
    """

    def __init__(
        self,
        store: CommandSubmitter,
        is_due: Callable[[], bool],
        links: Mapping[str, ChannelLink],
        render: RenderNotice,
        clock: Clock,
        faults: ErrorText,
        *,
        brief_ms: int = 30_000,
    ) -> None:
        self._store = store
        self._is_due = is_due
        self._links = links
        self._render = render
        self._clock = clock
        self._faults = faults
        self._brief_ms = brief_ms
        self._changed = asyncio.Event()
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._logged_faults: dict[str, str] = {}
        self._ends_at = float("inf")
        self._run_task: asyncio.Task[None] | None = None
        # Own threads: what a link does in the threads of the loop may never end.
        self._reads = ThreadPoolExecutor(2, thread_name_prefix="mainspring-notifier")

    def start(self) -> None:
        """Start sending due alerts, until `close`."""
        self._run_task = asyncio.get_running_loop().create_task(self._run())

    def changed(self) -> None:
        """Announce that the store may have new alerts."""
        self._changed.set()

    async def send_due(self) -> None:
        """Send all that is due now. Raises as a commit does."""
        while await self._poll():
            await asyncio.wait(self._sending.values())

    async def run_once(self, within_s: float) -> None:
        """Send what is due now, for at most `within_s` seconds, and close. Another notifier sends the rest."""
        send_for_s = max(within_s - _ENDS_WITHIN_S, within_s / 2)
        self._ends_at = time.monotonic() + send_for_s
        try:
            async with asyncio.timeout(send_for_s):
                await self.send_due()
        except TimeoutError:
            pass
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop: wait a moment for notices that are being sent. Another notifier sends the rest."""
        self._ends_at = 0.0
        if self._run_task is not None:
            self._run_task.cancel()
            await asyncio.gather(self._run_task, return_exceptions=True)
        tasks = list(self._sending.values())
        if tasks:
            await asyncio.wait(tasks, timeout=_ENDS_WITHIN_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(link.close() for link in self._links.values()), return_exceptions=True)
        self._reads.shutdown(wait=False, cancel_futures=True)

    async def _read(self, read: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reads, read)

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            try:
                await self._poll()
            except FencedError:
                return
            except Exception as error:  # noqa: BLE001 - the store is unreachable: its alerts wait
                _LOG.warning("notifications cannot be read: %s", self._faults.of(error))
                await asyncio.sleep(_POLL_EVERY_S)
            try:
                async with asyncio.timeout(_POLL_EVERY_S):
                    await self._changed.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(_COALESCE_S)

    async def _poll(self) -> bool:
        """Lease what is due and start sending; return whether there was anything."""
        free = tuple(name for name in self._links if name not in self._sending)
        if not free or not await self._read(self._is_due):
            return False
        since = time.monotonic()
        lease = make_id("l", self._clock.now(), self._clock.random_bits(80))
        leased = await commit_and_wait(self._store, LeaseChannels(lease, round(_LEASE_S * 1000), free, _MOST))
        failpoints.hit("notifier.leased")
        for channel in leased.channels:
            task = asyncio.get_running_loop().create_task(self._serve_channel(lease, channel, since))
            self._sending[channel.name] = task
            task.add_done_callback(lambda done, name=channel.name: self._finish_channel(name, done))  # type: ignore[misc]
        return bool(leased.channels)

    def _finish_channel(self, name: str, task: "asyncio.Task[None]") -> None:
        del self._sending[name]
        self._changed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.warning("the outcome of notifications to %s could not be saved: %s", name, self._faults.of(error))

    async def _serve_channel(self, lease: str, channel: LeasedChannel, since: float) -> None:
        """Send the alerts of one lease and store their outcomes."""
        batch = AlertBatch(channel, self._brief_ms)
        until = min(since + _SEND_FOR_S, self._ends_at)
        fault: ChannelFault | None = None
        for notice in batch.pending():
            if time.monotonic() > min(until, self._ends_at):
                break
            fault = await self._send(channel.name, batch, notice)
            failpoints.hit("notifier.accepted")
            if fault is not None:
                break
        self._log_fault(channel.name, fault)
        failpoints.hit("notifier.sent")
        await commit_and_wait(
            self._store,
            batch.build_settlement(lease, fault, self._pause_ms(fault, 0 if batch.sent else channel.failures)),
        )
        failpoints.hit("notifier.settled")

    async def _send(self, name: str, batch: AlertBatch, notice: OutgoingNotice) -> ChannelFault | None:
        """Send one notice; return the fault that keeps the channel from accepting any notice."""
        try:
            rendered = await self._read(partial(self._render, notice.alerts))  # a digest reads history
        except Exception as error:  # noqa: BLE001 - a notice that cannot be rendered must not block the others
            batch.record_refused(notice, self._faults.of(error) or type(error).__name__)
            _LOG.exception("a notification to %s cannot be rendered", name)
            return None
        batch.mark_started(notice)
        try:
            async with asyncio.timeout(_NOTICE_TIMEOUT_S):
                ref = await self._deliver(name, rendered, notice)
        except ChannelFault as fault:
            if not fault.is_final:
                if not fault.is_unknown:
                    batch.unmark_started(notice)
                return fault
            _LOG.error("a notification to %s is refused: %s", name, fault.text)
            batch.record_refused(notice, fault.text)
        except MainspringError as error:  # a secret that is not set, or cannot be used
            batch.unmark_started(notice)
            return ChannelFault(self._faults.of(error))
        except Exception as error:  # noqa: BLE001 - a library may raise anything
            return ChannelFault(self._faults.of(error) or type(error).__name__)
        else:
            batch.record_sent(notice, ref)
        return None

    async def _deliver(self, name: str, rendered: Notification, notice: OutgoingNotice) -> str | None:
        """Send one notice, and once more if the channel refuses it and one of its secrets was rotated. Raises as the link does."""
        link = self._links[name]
        try:
            return await link.send(rendered, notice.ref, is_again=notice.is_again)
        except ChannelFault as fault:
            if fault.is_unknown or not await self._read(self._faults.refresh):
                raise
        return await link.send(rendered, notice.ref, is_again=notice.is_again)

    def _pause_ms(self, fault: ChannelFault | None, failures: int) -> int:
        if fault is None:
            return 0
        pause_ms = round(backoff_seconds(failures, draw_share(self._clock)) * 1000)
        return max(pause_ms, fault.retry_after_ms or 0)

    def _log_fault(self, name: str, fault: ChannelFault | None) -> None:
        """Log when a channel becomes unreachable, and when it accepts alerts again."""
        if fault is None:
            if self._logged_faults.pop(name, None) is not None:
                _LOG.info("channel %s accepts notifications again", name)
        elif self._logged_faults.get(name) != fault.text:
            self._logged_faults[name] = fault.text
            _LOG.warning("notifications to channel %s wait: %s", name, fault.text)
