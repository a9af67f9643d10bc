"""The Notifier: tells channels what is due on them. Any number may run at once.

A channel is leased with its oldest due alerts; they are told one after the other, and what became of each is committed with the end of the
lease. A channel that is away makes its alerts wait, in order; the others go on. Invariant: an alert whose outcome nobody knows is told
again as such, so that channels that can look, look first.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

from mainspring.alerting.alert_batch import AlertBatch, OutgoingNotice
from mainspring.alerting.notifiers.base import ChannelFault, ChannelLink
from mainspring.domain.clock import Clock
from mainspring.domain.errors import FencedError, MainspringError
from mainspring.domain.failures.backoff import backoff_seconds, draw_share
from mainspring.domain.ids import make_id
from mainspring.domain.notifications.notification import Notification
from mainspring.resources.error_text import ErrorText
from mainspring.store import failpoints
from mainspring.store.commands.alerts import DueAlert, LeaseChannels, LeasedChannel, LeasedChannels
from mainspring.store.commit_and_wait import CommandSubmitter, commit_and_wait

T = TypeVar("T")

_LOG = logging.getLogger("mainspring.notifier")
_LEASE_S = 60.0
_SEND_FOR_S = 25.0
"""So long a leased channel is told; with a notice after it that takes its time it ends within the lease."""
_NOTICE_TIMEOUT_S = 30.0
_MOST = 50
_POLL_EVERY_S = 1.0
_SOON_S = 0.01
"""Many changes make one look."""
_ENDS_WITHIN_S = 3.0


class RenderNotice(Protocol):
    """Makes the notice of alerts: of one, or of several that are told together as a digest."""

    def __call__(self, alerts: tuple[DueAlert, ...]) -> Notification: ...


class Notifier:
    """Made and used in one event loop. `is_due` says whether any alert may be due; it is asked in a thread.

    `brief_ms` = what lasted no longer is not told of afterwards. `faults` is where `links` ask for secrets.
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
        self._at_work: dict[str, asyncio.Task[None]] = {}
        self._told_away: dict[str, str] = {}
        self._ends_at = float("inf")
        self._keeping: asyncio.Task[None] | None = None
        # Shared with nobody: what a link does in the threads of the loop may never end.
        self._reads = ThreadPoolExecutor(2, thread_name_prefix="mainspring-notifier")

    def start(self) -> None:
        """Begin to tell what is due, and go on."""
        self._keeping = asyncio.get_running_loop().create_task(self._keep())

    def changed(self) -> None:
        """Something may be new in the store."""
        self._changed.set()

    async def run_once(self, within_s: float) -> None:
        """Tell what is due now, for at most so long, and close: what is left is another's."""
        tells_for = max(within_s - _ENDS_WITHIN_S, within_s / 2)
        self._ends_at = time.monotonic() + tells_for
        try:
            async with asyncio.timeout(tells_for):
                while await self._look():
                    await asyncio.wait(self._at_work.values())
        except TimeoutError:
            pass
        finally:
            await self.close()

    async def close(self) -> None:
        """End: what is being told is waited for a moment, the rest is another Notifier's."""
        self._ends_at = 0.0
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        tasks = list(self._at_work.values())
        if tasks:
            await asyncio.wait(tasks, timeout=_ENDS_WITHIN_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(link.close() for link in self._links.values()), return_exceptions=True)
        self._reads.shutdown(wait=False, cancel_futures=True)

    async def _read(self, what: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reads, what)

    async def _keep(self) -> None:
        while True:
            self._changed.clear()
            try:
                await self._look()
            except FencedError:
                return
            except Exception as error:  # noqa: BLE001 - the store is away: what it holds waits
                _LOG.warning("alerts cannot be looked for: %s", self._faults.of(error))
                await asyncio.sleep(_POLL_EVERY_S)
            try:
                async with asyncio.timeout(_POLL_EVERY_S):
                    await self._changed.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(_SOON_S)

    async def _look(self) -> bool:
        """Take what is due and begin to tell it; return whether there was anything."""
        free = tuple(name for name in self._links if name not in self._at_work)
        if not free or not await self._read(self._is_due):
            return False
        since = time.monotonic()
        lease = make_id("l", self._clock.now(), self._clock.random_bits(80))
        taken = await commit_and_wait(self._store, LeaseChannels(lease, round(_LEASE_S * 1000), free, _MOST))
        failpoints.hit("notifier.taken")
        if not isinstance(taken, LeasedChannels):
            return False
        for channel in taken.channels:
            task = asyncio.get_running_loop().create_task(self._serve(lease, channel, since))
            self._at_work[channel.name] = task
            task.add_done_callback(lambda done, name=channel.name: self._served(name, done))  # type: ignore[misc]
        return bool(taken.channels)

    def _served(self, name: str, task: "asyncio.Task[None]") -> None:
        del self._at_work[name]
        self._changed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.warning("what became of alerts to %s could not be saved: %s", name, self._faults.of(error))

    async def _serve(self, lease: str, channel: LeasedChannel, since: float) -> None:
        """Tell what was leased, and say what became of it."""
        batch = AlertBatch(channel, self._brief_ms)
        until = min(since + _SEND_FOR_S, self._ends_at)
        away: ChannelFault | None = None
        for told in batch.to_tell():
            if time.monotonic() > min(until, self._ends_at):
                break
            away = await self._tell(channel.name, batch, told)
            failpoints.hit("notifier.told")
            if away is not None:
                break
        self._tell_log(channel.name, away)
        failpoints.hit("notifier.sent")
        await commit_and_wait(
            self._store, batch.settled(lease, away, self._pause_ms(away, 0 if batch.sent else channel.failures))
        )
        failpoints.hit("notifier.settled")

    async def _tell(self, name: str, batch: AlertBatch, told: OutgoingNotice) -> ChannelFault | None:
        """Tell one notice; return what keeps the channel from taking this and any other."""
        try:
            notice = await self._read(partial(self._render, told.alerts))  # a digest reads what history tells
        except Exception as error:  # noqa: BLE001 - what cannot be put into words must not keep the others waiting
            batch.refuse(told, self._faults.of(error) or type(error).__name__)
            _LOG.exception("an alert to %s cannot be put into words", name)
            return None
        batch.begin(told)
        try:
            async with asyncio.timeout(_NOTICE_TIMEOUT_S):
                ref = await self._links[name].send(notice, told.ref, is_again=told.is_again)
        except ChannelFault as fault:
            if not fault.is_final:
                if not fault.is_unknown:
                    batch.take_back(told)
                return fault
            _LOG.error("an alert to %s is refused: %s", name, fault.text)
            batch.refuse(told, fault.text)
        except MainspringError as error:  # a secret that is not set, or cannot be used
            batch.take_back(told)
            return ChannelFault(self._faults.of(error))
        except Exception as error:  # noqa: BLE001 - a library may raise anything
            return ChannelFault(self._faults.of(error) or type(error).__name__)
        else:
            batch.accept(told, ref)
        return None

    def _pause_ms(self, away: ChannelFault | None, failures: int) -> int:
        if away is None:
            return 0
        own = round(backoff_seconds(failures, draw_share(self._clock)) * 1000)
        return max(own, away.retry_after_ms or 0)

    def _tell_log(self, name: str, away: ChannelFault | None) -> None:
        """Tell the log when a channel can no longer be told, or can again."""
        if away is None:
            if self._told_away.pop(name, None) is not None:
                _LOG.info("channel %s takes alerts again", name)
        elif self._told_away.get(name) != away.text:
            self._told_away[name] = away.text
            _LOG.warning("alerts to channel %s wait: %s", name, away.text)
