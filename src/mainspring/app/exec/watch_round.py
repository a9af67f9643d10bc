"""`mainspring watch`: take in the spool, bury the dead, and look for what is wrong, as a watcher that ends after one round.

It looks from outside: nothing of ours has to run for it. What cannot be judged because the store is away is an error, never silence.
"""

import contextlib
import os

import msgspec

from mainspring.alerting.watchdog_ping import WatchdogPing, find_stuck_work
from mainspring.app.alerting.short_lived_loop import run_in_short_lived_loop
from mainspring.app.alerting.watcher import evaluate_and_notify
from mainspring.app.exec.best_effort_store import BestEffortStore, declare_dead
from mainspring.app.exec.store_outage import StoreOutageReporter
from mainspring.app.stores.store_factory import require_store
from mainspring.config import Settings
from mainspring.config.monitor_settings import read_tuning_overrides, read_tunings
from mainspring.domain.clock import Clock
from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.domain.monitors.registry import TuningTable, evaluate_monitor
from mainspring.domain.monitors.timing import silence
from mainspring.domain.monitors.tuning_overrides import TuningOverrides
from mainspring.domain.text.phrases import format_span
from mainspring.resources.error_text import ErrorText
from mainspring.resources.secret_store import SecretStore
from mainspring.service.spool import Spool, SpoolFault, SpoolImportResult
from mainspring.store.base import StoreGoneError
from mainspring.store.liveness import find_dead, left_to_supervisor
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.incidents import unsent_alerts

ROUND_TIMEOUT_S = 30.0
"""Seconds that one round may take; cron starts the next one anyway."""
NOTIFY_TIMEOUT_S = 10.0
"""Seconds of it in which people are told; what is left is the next round's."""


class OverdueAutomation(msgspec.Struct, frozen=True):
    """An automation without the success that was expected of it; `succeeded_at` None = it never succeeded."""

    name: str
    expected: str
    succeeded_at: int | None
    due_at: int
    late_at: int
    owner: str | None


class WatchReport(msgspec.Struct, frozen=True):
    """What one round did and found; `judged` automations have a cadence."""

    taken_in: SpoolImportResult
    bad: list[str]
    buried: list[int]
    judged: int
    silent: list[OverdueAutomation]
    spool_fault: SpoolFault | None = None
    """Why records may lie in the spool unseen."""


def watch_once(settings: Settings, clock: Clock) -> WatchReport:
    """Make one round, and tell what is wrong.

    Raises:
        NoStoreError: there is no store, and no record of a wrapped command that belongs into it.
        StoreUnavailableError: the store cannot be opened or does not answer, so nothing can be judged.
    """
    _require_store(settings)
    ledger = BestEffortStore(settings.store.url, clock, patience=ROUND_TIMEOUT_S)
    records = Spool(settings.exec.spool, settings.spare_spool)
    told = StoreOutageReporter(settings, clock)
    still: str | None = None

    def act(opened: ProcessStore) -> WatchReport:
        opened.open()
        told.back(opened.shown, opened.apply)
        buried = _declare_dead_sessions(opened)
        taken = records.take_in(opened.apply)
        facts = evaluate_and_notify(settings, opened, within_s=NOTIFY_TIMEOUT_S, at_once=None)
        now = opened.clock.now()
        judged, silent = find_overdue(
            facts, now, read_tunings(settings.monitors), read_tuning_overrides(settings.monitors)
        )
        nonlocal still
        still = find_stuck_work(facts, unsent_alerts(opened.reader), now, None)
        report = WatchReport(taken, records.bad_names(), buried, judged, silent, records.find_fault())
        opened.close()
        return report

    report = ledger.do(act)
    if report is None:
        if ledger.lost is not None:
            told.away(ledger.shown, ledger.lost)
        raise StoreUnavailableError(
            f"the store is away, so nothing can be judged\nat {ledger.shown}: {ledger.away}",
            hint="Wrapped commands run all the same and their records wait in the spool. Mend the store, then watch again.",
        )
    if still is None and settings.notify.watchdog is not None:
        run_in_short_lived_loop(_ping_watchdog(settings, clock))
    return report


def _require_store(settings: Settings) -> None:
    """Refuse a mistyped store: an empty one would be healthy for ever. A store that was removed is an alert of the round."""
    if settings.store.is_remote or Spool(settings.exec.spool, settings.spare_spool).names():
        return
    with contextlib.suppress(StoreGoneError):
        require_store(settings.store.path)


async def _ping_watchdog(settings: Settings, clock: Clock) -> None:
    """Let whoever hears outside know that somebody looked, and that nothing stands still."""
    pulse = WatchdogPing(settings.notify.watchdog, ErrorText(SecretStore(settings.secrets.dir, os.environ)), clock)
    try:
        await pulse.beat()
    finally:
        await pulse.close()


def _declare_dead_sessions(store: ProcessStore) -> list[int]:
    """Bury all dead sessions of this host, but leave a supervisor that lives its own workers: it knows how they died."""
    dead = find_dead(store.reader)
    left = left_to_supervisor(store.reader, dead)
    return [one.session for one in dead if one.session not in left and declare_dead(store, one)]


def find_overdue(
    facts: MonitorInputs, now_at: int, tunings: TuningTable, own: TuningOverrides
) -> tuple[int, list[OverdueAutomation]]:
    """Return how many automations are judged by a cadence, stated or learned, and which of them are silent, by name."""
    owners = {one.name: one.option("owner") for one in facts.automations}
    judged = list(evaluate_monitor(silence.MONITOR, facts, tunings, now_at, own))
    wrong = [one for one in judged if one.finding is not None and not one.figures.get("learning")]
    return len(judged), [_make_overdue(one, owners[one.subject.automation]) for one in wrong]


def _make_overdue(one: Evaluation, owner: str | None) -> OverdueAutomation:
    figures, late_at = one.figures, one.figures["late_at"]
    expected = figures.get("expected") or f"within {format_span(figures['window_ms'])}, as usual"
    succeeded_at, due_at = figures["last_good_at"], figures.get("due_at", late_at)
    return OverdueAutomation(one.subject.automation, expected, succeeded_at, due_at, late_at, owner)
