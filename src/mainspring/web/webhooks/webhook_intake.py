"""Where webhooks go in: the table of paths, the way into the store, and what is told of requests that were refused.

It goes on from the last table that could be read, whatever becomes of workers and store.
"""

import asyncio
import time
from collections.abc import Mapping

from mainspring.app.processes.background_process import BackgroundProcess
from mainspring.app.processes.finding_reporter import FindingReporter
from mainspring.domain.errors import MainspringError
from mainspring.domain.processes.process_finding import ProcessFindingKind
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.triggers.intake import DeliveryIntake
from mainspring.triggers.trigger_cache import TriggerCache
from mainspring.web.webhooks.request_counts import WebhookCounts
from mainspring.web.webhooks.result_waiters import ResultWaiters
from mainspring.web.webhooks.verifier_secrets import VerifierSecrets
from mainspring.web.webhooks.webhook_table import WebhookTable

_POLL_EVERY_S = 1.0
_AT_MOST_EVERY_S = 0.1
_OPEN_EVERY_S = 0.05
_MOST_KEPT_AT_ONCE = 8
_CHECK_EVERY_S = 10.0


class WebhookIntake:
    """Kept up by `keep()` in the loop's thread; it is open once the store was."""

    def __init__(self, process: BackgroundProcess) -> None:
        self._process = process
        self._sealing = process.project.sealing
        self.largest_value = self._sealing.limit
        """Bytes of JSON that the store keeps as one value."""
        self.table = WebhookTable()
        self.counts = WebhookCounts()
        self._intake: DeliveryIntake | None = None
        self._ends: ResultWaiters | None = None
        self._changed = asyncio.Event()
        self._keeping: set[asyncio.Task[None]] = set()
        self._told = ""
        self._unreadable: dict[str, str] = {}
        self.trouble: str | None = None
        """Why no webhooks are taken in, for people."""
        self.moved: str | None = None
        """Why webhooks are taken in at another address than senders expect, for people; of no concern before there are webhooks."""
        self.pages_trouble: str | None = None
        """Why no pages are served, for people."""
        self._findings = FindingReporter(process)
        self._values = VerifierSecrets(process.project.secrets)
        self._checked_at = -_CHECK_EVERY_S

    async def keep(self) -> None:
        """Wait for the store, then read the table each second and whenever something may be new, for ever."""
        while not self._process.is_open:  # noqa: ASYNC110 - a process tells its opening to nobody
            await asyncio.sleep(_OPEN_EVERY_S)
        store = self._process.store
        known = TriggerCache(store.reader)
        self._intake = DeliveryIntake(store, known, store.clock, self._sealing)
        self._ends = ResultWaiters(store.reader, self._sealing)
        self._process.changed = self._changed.set
        while True:
            await self._look(known)
            await self._report()
            try:
                async with asyncio.timeout(_POLL_EVERY_S):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            self._ends.hurry()
            await asyncio.sleep(_AT_MOST_EVERY_S)

    async def _report(self) -> None:
        """Put on record what is wrong with this process: an address that is taken, a webhook without a secret."""
        why = {"web.bind": self.pages_trouble, "hooks.bind": (self.trouble or self.moved) if len(self.table) else None}
        self._findings.replace(
            ProcessFindingKind.ADDRESS, {name: text for name, text in why.items() if text is not None}
        )
        if time.monotonic() - self._checked_at >= _CHECK_EVERY_S:
            self._checked_at = time.monotonic()
            self._findings.replace(ProcessFindingKind.SECRET, await asyncio.to_thread(self._missing_secrets))
        self._findings.report()

    def _missing_secrets(self) -> dict[str, str]:
        """Return why, by trigger, of the webhooks that cannot check a sender. Blocking."""
        faults = {hook.trigger: self._values.missing(hook.webhook.verify) for hook in self.table}
        return {trigger: why for trigger, why in faults.items() if why is not None}

    async def _look(self, known: TriggerCache) -> None:
        try:
            self.table.take(known, await asyncio.to_thread(self._read, known))
        except MainspringError:
            return  # the last good one is gone on from; that the store is away is told elsewhere
        except Exception as error:
            if str(error) != self._told:
                self._told = str(error)
                self._process.log.exception("the webhooks in the store cannot be read; those that are known go on")
            return
        self._told = ""
        self._tell_unreadable(known.unreadable)
        self.counts.forget_others({hook.trigger for hook in self.table})

    def _read(self, known: TriggerCache) -> set[str]:
        """Read the triggers; return the paths of those that cannot be read. Blocking."""
        known.look()
        if not known.unreadable:
            return set()
        rows = self._process.store.reader.read("list_triggers")
        return {path for name, _, _, _, path, *_ in rows if path is not None and name in known.unreadable}

    def _tell_unreadable(self, found: dict[str, str]) -> None:
        """Tell each once: most often a newer worker announced it."""
        for name, why in found.items():
            if self._unreadable.get(name) != why:
                self._process.log.error("the trigger %r in the store cannot be read by this version: %s", name, why)
        self._unreadable = dict(found)

    @property
    def ends(self) -> ResultWaiters:
        """Where ends of runs are waited for; there once something was taken in."""
        assert self._ends is not None
        return self._ends

    def now(self) -> int:
        """Return the instant by which timestamps are judged, in ms UTC."""
        return self._process.project.clock.now()

    @property
    def intake(self) -> DeliveryIntake:
        """The way into the store; there as soon as there is a table."""
        assert self._intake is not None
        return self._intake

    def keep_refused(self, trigger: str, why: str, note: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Write down what was refused, for people to see; a few a second, and never in the way of what is genuine."""
        if len(self._keeping) >= _MOST_KEPT_AT_ONCE or not self.counts.may_keep(trigger, time.monotonic(), why):
            return
        arrival = IncomingDelivery(key="-", body=body, headers=dict(headers))
        task = self._process.loop.create_task(self._write_down(trigger, why, note, arrival))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _write_down(self, trigger: str, why: str, note: str, arrival: IncomingDelivery) -> None:
        try:
            await self.intake.refuse(trigger, why, note, arrival)
        except MainspringError as error:
            self._process.log.warning("what was refused for %s could not be written down: %s", trigger, error.message)
