"""A round of `mainspring watch`: import the spool, declare dead sessions dead, evaluate the monitors, and end.

It works from outside: no process of Mainspring has to run. If the store is unreachable, so that nothing can be evaluated, that is an
error, never silence.
"""

import contextlib

import msgspec

from mainspring.alerting.watchdog_ping import WatchdogPing, find_stuck_work
from mainspring.app.alerting.short_lived_loop import run_in_short_lived_loop
from mainspring.app.alerting.watcher import evaluate_and_notify
from mainspring.app.exec.best_effort_store import BestEffortStore, declare_dead_sessions
from mainspring.app.exec.project_spool import make_project_spool
from mainspring.app.exec.store_outage import StoreOutageReporter
from mainspring.app.setup.secrets import make_secret_store
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
from mainspring.service.spool import SpoolFault, SpoolImportResult
from mainspring.store.base import StoreRemovedError
from mainspring.store.process_store import ProcessStore
from mainspring.store.read.incidents import unsent_alerts

ROUND_TIMEOUT_S = 30.0
"""Seconds for one round; cron starts the next one anyway."""
NOTIFY_TIMEOUT_S = 10.0
"""Seconds of it for notifications; the rest is left to the next round."""


class OverdueAutomation(msgspec.Struct, frozen=True):
    """An automation without its expected success; `succeeded_at` None = it never succeeded."""

    name: str
    expected: str
    succeeded_at: int | None
    due_at: int
    late_at: int
    owner: str | None


class WatchReport(msgspec.Struct, frozen=True):
    """Report of one round: its operations and findings. `evaluated_count` = automations with a cadence."""

    imported: SpoolImportResult
    bad: list[str]
    dead_sessions: list[int]
    evaluated_count: int
    silent: list[OverdueAutomation]
    spool_fault: SpoolFault | None = None
    """Why records may be hidden in the spool."""


def watch_once(settings: Settings, clock: Clock) -> WatchReport:
    """Run one round and notify of what is failing.

    Raises:
        NoStoreError: there is no store, and no record of a wrapped command that belongs into it.
        StoreUnavailableError: the store cannot be opened or does not answer, so nothing can be evaluated.
    """
    _require_store(settings)
    ledger = BestEffortStore(settings.store.url, clock, timeout=ROUND_TIMEOUT_S)
    records = make_project_spool(settings)
    outage_reporter = StoreOutageReporter(settings, clock)
    stuck_work: str | None = None

    def run_round(opened: ProcessStore) -> WatchReport:
        opened.open()
        outage_reporter.report_recovered(opened.location, opened.apply)
        dead_sessions = declare_dead_sessions(opened)
        imported = records.take_in(opened.apply)
        facts = evaluate_and_notify(settings, opened, within_s=NOTIFY_TIMEOUT_S, at_once=None)
        now = opened.clock.now()
        evaluated_count, silent = find_overdue(
            facts, now, read_tunings(settings.monitors), read_tuning_overrides(settings.monitors)
        )
        nonlocal stuck_work
        stuck_work = find_stuck_work(facts, unsent_alerts(opened.reader), now, None)
        report = WatchReport(
            imported, records.bad_names(), dead_sessions, evaluated_count, silent, records.find_fault()
        )
        opened.close()
        return report

    report = ledger.do(run_round)
    if report is None:
        if ledger.lost is not None:
            outage_reporter.report_lost(ledger.location, ledger.lost)
        raise StoreUnavailableError(
            f"the store is unavailable, so nothing can be evaluated\nat {ledger.location}: {ledger.away}",
            hint="Wrapped commands still run, and their records wait in the spool. Fix the store, then run watch "
            "again.",
        )
    if stuck_work is None and settings.notify.watchdog is not None:
        run_in_short_lived_loop(_ping_watchdog(settings, clock))
    return report


def _require_store(settings: Settings) -> None:
    """Reject a mistyped store: an empty one would be healthy forever. A removed store raises an alert in the round."""
    if settings.store.is_remote or make_project_spool(settings).names():
        return
    with contextlib.suppress(StoreRemovedError):
        require_store(settings.store.path)


async def _ping_watchdog(settings: Settings, clock: Clock) -> None:
    """Ping the watchdog outside: a round has run, and nothing is stuck."""
    watchdog_ping = WatchdogPing(settings.notify.watchdog, ErrorText(make_secret_store(settings)), clock)
    try:
        await watchdog_ping.beat()
    finally:
        await watchdog_ping.close()


def find_overdue(
    facts: MonitorInputs, now_at: int, tunings: TuningTable, own: TuningOverrides
) -> tuple[int, list[OverdueAutomation]]:
    """Return how many automations were evaluated by a cadence, stated or learned, and the silent ones, by name."""
    owners = {automation.name: automation.option("owner") for automation in facts.automations}
    evaluations = list(evaluate_monitor(silence.MONITOR, facts, tunings, now_at, own))
    silent = [
        evaluation
        for evaluation in evaluations
        if evaluation.finding is not None and not evaluation.figures.get("learning")
    ]
    return len(evaluations), [_make_overdue(evaluation, owners[evaluation.subject.automation]) for evaluation in silent]


def _make_overdue(evaluation: Evaluation, owner: str | None) -> OverdueAutomation:
    values, late_at = evaluation.figures, evaluation.figures["late_at"]
    expected = values.get("expected") or f"within {format_span(values['window_ms'])}, as usual"
    succeeded_at, due_at = values["last_good_at"], values.get("due_at", late_at)
    return OverdueAutomation(evaluation.subject.automation, expected, succeeded_at, due_at, late_at, owner)
