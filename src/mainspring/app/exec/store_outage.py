"""Store outage, reported by programs that end: a wrapped command, a round of `watch`.

If nothing else of Mainspring runs, only they see it. The outage log outlives them: any number of them report the outage once, and the
first one that finds the store again reports its end.
"""

import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from mainspring.app.alerting.outage_log import OutageLog
from mainspring.app.exec.best_effort_store import BestEffortStore
from mainspring.config import Settings
from mainspring.domain.clock import Clock
from mainspring.domain.errors import StoreError, StoreUnavailableError

if TYPE_CHECKING:
    from mainspring.app.alerting.fallback_alerting import FallbackAlerter
    from mainspring.store.commands.incidents import RecordStoreOutage

REPORT_TIMEOUT_S = 10.0


class StoreOutageReporter:
    """Reports outages to the configured channels. Never raises, and takes at most ten seconds."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def report(self, ledger: BestEffortStore | None) -> None:
        """Report what a wrapped command saw of its store."""
        if ledger is None:
            return
        if ledger.lost is not None:
            self.report_lost(ledger.location, ledger.lost)
        elif ledger.away is None:
            self.report_recovered(ledger.location, partial(_record_outage, ledger))

    def report_lost(self, where: str, error: StoreError) -> None:
        """Report that the store (`where`, for people) could not be used: once it has lasted, or at once if it cannot pass by itself."""
        if self._settings.notify.channels:
            # Imported late, as below: a command with a healthy store does not need it.
            from mainspring.app.alerting.fallback_alerting import notify_store_lost  # noqa: PLC0415
            from mainspring.app.setup.secrets import make_secret_store  # noqa: PLC0415
            from mainspring.engine.attempts.processes.process_lifetime import protect_memory  # noqa: PLC0415
            from mainspring.resources.error_text import ErrorText  # noqa: PLC0415

            protect_memory(with_commands=False)
            faults = ErrorText(make_secret_store(self._settings))
            _run_with_timeout(notify_store_lost(self._settings, faults, self._clock, where, error))

    def report_unrecorded(self, automation: str, failure: str, reason: str) -> None:
        """Report the failure of a run that could be recorded neither in the store nor in a spool (`reason`)."""
        if self._settings.notify.channels:
            from mainspring.app.alerting.unrecorded_run import notify_unrecorded_run  # noqa: PLC0415
            from mainspring.app.setup.secrets import make_secret_store  # noqa: PLC0415
            from mainspring.resources.error_text import ErrorText  # noqa: PLC0415

            faults = ErrorText(make_secret_store(self._settings))
            _run_with_timeout(
                notify_unrecorded_run(
                    self._settings, faults, self._clock, automation=automation, failure=failure, reason=reason
                )
            )

    def report_recovered(self, where: str, apply: Callable[["RecordStoreOutage"], object]) -> None:
        """Notify the notified channels that the store is healthy again, and record that it was lost."""
        if not OutageLog(self._settings.exec.spool).exists():
            return
        from mainspring.app.alerting.fallback_alerting import FallbackAlerter  # noqa: PLC0415
        from mainspring.app.setup.secrets import make_secret_store  # noqa: PLC0415
        from mainspring.engine.attempts.processes.process_lifetime import protect_memory  # noqa: PLC0415
        from mainspring.resources.error_text import ErrorText  # noqa: PLC0415

        async def commit(lost: "RecordStoreOutage") -> None:
            # A process that runs now and then does not know how long an unreported outage lasted.
            if lost.facts["notified"]:
                apply(lost)

        protect_memory(with_commands=False)
        faults = ErrorText(make_secret_store(self._settings))
        _run_with_timeout(_report_recovery(FallbackAlerter(self._settings, faults, self._clock, where, commit)))


def _record_outage(ledger: BestEffortStore, lost: "RecordStoreOutage") -> None:
    """Record that the store was lost. Raises StoreUnavailableError if it is lost again, which a ledger only notes."""
    ledger.do(lambda store: store.apply(lost))
    if ledger.away is not None:
        raise StoreUnavailableError(ledger.away)


async def _report_recovery(fallback: "FallbackAlerter") -> None:
    import asyncio  # noqa: PLC0415 - only a report needs it

    try:
        async with asyncio.timeout(REPORT_TIMEOUT_S):
            await fallback.report_recovery()
    except TimeoutError:
        pass  # the next program reports it
    finally:
        await fallback.close()


def _run_with_timeout(report: Coroutine[Any, Any, None]) -> None:
    """Run a report in a thread of its own, which is abandoned if it takes too long."""
    # Imported late: a command with a healthy store does not need it.
    from mainspring.app.alerting.short_lived_loop import run_in_short_lived_loop  # noqa: PLC0415

    thread = threading.Thread(
        target=run_in_short_lived_loop, args=(report,), name="mainspring-store-outage", daemon=True
    )
    thread.start()
    thread.join(REPORT_TIMEOUT_S)
