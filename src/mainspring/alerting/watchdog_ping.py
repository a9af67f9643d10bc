"""The sign of life to an address outside, as healthchecks.io takes it: given only while all moves that has to; its absence is the alarm."""

import logging
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from mainspring.alerting.notifiers.base import ChannelFault
from mainspring.alerting.notifiers.http import HttpClient
from mainspring.domain.clock import Clock
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.system.worker_lost import WorkerLostTuning
from mainspring.domain.monitors.system.worker_lost import evaluate as judge_processes
from mainspring.domain.redaction.secret_url import resolve_secret_url
from mainspring.resources.error_text import ErrorText
from mainspring.store.read.incidents import UnsentAlerts

_LOG = logging.getLogger("mainspring.pulse")
EVERY_S: Final = 60.0
UNSENT_MS: Final = 10 * 60_000
"""So long may an alert have waited for its channel at most."""
_LOST: Final = WorkerLostTuning(missing=timedelta(minutes=1), silent=timedelta(seconds=30))
"""Sooner than people are told, and whatever monitors are switched off: who listens outside allows for minutes himself."""
_SLOT_MS: Final = 5 * 60_000
_UNCLAIMED_MS: Final = 60 * 60_000
"""As long as `Recent.started` counts: a rate may let so much wait for a while, but hardly all of it for an hour."""


def find_stuck_work(
    facts: MonitorInputs, channels: Iterable[UnsentAlerts], now: int, session: int | None
) -> str | None:
    """Return what does not move although it has to, by what one look read at `now`; None = all moves. `session` = of who looks."""
    for one in facts.processes:
        if one.session == session and now - one.beat_at >= _LOST.silent // timedelta(milliseconds=1):
            return "the store has taken nothing of this process of late"
    for judged in judge_processes(facts, _LOST, now):
        if judged.finding is not None or judged.unsure is not None:
            return judged.unsure if judged.finding is None else judged.finding.text
    late = next((one.channel for one in channels if one.due_at is not None and now - one.due_at >= UNSENT_MS), None)
    if late is not None:
        return f"channel {late} takes nothing"
    return _find_unmade_slot(facts, now) or _find_unclaimed(facts, now)


def _find_unmade_slot(facts: MonitorInputs, now: int) -> str | None:
    """Return what says that a schedule stands still. What nobody serves, or does not load, is a fault of its own, which is told."""
    for one in facts.expected(now):
        for cadence in one.cadences if one.served and one.problem is None else ():
            if cadence.next_slot_at is not None:
                due_at = max(cadence.next_slot_at, cadence.written_at, one.expected_from_at)
                if now - due_at >= _SLOT_MS:
                    return f"no run was made for a slot of {cadence.name}"
    return None


def _find_unclaimed(facts: MonitorInputs, now: int) -> str | None:
    """Return what says that nobody takes what waits, although nothing runs, nor began for as long."""
    if any(one.running_since_at is not None or one.recent.started for one in facts.automations):
        return None
    paused = {queue.name for queue in facts.queues if queue.paused_at is not None}
    for one in facts.expected(now):
        waiting = one.waiting
        if waiting is None or not one.served or waiting.queue in paused:
            continue
        if now - waiting.since_at >= _UNCLAIMED_MS:
            return f"nobody takes the runs of {one.name} that wait"
    return None


class WatchdogPing:
    """Made and used in one event loop. `address` = what `[notify] watchdog` says, None = nobody listens outside."""

    def __init__(self, address: str | None, faults: ErrorText, clock: Clock) -> None:
        self._address = address
        self._faults = faults
        self._http = HttpClient(faults, clock)
        self._not_before = 0.0
        self._told: str | None = None
        self._still: str | None = None

    @property
    def is_due(self) -> bool:
        """Whether a sign is to be given now, if all moves."""
        return self._address is not None and time.monotonic() >= self._not_before

    async def look(self, still: str | None) -> None:
        """Give the sign unless something stands still; that it is kept back is logged when it changes."""
        if (still is None) != (self._still is None):
            _LOG.warning(
                "the sign of life to the watchdog %s", "is given again" if still is None else f"is kept back: {still}"
            )
        self._still = still
        if still is None:
            await self.beat()

    async def beat(self) -> None:
        """Give the sign. What goes wrong is logged when it changes: whoever listens outside hears of it by our silence."""
        self._not_before = time.monotonic() + EVERY_S
        fault = None
        try:
            answer = await self._http.post(resolve_secret_url(self._address or "", self._faults), b"", {})
            fault = None if answer.is_ok else f"it answers {answer.status}"
        except ChannelFault as error:
            fault = error.text
        except Exception as error:  # noqa: BLE001 - whatever it is, the watch goes on
            fault = self._faults.of(error)
        if fault is not None and fault != self._told:
            _LOG.warning("the watchdog outside did not take our sign of life: %s", fault)
        self._told = fault

    async def close(self) -> None:
        """Close the connection."""
        await self._http.close()
