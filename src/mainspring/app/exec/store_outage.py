"""That the store is lost, told by programs that end: a wrapped command, a round of `watch`.

Where nothing else of ours runs they are the only ones who see it. What they remember outlives them, so that however many of
them see it tell it once, and the first that finds the store again tells its end.
"""

import asyncio
import os
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
    """Tells the channels of the settings; never raises, and takes no longer than ten seconds."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def seen(self, ledger: BestEffortStore | None) -> None:
        """Tell what a wrapped command has seen of its store."""
        if ledger is None:
            return
        if ledger.lost is not None:
            self.away(ledger.shown, ledger.lost)
        elif ledger.away is None:
            self.back(ledger.shown, partial(_record_outage, ledger))

    def away(self, where: str, error: StoreError) -> None:
        """The store (`where`, for people) could not be used: tell it, once it has lasted, or at once if it cannot pass by itself."""
        if self._settings.notify.channels:
            # Imported late, as below: a command whose store is well needs none of it.
            from mainspring.app.alerting.fallback_alerting import notify_store_lost  # noqa: PLC0415
            from mainspring.resources.error_text import ErrorText  # noqa: PLC0415
            from mainspring.resources.secret_store import SecretStore  # noqa: PLC0415

            faults = ErrorText(SecretStore(self._settings.secrets.dir, os.environ))
            _run_with_timeout(notify_store_lost(self._settings, faults, self._clock, where, error))

    def back(self, where: str, apply: Callable[["RecordStoreOutage"], Any]) -> None:
        """The store is well: tell that to those who heard otherwise, and write down that it was lost."""
        if not OutageLog(self._settings.exec.spool).exists():
            return
        from mainspring.app.alerting.fallback_alerting import FallbackAlerter  # noqa: PLC0415
        from mainspring.resources.error_text import ErrorText  # noqa: PLC0415
        from mainspring.resources.secret_store import SecretStore  # noqa: PLC0415

        async def commit(lost: "RecordStoreOutage") -> None:
            if lost.facts["told"]:  # who looks now and then does not know how long it lasted if nobody was told
                apply(lost)

        faults = ErrorText(SecretStore(self._settings.secrets.dir, os.environ))
        _run_with_timeout(_report_recovery(FallbackAlerter(self._settings, faults, self._clock, where, commit)))


def _record_outage(ledger: BestEffortStore, lost: "RecordStoreOutage") -> None:
    """Write down that the store was lost. Raises StoreUnavailableError if it is lost again, of which a ledger only keeps word."""
    ledger.do(lambda store: store.apply(lost))
    if ledger.away is not None:
        raise StoreUnavailableError(ledger.away)


async def _report_recovery(reserved: "FallbackAlerter") -> None:
    try:
        async with asyncio.timeout(REPORT_TIMEOUT_S):
            await reserved.over()
    except TimeoutError:
        pass  # the next one tells it
    finally:
        await reserved.close()


def _run_with_timeout(telling: Coroutine[Any, Any, None]) -> None:
    """Run it in a thread of its own, left to itself if it takes too long."""
    # Imported late: a command whose store is well needs none of it.
    from mainspring.app.alerting.short_lived_loop import run_in_short_lived_loop  # noqa: PLC0415

    thread = threading.Thread(
        target=run_in_short_lived_loop, args=(telling,), name="mainspring-store-told", daemon=True
    )
    thread.start()
    thread.join(REPORT_TIMEOUT_S)
