"""Webhook intake: the table of paths, the storage of deliveries, and the record of rejected requests.

It continues with the last table that it could read, whatever happens to workers and store.
"""

import asyncio
import time
from collections.abc import Mapping

from mainspring.app.processes.background_process import BackgroundProcess, FindingReporter
from mainspring.domain.errors import MainspringError
from mainspring.domain.processes.process_finding import ProcessFindingKind
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.store.commands.secrets import RecordSecretUses
from mainspring.triggers.intake import DeliveryIntake
from mainspring.triggers.trigger_cache import TriggerCache
from mainspring.web.webhooks.request_counts import WebhookCounts
from mainspring.web.webhooks.result_waiters import ResultWaiters
from mainspring.web.webhooks.secret_use_record import SecretUseRecord
from mainspring.web.webhooks.verifier_secrets import VerifierSecrets
from mainspring.web.webhooks.webhook_table import WebhookTable

_POLL_EVERY_S = 1.0
_AT_MOST_EVERY_S = 0.1
_OPEN_EVERY_S = 0.05
_MAX_RECORDINGS = 8
_CHECK_EVERY_S = 10.0


class WebhookIntake:
    """The intake; `keep()` runs in the loop's thread. It opens when the store does."""

    def __init__(self, process: BackgroundProcess) -> None:
        self._process = process
        self._sealing = process.project.sealing
        self.largest_value = self._sealing.limit
        """The largest value of the store, in bytes of JSON."""
        self.table = WebhookTable()
        self.counts = WebhookCounts()
        self._intake: DeliveryIntake | None = None
        self._result_waiters: ResultWaiters | None = None
        self._changed = asyncio.Event()
        self._recordings: set[asyncio.Task[None]] = set()
        self._last_error = ""
        self._logged_unreadable: dict[str, str] = {}
        self.listen_error: str | None = None
        """Why no webhooks are accepted, for people."""
        self.moved: str | None = None
        """Why webhooks are accepted at another address than senders expect, for people; ignored while there are no webhooks."""
        self.pages_listen_error: str | None = None
        """Why no pages are served, for people."""
        self._findings = FindingReporter(process)
        self._values = VerifierSecrets(process.project.secrets)
        self.secret_uses = SecretUseRecord(process.project.secrets)
        self._checked_at = -_CHECK_EVERY_S
        self._checked_hooks: set[str] = set()
        self._logged_missing: dict[str, str] = {}

    async def keep(self) -> None:
        """Wait for the store, then read the table each second and after each change, without end."""
        while not self._process.is_open:  # noqa: ASYNC110 - a process does not announce its opening
            await asyncio.sleep(_OPEN_EVERY_S)
        store = self._process.store
        triggers = TriggerCache(store.reader)
        self._intake = DeliveryIntake(store, triggers, store.clock, self._sealing)
        self._result_waiters = ResultWaiters(store.reader, self._sealing)
        self._process.changed = self._changed.set
        while True:
            await self._refresh_table(triggers)
            await self._report()
            try:
                async with asyncio.timeout(_POLL_EVERY_S):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            self._result_waiters.hurry()
            await asyncio.sleep(_AT_MOST_EVERY_S)

    async def _report(self) -> None:
        """Record the findings about this process: an address that is taken, a webhook without a secret. Record uses of secrets."""
        reasons = {
            "web.bind": self.pages_listen_error,
            "hooks.bind": (self.listen_error or self.moved) if len(self.table) else None,
        }
        self._findings.replace(
            ProcessFindingKind.ADDRESS, {name: text for name, text in reasons.items() if text is not None}
        )
        hooks = {hook.trigger for hook in self.table}
        if hooks != self._checked_hooks or time.monotonic() - self._checked_at >= _CHECK_EVERY_S:
            self._checked_at, self._checked_hooks = time.monotonic(), hooks
            missing = await asyncio.to_thread(self._missing_secrets)
            self._log_missing_secrets(missing)
            self._findings.replace(ProcessFindingKind.SECRET, missing)
            uses = await asyncio.to_thread(self.secret_uses.take_new, self.now())
            if uses:
                self._process.store.submit(RecordSecretUses(self.now(), uses), _ignore_answer)
        self._findings.report()

    def _missing_secrets(self) -> dict[str, str]:
        """Return, by trigger, why a webhook cannot verify any sender. Blocking."""
        faults = {hook.trigger: self._values.missing(hook.webhook.verify) for hook in self.table}
        return {trigger: reason for trigger, reason in faults.items() if reason is not None}

    def _log_missing_secrets(self, missing: dict[str, str]) -> None:
        """Log each webhook that cannot verify its senders once, as soon as it is known: no request has to come first."""
        for trigger, reason in missing.items():
            if self._logged_missing.get(trigger) != reason:
                self._process.log.error(
                    "%s accepts nothing: %s. The variable: mainspring triggers show %s", trigger, reason, trigger
                )
        self._logged_missing = missing

    async def _refresh_table(self, triggers: TriggerCache) -> None:
        try:
            self.table.replace(triggers, await asyncio.to_thread(self._read, triggers))
        except MainspringError:
            return  # the last good table stays in use; the unreachable store is reported elsewhere
        except Exception as error:
            if str(error) != self._last_error:
                self._last_error = str(error)
                self._process.log.exception("the webhooks in the store cannot be read; known webhooks still work")
            return
        self._last_error = ""
        self._log_unreadable(triggers.unreadable)
        self.counts.retain({hook.trigger for hook in self.table})

    def _read(self, triggers: TriggerCache) -> set[str]:
        """Read the triggers; return the paths of those that this version cannot read. Blocking."""
        triggers.refresh()
        if not triggers.unreadable:
            return set()
        rows = self._process.store.reader.read("list_triggers")
        return {path for name, _, _, _, path, *_ in rows if path is not None and name in triggers.unreadable}

    def _log_unreadable(self, unreadable: dict[str, str]) -> None:
        """Log each unreadable trigger once: most often a newer worker announced it."""
        for name, reason in unreadable.items():
            if self._logged_unreadable.get(name) != reason:
                self._process.log.error("the trigger %r in the store cannot be read by this version: %s", name, reason)
        self._logged_unreadable = dict(unreadable)

    @property
    def result_waiters(self) -> ResultWaiters:
        """The senders that wait for results; available after the first read of the table."""
        assert self._result_waiters is not None
        return self._result_waiters

    def now(self) -> int:
        """Return the instant for checks of timestamps, in ms UTC."""
        return self._process.project.clock.now()

    @property
    def intake(self) -> DeliveryIntake:
        """The intake of deliveries; available after the first read of the table."""
        assert self._intake is not None
        return self._intake

    def store_rejected(self, trigger: str, reason: str, note: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Store a rejected request for people to read; a few a second, and never in the way of accepted ones."""
        if len(self._recordings) >= _MAX_RECORDINGS or not self.counts.may_keep(trigger, time.monotonic(), reason):
            return
        delivery = IncomingDelivery(key="-", body=body, headers=dict(headers))
        task = self._process.loop.create_task(self._store_rejected(trigger, reason, note, delivery))
        self._recordings.add(task)
        task.add_done_callback(self._recordings.discard)

    async def _store_rejected(self, trigger: str, reason: str, note: str, delivery: IncomingDelivery) -> None:
        try:
            await self.intake.refuse(trigger, reason, note, delivery)
        except MainspringError as error:
            self._process.log.warning(
                "the rejection of a request to %s could not be recorded: %s", trigger, error.message
            )


def _ignore_answer(_answer: object) -> None:
    """Do nothing: a lost record of uses stops no webhook."""
